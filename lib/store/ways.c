/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ways.h"

#include "store/hot.h"
#include "store/read/read.h"
#include "store/store.h"

#include "platform/processor.h"

/* Keys are followed, or not. */
static ms_get_fn get_of(bool following)
{
#if MS_HAVE_AVX2_BUILD
    if (ms_processor_has_avx2())
        return following ? ms_store_get_following_avx2 : ms_store_get_avx2;
#endif
    return following ? ms_store_get_following : ms_store_get;
}

/* Let `hot` say what quick.h needs to know. The settings lock is held, or nobody else knows the
 * store yet. */
static void heat_locked(memstore *store)
{
    const uint64_t flags = store->hot_unmeasured;
    const unsigned diverts = ms_store_diverts(store) & (MS_DIVERT_MEASURED | MS_DIVERT_TRACKED);
    const bool followed = diverts == MS_DIVERT_TRACKED && (flags & MS_HOT_USUAL) != 0;
    const uint64_t diverted = MS_HOT_MEASURED |
                              ((flags & MS_HOT_USUAL) != 0 ? MS_HOT_MEASURED_USUAL : 0) |
                              (followed ? MS_HOT_FOLLOWED_USUAL : 0);
    const uint64_t rest = ms_load_relaxed(&store->hot) & ~(uint64_t)MS_HOT_FLAGS;

    ms_store_relaxed(&store->get, get_of(followed));
    if (!store->is_shut)
        ms_store_release(&store->hot, rest | (diverts != 0 ? diverted : flags));
}

void ms_ways_divert(memstore *store, enum ms_diverts why, bool wanted)
{
    const unsigned others = ms_store_diverts(store) & ~(unsigned)why;

    ms_store_relaxed(&store->diverts, (unsigned char)(others | (wanted ? why : 0)));
    /* Before it is open, ms_ways_open() comes later. */
    if (ms_load_relaxed(&store->hot) != 0)
        heat_locked(store);
}

void ms_ways_open(memstore *store)
{
    const uint64_t base = (uint64_t)(uintptr_t)store->arena.base;
    const bool open = store->counters.exclusive == MS_READER_SLOTS &&
                      ms_arena_solo_threshold(&store->arena) >= 2 * MS_QUICK_SHARED;
    const bool usual = open && store->hasher.kind == MS_HASH_XXH3 && store->kept == 0 &&
                       store->index.table_shift == MS_TABLE_SHIFT_MIN &&
                       store->touch == MS_TOUCH_COUNT;

    store->hot_unmeasured = (open ? MS_HOT_OPEN : 0) | (usual ? MS_HOT_USUAL : 0);
    ms_store_relaxed(&store->hot, base | (store->index.shard_count - 1));
    heat_locked(store);
}

void ms_ways_shut(memstore *store)
{
    ms_mutex_lock(&store->settings_lock);
    store->is_shut = true;
    ms_store_release(&store->hot, ms_load_relaxed(&store->hot) & ~MS_HOT_FLAGS);
    ms_mutex_unlock(&store->settings_lock);
}
