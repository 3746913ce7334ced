/* SPDX-License-Identifier: Apache-2.0 */
#include "index/table.h"

static bool match_place(void *context, uint32_t *place)
{
    return *place == *(const uint32_t *)context;
}

bool ms_table_find_place(struct ms_probe probe, uint64_t hash, uint32_t place,
                         struct ms_index_slot *out)
{
    return ms_table_find_slot(probe, hash, match_place, &place, out);
}

void ms_table_insert(struct ms_probe probe, uint64_t hash, uint32_t place,
                     struct ms_index_slot *out)
{
    unsigned empty;

    while ((empty = ms_bucket_empty_slots(&probe.buckets[probe.at])) == 0) {
        struct ms_bucket *full = &probe.buckets[probe.at];
        ms_store_relaxed(&full->overflow, ms_load_relaxed(&full->overflow) + 1);
        ms_probe_next(&probe);
    }
    const unsigned number = (unsigned)__builtin_ctz(empty);
    *out = (struct ms_index_slot){&probe.buckets[probe.at], number};
    if (ms_testing_has_fault(MS_FAULT_PLACE_BEFORE_TAG))
        ms_slot_set(out, place);
    ms_bucket_set_tag(out->bucket, number, ms_index_tag(hash));
    ms_testing_reach(MS_POINT_INDEX_TAGGED);
    ms_slot_set(out, place);
}

void ms_table_remove(struct ms_probe probe, const struct ms_index_slot *slot)
{
    ms_slot_set(slot, 0);
    for (; &probe.buckets[probe.at] != slot->bucket; ms_probe_next(&probe)) {
        struct ms_bucket *passed = &probe.buckets[probe.at];
        /* ORDER: release, pairs with the acquire in ms_table_find(). */
        ms_store_release(&passed->overflow, ms_load_relaxed(&passed->overflow) - 1);
    }
}

bool ms_table_visit(const struct ms_bucket *bucket, ms_index_visit fn, void *context)
{
    for (unsigned i = 0; i < MS_BUCKET_SLOTS; i++) {
        /* ORDER: acquire, as in ms_table_find(). */
        const uint32_t place = ms_load_acquire(&bucket->places[i]);
        if (place != 0 && !fn(context, place))
            return false;
    }
    return true;
}
