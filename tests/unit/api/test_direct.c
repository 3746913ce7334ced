/* SPDX-License-Identifier: Apache-2.0 */
/* What readers without calls are told: <memstore/direct.h>. */
#include <criterion/criterion.h>
#include <memstore/direct.h>
#include <memstore/memstore.h>

#include <time.h>

static void claim(uint32_t count, memstore_lanes *lanes)
{
    const int status = memstore_claim_lanes(count, lanes);

    if (status == MEMSTORE_ERR_UNSUPPORTED)
        cr_skip("the kernel has no membarrier()");
    cr_assert_eq(status, MEMSTORE_OK);
}

static memstore *open_with(const char *key, const char *value)
{
    memstore_config *config = memstore_config_new();
    memstore *store = NULL;

    if (key != NULL)
        cr_assert_eq(memstore_config_set(config, key, value), MEMSTORE_OK);
    cr_assert_eq(memstore_open(config, &store), MEMSTORE_OK);
    memstore_config_free(config);
    return store;
}

static void discard(memstore *store)
{
    memstore_close(store);
    memstore_destroy(store);
}

Test(direct, lanes_that_are_claimed_lie_apart_and_nobody_is_in_them)
{
    memstore_lanes lanes = {0};

    claim(3, &lanes);
    cr_assert_eq(lanes.count, 3);
    cr_assert_geq(lanes.stride, 64);
    for (size_t i = 0; i < lanes.count; i++)
        cr_assert_eq(*(uint64_t *)((char *)lanes.turns + i * lanes.stride) % 2, 0);
}

Test(direct, lanes_are_given_away_once)
{
    memstore_lanes some, more;

    claim(MEMSTORE_LANES_MAX - 1, &some);
    cr_assert_eq(memstore_claim_lanes(2, &more), MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(memstore_claim_lanes(1, &more), MEMSTORE_OK);
    for (size_t i = 0; i < some.count; i++)
        cr_assert_neq((char *)some.turns + i * some.stride, (char *)more.turns);
    cr_assert_eq(memstore_claim_lanes(1, &more), MEMSTORE_ERR_UNSUPPORTED);
}

Test(direct, bad_requests_for_lanes_are_refused_and_set_nothing)
{
    memstore_lanes lanes = {.count = 7};

    cr_assert_eq(memstore_claim_lanes(1, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_claim_lanes(0, &lanes), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_claim_lanes(MEMSTORE_LANES_MAX + 1, &lanes), MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(memstore_claim_lanes(UINT32_MAX, &lanes), MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(lanes.count, 7);
    cr_assert_null(lanes.turns);
}

/* A usual store, lanes, and where its memory is. */
static memstore *open_told(uint32_t count, memstore_lanes *lanes, memstore_layout *layout)
{
    memstore *store = open_with(NULL, NULL);

    claim(count, lanes);
    *layout = (memstore_layout){.struct_size = sizeof *layout};
    cr_assert_eq(memstore_get_layout(store, lanes, layout), MEMSTORE_OK);
    return store;
}

Test(direct, a_usual_store_tells_its_layout)
{
    memstore_lanes lanes;
    memstore_layout layout;
    memstore *store = open_told(2, &lanes, &layout);

    cr_assert_eq(layout.version, MEMSTORE_LAYOUT_VERSION);
    cr_assert_neq(*layout.hot & UINT64_C(1) << 16, 0);
    cr_assert_not_null(layout.base);
    cr_assert_not_null(layout.tables);
    cr_assert_not_null(layout.segments);
    discard(store);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

Test(direct, the_clock_is_never_ahead_and_no_later_than_is_said)
{
    memstore_lanes lanes;
    memstore_layout layout;
    memstore *store = open_told(1, &lanes, &layout);

    for (int i = 0; i < 1000; i++) {
        const int64_t before = monotonic_ms();
        int64_t now = -1;

        layout.clock(&now);
        cr_assert_leq(now, monotonic_ms());
        cr_assert_geq(now, before - MEMSTORE_CLOCK_LAG_MS);
    }
    discard(store);
}

Test(direct, the_batches_are_counted_as_they_begin_and_end)
{
    memstore_lanes lanes;
    memstore_layout layout;
    memstore *store = open_told(1, &lanes, &layout);
    const memstore_entry entries[] = {{{"a", 1}, "x", 1, 0}, {{"b", 1}, "y", 1, 0}};

    const uint64_t begun = layout.batches[0];
    cr_assert_eq(layout.batches[1], begun);
    cr_assert_eq(memstore_set_many(store, entries, 2), MEMSTORE_OK);
    cr_assert_gt(layout.batches[0], begun);
    cr_assert_eq(layout.batches[1], layout.batches[0]);
    discard(store);
}

Test(direct, what_is_counted_in_a_lane_is_in_the_statistics)
{
    memstore_lanes lanes;
    memstore_layout layout;
    memstore_stats stats = {.struct_size = sizeof stats};
    memstore *store = open_told(2, &lanes, &layout);

    for (size_t i = 0; i < lanes.count; i++) {
        *(uint64_t *)((char *)layout.reads - i * layout.stripe_bytes) += 10;
        *(uint64_t *)((char *)layout.misses - i * layout.stripe_bytes) += 3;
    }
    cr_assert_eq(memstore_get_stats(store, &stats), MEMSTORE_OK);
    cr_assert_eq(stats.misses, 6);
    cr_assert_eq(stats.hits, 14);
    discard(store);
}

Test(direct, a_closed_store_lets_no_reader_in)
{
    memstore_lanes lanes;
    memstore_layout layout;
    memstore *store = open_told(1, &lanes, &layout);

    cr_assert_eq(memstore_close(store), MEMSTORE_OK);
    cr_assert_eq(*layout.hot & UINT64_C(1) << 16, 0);
    memstore_destroy(store);
}

Test(direct, stores_of_another_kind_tell_no_layout)
{
    static const char *const kinds[][2] = {
        {"hash_function", "fnv"},
        {"eviction", "lru"},
        {"ttl.store_creation_time", "true"},
        {"performance.memory_limit", "2MiB"},
    };
    memstore_lanes lanes;

    claim(1, &lanes);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        memstore_layout layout = {.struct_size = sizeof layout};
        memstore *store = open_with(kinds[i][0], kinds[i][1]);

        cr_assert_eq(memstore_get_layout(store, &lanes, &layout), MEMSTORE_ERR_UNSUPPORTED, "%s",
                     kinds[i][0]);
        cr_assert_eq(layout.version, 0);
        discard(store);
    }
}

Test(direct, stores_of_all_other_sizes_tell_their_layout)
{
    static const char *const limits[] = {"4MiB", "64MiB", "4000MiB", "4GiB", "20GiB"};
    static const uint64_t shifts[] = {2, 2, 2, 3, 5};
    memstore_lanes lanes;

    claim(1, &lanes);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        memstore_layout layout = {.struct_size = sizeof layout};
        memstore *store = open_with("performance.memory_limit", limits[i]);

        cr_assert_eq(memstore_get_layout(store, &lanes, &layout), MEMSTORE_OK, "%s", limits[i]);
        cr_assert_eq(layout.granule_shift, shifts[i], "%s", limits[i]);
        discard(store);
    }
}

Test(direct, bad_requests_for_a_layout_are_refused)
{
    memstore_lanes lanes;
    memstore_layout layout = {.struct_size = 1};
    memstore *store = open_with(NULL, NULL);

    claim(1, &lanes);
    cr_assert_eq(memstore_get_layout(store, &lanes, &layout), MEMSTORE_ERR_INVALID_ARGUMENT);
    layout.struct_size = sizeof layout;
    cr_assert_eq(memstore_get_layout(NULL, &lanes, &layout), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_get_layout(store, NULL, &layout), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_get_layout(store, &lanes, NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    discard(store);
}
