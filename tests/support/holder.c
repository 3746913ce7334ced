/* SPDX-License-Identifier: Apache-2.0 */
#include "support/holder.h"

#include "support/support.h"

/* Of a millisecond or so each: what comes free is rare then, and one more write waits for it. */
#define REFUSALS_IN_A_ROW 20

memstore_key test_held_key(size_t number, char name[static 32])
{
    return (memstore_key){name, (size_t)snprintf(name, 32, "held %zu", number)};
}

/* Have a view hold one more entry. */
static bool hold_another(memstore *store, memstore_view *views, size_t *held, size_t most)
{
    static const char value[TEST_HELD_BYTES];
    char name[32];
    const memstore_key key = test_held_key(*held, name);

    CHECK(*held < most);
    if (memstore_set(store, key.data, key.size, value, sizeof value, MEMSTORE_TTL_NONE) !=
        MEMSTORE_OK)
        return false;
    CHECK_OK(memstore_get_view(store, key.data, key.size, &views[(*held)++]));
    return true;
}

/* What somebody else is about to free is filled, too, however long he has no processor. */
size_t test_hold_all(memstore *store, memstore_view *views, size_t most)
{
    size_t held = 0;

    do {
        CHECK_OK(memstore_reconfigure(store, "performance.lock_timeout", "1ms"));
        for (int refused = 0; refused < REFUSALS_IN_A_ROW;)
            refused = hold_another(store, views, &held, most) ? 0 : refused + 1;
        CHECK_OK(memstore_reconfigure(store, "performance.lock_timeout", "1s"));
    } while (hold_another(store, views, &held, most));
    return held;
}
