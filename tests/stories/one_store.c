/* SPDX-License-Identifier: Apache-2.0 */
#include "stories/one_store.h"

memstore *store;

void destroy_store(void)
{
    memstore_destroy(store);
}
