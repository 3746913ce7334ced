/* SPDX-License-Identifier: Apache-2.0 */
#include "stories/loading.h"

#include "store/store.h"
#include "support/await.h"
#include "support/criterion.h"

#include <pthread.h>
#include <stdatomic.h>

static void count_release(void *context)
{
    atomic_fetch_add(&((struct row *)context)->released, 1);
}

int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct row *row = context;
    const unsigned call = atomic_fetch_add(&row->calls, 1) + 1;

    (void)key;
    (void)key_size;
    if (row->during != NULL)
        row->during_status = row->during(row);
    if (row->fails)
        return MEMSTORE_LOAD_FAILED;
    if (call <= row->failures)
        return MEMSTORE_LOAD_RETRY;
    if (row->value == NULL)
        return MEMSTORE_LOAD_ABSENT;
    out->value = row->value;
    out->value_size = strlen(row->value);
    out->ttl_ms = row->ttl_ms;
    out->release = count_release;
    out->release_context = row;
    return MEMSTORE_LOAD_OK;
}

int get_or_load(memstore *store, const char *key, struct row *row, memstore_view *view)
{
    const memstore_loader loader = loader_of(row);

    return memstore_get_or_load(store, key, strlen(key), &loader, view);
}

bool shows(const memstore_view *view, const char *value)
{
    return view->data != NULL && view->size == strlen(value) &&
           memcmp(view->data, value, view->size) == 0;
}

void assert_loads(memstore *store, const char *key, struct row *row, const char *value)
{
    memstore_view view;

    assert_ok(get_or_load(store, key, row, &view));
    cr_assert(shows(&view, value));
    memstore_view_release(&view);
}

void wait_for_calls(struct row *row, unsigned calls)
{
    TEST_AWAIT(atomic_load(&row->calls) >= calls);
}

int wait_for_leave(struct row *row)
{
    while (!atomic_load(&row->may_end))
        test_sleep_ms(1); /* at rest, which test_fork() waits for */
    return MEMSTORE_OK;
}

static void *call_loading(void *context)
{
    struct caller *caller = context;
    memstore_loader loader = loader_of(caller->row);

    loader.wait_ms = caller->wait_ms;
    caller->status = memstore_get_or_load(caller->store, caller->key, strlen(caller->key), &loader,
                                          &caller->view);
    atomic_store(&caller->ended, true);
    return NULL;
}

void start(struct caller *caller, memstore *store, const char *key, struct row *row)
{
    *caller = (struct caller){.store = store, .key = key, .row = row};
    cr_assert_eq(pthread_create(&caller->thread, NULL, call_loading, caller), 0);
}

int result_of(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    return caller->status;
}

int write_until_refused(memstore *store)
{
    unsigned char value[1000] = {0};
    int status = MEMSTORE_OK;

    for (uint64_t key = 0; status == MEMSTORE_OK || status == MEMSTORE_ERR_LOCK_TIMEOUT; key++)
        status = memstore_set(store, &key, sizeof key, value, sizeof value, 0);
    return status;
}

memstore *open_full(uint64_t *taken)
{
    memstore *store =
        test_open("performance.memory_limit=1MiB", "eviction=none", "maintenance=manual", NULL);

    assert_status(write_until_refused(store), MEMSTORE_ERR_CACHE_FULL);
    *taken = 0;
    while (ms_budget_charge(&store->arena.budget, 16, store->flights.spare))
        *taken += 16;
    return store;
}
