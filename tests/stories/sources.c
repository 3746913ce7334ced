/* SPDX-License-Identifier: Apache-2.0 */
#include "stories/sources.h"

#include "platform/wait.h"
#include "store/store.h"
#include "support/await.h"
#include "support/clock.h"
#include "support/criterion.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

void fill(memstore *store)
{
    static const char filler[4000];
    char key[16];

    for (int i = 0; i < 1500; i++) {
        const int size = snprintf(key, sizeof key, "f%d", i);
        assert_ok(memstore_set(store, key, (size_t)size, filler, sizeof filler, LIFE_MS));
    }
}

uint64_t take_all_memory(memstore *store)
{
    uint64_t taken = 0;

    while (ms_budget_charge(&store->arena.budget, 16, store->flights.spare))
        taken += 16;
    return taken;
}

int answer(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct source *source = context;

    const unsigned call = atomic_fetch_add(&source->calls, 1) + 1;

    while (atomic_load(&source->holds))
        sched_yield();
    if (source->takes_time)
        test_clock_advance(1000);
    if (source->fills)
        fill(source->during);
    else if (source->takes != NULL)
        *source->takes += take_all_memory(source->during);
    else if (source->retimes != 0)
        memstore_update_ttl(source->during, key, key_size, source->retimes);
    else if (source->sets != NULL)
        memstore_set(source->during, key, key_size, source->sets, strlen(source->sets), 0);
    else if (source->during != NULL)
        memstore_delete(source->during, key, key_size);
    out->value = source->value;
    out->value_size = source->value != NULL ? strlen(source->value) : 0;
    out->ttl_ms = source->ttl_ms;
    return source->succeeds != 0 && call >= source->succeeds ? MEMSTORE_LOAD_OK : source->result;
}

int answer_many(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    for (size_t i = 0; i < n; i++)
        out[i].result = answer(keys[i].data, keys[i].size, &out[i], context);
    return MEMSTORE_LOAD_OK;
}

const char *ask(memstore *store, struct source *source, int wanted_status)
{
    static char text[64];
    const memstore_loader loader = loader_of(source);
    memstore_view view;

    assert_status(memstore_get_or_load(store, "key", 3, &loader, &view), wanted_status);
    if (wanted_status != MEMSTORE_OK)
        return NULL;
    snprintf(text, sizeof text, "%.*s", (int)view.size, (const char *)view.data);
    memstore_view_release(&view);
    return text;
}

void assert_asks(memstore *store, struct source *source, const char *wanted)
{
    cr_assert_str_eq(ask(store, source, MEMSTORE_OK), wanted);
}

void assert_fails(memstore *store, struct source *source)
{
    ask(store, source, MEMSTORE_ERR_LOADER_FAILED);
}

bool is_there(memstore *store)
{
    return memstore_has(store, "key", 3) == MEMSTORE_OK;
}

memstore *open_with_expired(struct source *source, bool swept)
{
    test_clock_start();
    memstore *store = test_open(STALE_SETTINGS, NULL);

    *source = (struct source){.value = "old", .ttl_ms = 1000};
    assert_asks(store, source, "old");
    test_clock_advance(1000);
    if (swept)
        cr_assert_eq(memstore_size(store), 0);
    source->result = MEMSTORE_LOAD_FAILED;
    source->value = "new";
    return store;
}

memstore *open_with_old(struct source *source)
{
    test_clock_start();
    memstore *store =
        test_open("maintenance=manual", "loader.refresh_after=10s", "loader.retry_max=1s", NULL);

    *source = (struct source){.value = "old", .ttl_ms = 60000};
    assert_asks(store, source, "old");
    test_clock_advance(9999);
    source->value = "new";
    assert_asks(store, source, "old");
    cr_assert_eq(source->calls, 1);
    test_clock_advance(1);
    return store;
}

void *ask_in_thread(void *context)
{
    struct asker *asker = context;
    const memstore_loader loader = loader_of(asker->source);

    asker->status = memstore_get_or_load(asker->store, "key", 3, &loader, &asker->view);
    return NULL;
}

#define TEN_MINUTES 600000

static bool waits_on(void *asker)
{
    return !atomic_load(&((struct asker *)asker)->gives_up);
}

void *ask_until_told(void *context)
{
    struct ms_wait_asked asked = {waits_on, context, false};
    struct asker *asker = context;
    memstore_loader loader = loader_of(asker->source);

    loader.wait_ms = TEN_MINUTES;
    ms_wait_asked = &asked;
    asker->status = memstore_get_or_load(asker->store, "key", 3, &loader, &asker->view);
    ms_wait_asked = NULL;
    return NULL;
}

void begin_asking(struct asker *asker, void *(*how)(void *), unsigned calls)
{
    cr_assert_eq(pthread_create(&asker->thread, NULL, how, asker), 0);
    TEST_AWAIT(atomic_load(&asker->source->calls) >= calls);
}

void let_end(struct asker *asker)
{
    atomic_store(&asker->source->holds, false);
    pthread_join(asker->thread, NULL);
}

void assert_nothing_is_pinned(memstore *store)
{
    memstore_memory_stats stats = {.struct_size = sizeof stats};

    assert_ok(memstore_get_memory_stats(store, &stats));
    cr_assert_eq(stats.pinned, 0);
}
