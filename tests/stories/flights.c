/* SPDX-License-Identifier: Apache-2.0 */
#include "stories/flights.h"

#include "store/store.h"
#include "support/await.h"
#include "support/criterion.h"

#include <stdlib.h>

static uint32_t count_references(memstore *store)
{
    struct ms_flight **list;
    size_t count = 0;
    uint32_t references = 0;
    memstore_view left;

    cr_assert(ms_flights_list(&store->flights, &list, &count));
    ms_mutex_lock(&store->flights.lock);
    for (size_t i = 0; i < count; i++)
        references += list[i]->references - 1;
    ms_mutex_unlock(&store->flights.lock);
    for (size_t i = 0; i < count; i++)
        ms_flight_drop(list[i], &left);
    free(list);
    return references;
}

void wait_for_references(memstore *store, uint32_t references)
{
    TEST_AWAIT(count_references(store) >= references);
}
