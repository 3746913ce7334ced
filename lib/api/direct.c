/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/clock.h"
#include "platform/lanes.h"
#include "store/hot.h"
#include "store/store.h"
#include "util/abi.h"

#include <memstore/direct.h>

/* What direct.h says of the layout. */
_Static_assert(MS_HOT_SHARDS == 0xffff && MS_HOT_USUAL == UINT64_C(1) << 16, "direct.h: hot");
_Static_assert(sizeof *((struct ms_index *)NULL)->tables == 8, "direct.h: the tables");
_Static_assert(offsetof(struct ms_bucket, last_tags) == 16 &&
                   offsetof(struct ms_bucket, overflow) == 20 &&
                   offsetof(struct ms_bucket, places) == 24 && MS_BUCKET_SLOTS == 10,
               "direct.h: the bucket");
_Static_assert(offsetof(struct ms_entry, mark) == 4 && offsetof(struct ms_entry, key_size) == 5 &&
                   offsetof(struct ms_entry, value_size) == 6,
               "direct.h: the entry");
_Static_assert(MS_EXPIRY_NEVER == 0xffffffff && MS_EXPIRY_FAR == 0xfffffffe &&
                   MS_MARK_ACCESS == 0x1f && MS_ACCESS_COUNT_MAX == 3,
               "direct.h: expiry and mark");
_Static_assert(offsetof(struct ms_segment, time_base) == 16, "direct.h: the segment's record");
_Static_assert(offsetof(memstore, batches_done) ==
                   offsetof(memstore, batches_begun) + sizeof(uint64_t),
               "direct.h: the batches");
_Static_assert(MEMSTORE_CLOCK_LAG_MS >= MS_CLOCK_COARSE_LAG_MS, "direct.h: the clock");
_Static_assert(MS_READER_SLOTS >= 2 * MEMSTORE_LANES_MAX, "threads have as many numbers as lanes");

int memstore_claim_lanes(uint32_t count, memstore_lanes *out)
{
    static atomic_uint claimed;
    uint32_t first;

    if (out == NULL || count == 0)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (count > MEMSTORE_LANES_MAX)
        return MEMSTORE_ERR_UNSUPPORTED;
    if (ms_add_relaxed(&claimed, count) + count > MEMSTORE_LANES_MAX) {
        ms_sub_relaxed(&claimed, count);
        return MEMSTORE_ERR_UNSUPPORTED;
    }
    struct ms_lane *lanes = ms_lanes_claim(count, &first);
    if (lanes == NULL) {
        ms_sub_relaxed(&claimed, count);
        return MEMSTORE_ERR_UNSUPPORTED;
    }
    *out = (memstore_lanes){(uint64_t *)&lanes->turn, sizeof *lanes, count, first};
    return MEMSTORE_OK;
}

static void tell_coarse_ms(int64_t *now_ms)
{
    *now_ms = ms_clock_coarse_ms();
}

int memstore_get_layout(memstore *store, const memstore_lanes *lanes, memstore_layout *out)
{
    if (store == NULL || lanes == NULL || out == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if ((store->hot_unmeasured & MS_HOT_USUAL) == 0)
        return MEMSTORE_ERR_UNSUPPORTED;

    /* A usual store has a stripe for each number; CO-2. */
    struct ms_counter_stripe *stripe = (struct ms_counter_stripe *)store - 1 - lanes->first;
    const memstore_layout layout = {
        .version = MEMSTORE_LAYOUT_VERSION,
        .hot = (const uint64_t *)&store->hot,
        .base = store->arena.base,
        .tables = store->index.tables,
        .segments = store->arena.segments,
        .segment_shift = store->arena.segment_shift,
        .pages_offset = store->arena.pages_offset,
        .reads = (uint64_t *)&stripe->counts[MS_COUNT_READS],
        .misses = (uint64_t *)&stripe->counts[MS_COUNT_MISSES],
        .stripe_bytes = sizeof *stripe,
        .seed = store->hasher.seed,
        .clock = tell_coarse_ms,
        .batches = (const uint64_t *)&store->batches_begun,
        .granule_shift = store->granule_shift,
    };
    return ms_abi_store(out, &layout, sizeof layout);
}
