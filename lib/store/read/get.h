/* SPDX-License-Identifier: Apache-2.0 */
/* The way of most gets, from their beginning: a key of a quick size in a usual store. It is inlined in
 * one function for each kind of processor; the ways of other gets, which are functions of read.c, are
 * the same for all. */
#ifndef MS_STORE_READ_GET_H
#define MS_STORE_READ_GET_H

#include "store/hot.h"
#include "store/read/quick.h"
#include "store/track/follow.h"
#include "store/watch/measuring.h"

#include "util/bytes.h"

/* ---- Other ways (read.c) ---- */

/* The thread is not prepared, or in a section already. */
int ms_get_first(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                 size_t *value_size);
/* From inside the section on, and not counted yet: any key in any store, and in one that follows keys; and
 * timed. */
int ms_get_any(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
               size_t *value_size);
int ms_get_followed_any(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                        size_t *value_size);
int ms_get_timed(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                 size_t *value_size);
/* From inside the section on, and counted: the entry expires; the whole way, from its beginning. The entry
 * has the place of the caller's key among the arguments, since it has the key, too: with one argument more
 * the usual way would need a frame. */
int ms_get_expiring(memstore *store, struct ms_entry *entry, size_t key_size, void *buf, size_t cap,
                    size_t *value_size);
int ms_leave_and_get_whole(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                           size_t *value_size);
/* From inside the section on, and counted: keys are followed, and this one is; or the read is taken at
 * random. */
int ms_get_followed(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                    size_t *value_size);
int ms_get_by_turn(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                   size_t *value_size);
/* From inside the section on, and not counted: keys are followed, but it is not the usual way. */
int ms_get_unusual(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                   size_t *value_size);
/* Ends: a value of a size that is not copied in place; one that is too large. */
int ms_get_copy_and_leave(void *buf, const char *value, size_t size);
int ms_get_too_small(memstore *store);

/* ---- The usual way ---- */

MS_ALWAYS_INLINE void ms_get_tell(size_t *value_size, size_t size)
{
    if (ms_likely(value_size != NULL))
        *value_size = size;
}

/* Copy a value of a quick size. The processor overlaps reads best if it knows where they store before
 * it knows what, and the value's size comes with the entry's head from memory: where the buffer has just
 * the value's size, as that of a caller whose values have one size, the buffer's is what is gone by. */
MS_ALWAYS_INLINE void ms_get_copy(char *buf, size_t cap, const char *value, size_t size)
{
    if (size == cap) {
        ms_keep_in_order(cap); /* or it would be the other one again */
        ms_copy_quick(buf, value, cap);
    } else {
        ms_copy_quick(buf, value, size);
    }
}

/* Copy the value of an entry that lives, and leave. */
MS_ALWAYS_INLINE int ms_get_found(memstore *store, ms_reader reader, struct ms_quick_found found,
                                  size_t key_size, void *buf, size_t cap, size_t *value_size,
                                  bool usual)
{
    const size_t size = ms_quick_value_size(found.head);
    const char *value = (const char *)found.entry + ms_quick_head_size(store, usual) + key_size;

    ms_get_tell(value_size, size);
    if (ms_unlikely(size > cap))
        return ms_get_too_small(store);
    ms_testing_reach(MS_POINT_READ_KEPT);
    if (usual)
        ms_quick_touch_usual(found.entry, found.head);
    else
        ms_eviction_touch(store->touch, &store->eviction, found.entry);
    if (ms_unlikely(!ms_is_quick_copy(size)))
        return ms_get_copy_and_leave(buf, value, size);
    ms_get_copy(buf, cap, value, size);
    ms_reader_leave(reader);
    return MEMSTORE_OK;
}

/* The same when the clock has been asked, for an entry that expires. What is left to the other way has expired, or
 * may have, or is larger. */
static MS_NOINLINE int ms_get_usual_expiring(memstore *store, struct ms_entry *entry,
                                             size_t key_size, void *buf, size_t cap,
                                             size_t *value_size)
{
    const struct ms_quick_found found = {entry, ms_quick_head(entry)};
    const int64_t expiry = ms_quick_expiry(store, entry, found.head);

    if (ms_unlikely(ms_quick_value_size(found.head) > cap) ||
        !ms_quick_lasts(expiry, ms_clock_coarse_ms()))
        return ms_get_expiring(store, entry, key_size, buf, cap, value_size);
    return ms_get_found(store, ms_reader_current(), found, key_size, buf, cap, value_size, true);
}

/* A get that has been counted, from what was found in the section on. */
MS_ALWAYS_INLINE int ms_get_looked_up(memstore *store, ms_reader reader,
                                      struct ms_quick_found found, const void *key, size_t key_size,
                                      void *buf, size_t cap, size_t *value_size, bool usual)
{
    if (ms_unlikely(found.entry == NULL))
        return ms_leave_and_get_whole(store, key, key_size, buf, cap, value_size);
    if (ms_unlikely(!ms_quick_never_expires(found.head)))
        return usual ? ms_get_usual_expiring(store, found.entry, key_size, buf, cap, value_size)
                     : ms_get_expiring(store, found.entry, key_size, buf, cap, value_size);
    return ms_get_found(store, reader, found, key_size, buf, cap, value_size, usual);
}

/* The same from inside the section on. */
MS_ALWAYS_INLINE int ms_get_quick(memstore *store, ms_reader reader, uint64_t hot, const void *key,
                                  size_t key_size, void *buf, size_t cap, size_t *value_size,
                                  bool usual)
{
    const struct ms_quick_found found = usual ? ms_quick_find_usual(store, hot, key, key_size)
                                              : ms_quick_find_any(store, hot, key, key_size);

    return ms_get_looked_up(store, reader, found, key, key_size, buf, cap, value_size, usual);
}

/* A get. */
MS_ALWAYS_INLINE int ms_get_usual(memstore *store, const void *key, size_t key_size, void *buf,
                                  size_t cap, size_t *value_size)
{
    const ms_reader reader = ms_reader_current();

    if (ms_unlikely(!ms_reader_is_prepared(reader)) || ms_unlikely(!ms_reader_enter(reader)))
        return ms_get_first(store, key, key_size, buf, cap, value_size);
    const uint64_t hot = ms_quick_hot(store);
    if (ms_unlikely((hot & MS_HOT_USUAL) == 0) || ms_unlikely(!ms_is_quick_size(key_size))) {
        if (!ms_is_quick_measured(hot, key_size))
            return ms_get_any(store, key, key_size, buf, cap, value_size);
        const unsigned diverts = ms_store_diverts(store);
        if ((diverts & MS_DIVERT_TRACKED) != 0)
            return ms_get_followed_any(store, key, key_size, buf, cap, value_size);
        /* Calls are measured: this one, or it goes on as any other. Or keys were followed until just now. */
        if ((diverts & MS_DIVERT_MEASURED) != 0 &&
            ms_latency_is_sampled(
                ms_load_relaxed(&ms_quick_stripe(store, reader)->counts[MS_COUNT_READS])))
            return ms_get_timed(store, key, key_size, buf, cap, value_size);
    }

    ms_count_own_one(ms_quick_stripe(store, reader), MS_COUNT_READS);
    return ms_get_quick(store, reader, hot, key, key_size, buf, cap, value_size, true);
}

/* A get where keys are followed. */
MS_ALWAYS_INLINE int ms_get_following(memstore *store, const void *key, size_t key_size, void *buf,
                                      size_t cap, size_t *value_size)
{
    const ms_reader reader = ms_reader_current();

    if (ms_unlikely(!ms_reader_is_prepared(reader)) || ms_unlikely(!ms_reader_enter(reader)))
        return ms_get_first(store, key, key_size, buf, cap, value_size);
    const uint64_t hot = ms_quick_hot(store);
    if (ms_unlikely((hot & MS_HOT_FOLLOWED_USUAL) == 0) || ms_unlikely(!ms_is_quick_size(key_size)))
        return ms_get_unusual(store, key, key_size, buf, cap, value_size);

    struct ms_counter_stripe *stripe = ms_quick_stripe(store, reader);
    const uint64_t before = ms_count_own(stripe, MS_COUNT_READS, 1);

    if (ms_unlikely(!ms_is_below_relaxed64(before, &stripe->next_turn)))
        return ms_get_by_turn(store, key, key_size, buf, cap, value_size);
    const struct ms_quick_key quick = ms_quick_key(key, key_size);
    const uint64_t hash = ms_quick_key_hash(&store->hasher, quick);
    if (ms_track_follows(store, hash))
        return ms_get_followed(store, key, key_size, buf, cap, value_size);
    return ms_get_looked_up(store, reader, ms_quick_find_hashed(store, hot, quick, hash), key,
                            key_size, buf, cap, value_size, true);
}

#endif
