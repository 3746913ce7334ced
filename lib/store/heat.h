/* SPDX-License-Identifier: Apache-2.0 */
/* How much use an entry is of, in steps that a snapshot keeps, and how an entry of that use is
 * stored again. */
#ifndef MS_STORE_HEAT_H
#define MS_STORE_HEAT_H

#include "store/store.h"

/* Steps, the highest for what is kept longest. */
#define MS_HEATS 8

/* The least count of uses of each step, where they are counted up to many: a few steps apart each,
 * like the bins of lfu.c. */
static const unsigned char ms_heat_least[MS_HEATS] = {0, 1, 2, 3, 5, 8, 12, 17};

static inline unsigned ms_heat_of_count(unsigned count)
{
    unsigned heat = MS_HEATS - 1;

    while (ms_heat_least[heat] > count)
        heat--;
    return heat;
}

/* In a read section, or with the entry's shard locked. */
static inline unsigned ms_heat_of(memstore *store, const struct ms_entry *entry,
                                  const struct ms_segment *segment)
{
    const unsigned access = ms_load_relaxed(&entry->mark) & MS_MARK_ACCESS;

    switch (store->touch) {
    case MS_TOUCH_COUNT: {
        const unsigned uses = access < MS_ACCESS_COUNT_MAX ? access : MS_ACCESS_COUNT_MAX;
        return uses + (ms_load_relaxed(&segment->queue) != MS_QUEUE_NEW ? MS_HEATS / 2 : 0);
    }
    case MS_TOUCH_FREQUENCY:
        return ms_heat_of_count(access);
    case MS_TOUCH_STAMP: {
        /* Stamps go round: how many epochs ago it was used. */
        const unsigned age =
            (ms_load_relaxed(&store->eviction.stamp) + MS_STAMPS - access) % MS_STAMPS;
        return MS_HEATS - 1 - age * MS_HEATS / MS_STAMPS;
    }
    case MS_TOUCH_NOTHING: {
        /* What was written last goes last. */
        const uint64_t opened = ms_load_relaxed(&store->arena.sequence);
        const uint64_t age = opened - segment->sequence;
        const uint64_t step = age * MS_HEATS / store->arena.segment_count;
        return step < MS_HEATS ? MS_HEATS - 1 - (unsigned)step : 0;
    }
    }
    return 0;
}

/* The queue and the access bits of an entry that was of this use. */
static inline enum ms_queue ms_heat_queue(const memstore *store, unsigned heat)
{
    /* Only policies that count have a queue for what is new; those of others look for victims in the one queue. */
    return store->touch == MS_TOUCH_COUNT && heat < MS_HEATS / 2 ? MS_QUEUE_NEW : MS_QUEUE_MAIN;
}

static inline unsigned ms_heat_access(memstore *store, unsigned heat)
{
    switch (store->touch) {
    case MS_TOUCH_COUNT:
        return heat % (MS_HEATS / 2);
    case MS_TOUCH_FREQUENCY:
        return ms_heat_least[heat];
    default:
        return ms_eviction_initial_access(&store->eviction, 0);
    }
}

#endif
