/* SPDX-License-Identifier: Apache-2.0 */
/* Single reads: no lock, and no shared line written. */
#include "store/read/read.h"

#include "store/hot.h"
#include "store/lookup.h"
#include "store/read/get.h"
#include "store/read/reading.h"
#include "store/track/follow.h"
#include "store/write/slide.h"

#include "loader/kept.h"
#include "util/bytes.h"

/* Values from this size on are copied under a pin instead of in the read section, which is to
 * stay short. */
#define COPY_PINNED_FROM (256 * 1024)

/* ---- Ends of reads, each of which leaves the section ---- */

MS_NOINLINE int ms_read_missed(memstore *store)
{
    ms_rcu_read_unlock();
    ms_count(&store->counters, MS_COUNT_MISSES, 1);
    return MEMSTORE_ERR_KEY_NOT_FOUND;
}

static MS_NOINLINE int refused_closed(void)
{
    ms_rcu_read_unlock();
    return MEMSTORE_ERR_CACHE_CLOSED;
}

MS_NOINLINE int ms_read_refused(memstore *store)
{
    ms_read_uncount(store);
    return refused_closed();
}

MS_NOINLINE int ms_get_too_small(memstore *store)
{
    ms_rcu_read_unlock();
    ms_read_uncount(store);
    return MEMSTORE_ERR_BUFFER_TOO_SMALL;
}

static void touch(memstore *store, struct ms_entry *entry)
{
    ms_eviction_touch(store->touch, &store->eviction, entry);
}

static MS_NOINLINE int copy_pinned(struct ms_segment *segment, struct ms_bytes value, void *buf)
{
    ms_segment_borrow(segment);
    ms_rcu_read_unlock();
    ms_testing_reach(MS_POINT_READ_BORROWED);
    memcpy(buf, value.data, value.size);
    ms_segment_return(segment);
    return MEMSTORE_OK;
}

/* A lookup's place in a read section: where the entry is, or MS_PLACE_NONE. */
MS_ALWAYS_INLINE ms_place find_hashed(const memstore *store, uint64_t hash, const void *key,
                                      size_t key_size)
{
    const struct ms_lookup lookup = {.store = store, .key = key, .key_size = key_size};

    return ms_lookup_place(&lookup, ms_index_probe(&store->index, hash), hash);
}

MS_ALWAYS_INLINE ms_place find(const memstore *store, const void *key, size_t key_size)
{
    return find_hashed(store, ms_store_hash(store, key, key_size), key, key_size);
}

/* The value of an entry with this key, most of which are short. Where it starts follows from the
 * caller's key, not from the entry, so that the processor can load it while the entry's head is
 * still on its way. */
MS_ALWAYS_INLINE struct ms_bytes value_of(const memstore *store, const struct ms_entry *entry,
                                          size_t key_size)
{
    if (ms_likely(!ms_entry_is_long(entry)))
        return ms_bytes((const char *)entry + store->short_head + key_size, entry->value_size);
    const struct ms_entry_parts parts = ms_entry_parts(entry, store->kept);
    return ms_bytes(parts.value, parts.value_size);
}

/* ---- get ---- */

/* A get that has been counted, the whole way. */
MS_ALWAYS_INLINE int get_whole_hashed(memstore *store, uint64_t hash, const void *key,
                                      size_t key_size, void *buf, size_t cap, size_t *value_size)
{
    ms_rcu_read_lock();
    if (ms_unlikely(ms_store_is_closed(store)))
        return ms_read_refused(store);

    ms_place place = find_hashed(store, hash, key, key_size);
    if (ms_unlikely(place == MS_PLACE_NONE)) {
        ms_get_tell(value_size, 0);
        return ms_read_missed(store);
    }
    struct ms_entry *entry = (struct ms_entry *)ms_arena_entry(&store->arena, place);
    if (ms_unlikely(!ms_lookup_is_live(store, place, entry))) {
        if (!ms_lookup_renewed(store, key, key_size, &place)) {
            ms_get_tell(value_size, 0);
            return ms_read_missed(store);
        }
        entry = (struct ms_entry *)ms_arena_entry(&store->arena, place);
    }

    const struct ms_bytes value = value_of(store, entry, key_size);
    ms_get_tell(value_size, value.size);
    if (ms_unlikely(value.size > cap))
        return ms_get_too_small(store);
    touch(store, entry);
    ms_testing_reach(MS_POINT_READ_KEPT);
    ms_slide_read(store, key, key_size, place);
    if (ms_unlikely(value.size >= COPY_PINNED_FROM))
        return copy_pinned(ms_arena_segment_of(&store->arena, place), value, buf);
    if (ms_likely(value.size != 0))
        memcpy(buf, value.data, value.size);
    ms_rcu_read_unlock();
    return MEMSTORE_OK;
}

static MS_NOINLINE int get_whole(memstore *store, const void *key, size_t key_size, void *buf,
                                 size_t cap, size_t *value_size)
{
    return get_whole_hashed(store, ms_store_hash(store, key, key_size), key, key_size, buf, cap,
                            value_size);
}

MS_NOINLINE int ms_get_copy_and_leave(void *buf, const char *value, size_t size)
{
    if (size != 0)
        memcpy(buf, value, size);
    ms_reader_leave(ms_reader_current());
    return MEMSTORE_OK;
}

MS_NOINLINE int ms_leave_and_get_whole(memstore *store, const void *key, size_t key_size, void *buf,
                                       size_t cap, size_t *value_size)
{
    ms_reader_leave(ms_reader_current());
    return get_whole(store, key, key_size, buf, cap, value_size);
}

/* What was found has expired, which may have been overtaken, see ms_lookup_renewed(). Its key stays where it is
 * no longer than the section. */
static MS_NOINLINE int get_expired(memstore *store, const char *entry_key, size_t key_size,
                                   void *buf, size_t cap, size_t *value_size)
{
    char key[MS_ENTRY_MAX_SHORT_KEY];

    memcpy(key, entry_key, key_size);
    return ms_leave_and_get_whole(store, key, key_size, buf, cap, value_size);
}

/* The entry expires, so the clock is asked. */
MS_NOINLINE int ms_get_expiring(memstore *store, struct ms_entry *entry, size_t key_size, void *buf,
                                size_t cap, size_t *value_size)
{
    const struct ms_quick_found found = {entry, ms_quick_head(entry)};
    const char *const key = (const char *)entry + store->short_head;
    const ms_place place = ms_arena_place_of(&store->arena, entry);

    if (ms_unlikely(ms_lookup_has_expired(store, place)))
        return get_expired(store, key, key_size, buf, cap, value_size);
    if (ms_quick_value_size(found.head) <= cap)
        ms_slide_read(store, key, key_size, place);
    return ms_get_found(store, ms_reader_current(), found, key_size, buf, cap, value_size, false);
}

/* From inside the section on, and counted: any key in any store, by its hash. */
static MS_NOINLINE int get_any_hashed(memstore *store, uint64_t hash, const void *key,
                                      size_t key_size, void *buf, size_t cap, size_t *value_size)
{
    const ms_reader reader = ms_reader_current();

    if (ms_unlikely((store->hot_unmeasured & MS_HOT_OPEN) == 0)) {
        ms_reader_leave(reader);
        return get_whole_hashed(store, hash, key, key_size, buf, cap, value_size);
    }
    return ms_get_looked_up(
        store, reader, ms_quick_find_any_hashed(store, ms_quick_hot(store), hash, key, key_size),
        key, key_size, buf, cap, value_size, false);
}

/* The way that a get would have taken if calls were not measured, from inside the section on. */
static MS_NOINLINE int get_unmeasured(memstore *store, const void *key, size_t key_size, void *buf,
                                      size_t cap, size_t *value_size)
{
    ms_read_count(store);
    if (ms_likely((store->hot_unmeasured & MS_HOT_USUAL) != 0) &&
        ms_likely(ms_is_quick_size(key_size)))
        return ms_get_quick(store, ms_reader_current(), ms_quick_hot(store), key, key_size, buf,
                            cap, value_size, true);
    return get_any_hashed(store, ms_store_hash(store, key, key_size), key, key_size, buf, cap,
                          value_size);
}

MS_NOINLINE int ms_get_timed(memstore *store, const void *key, size_t key_size, void *buf,
                             size_t cap, size_t *value_size)
{
    const uint64_t start = ms_clock_real_ns();
    const int status = get_unmeasured(store, key, key_size, buf, cap, value_size);

    ms_measuring_add(store, MEMSTORE_OPERATION_GET, start);
    return status;
}

/* A get of the sample: what it finds is noted when it has left the section. */
static MS_NOINLINE int get_noted(memstore *store, const void *key, size_t key_size, void *buf,
                                 size_t cap, size_t *value_size, bool by_turn, bool timed)
{
    size_t size = 0;
    const int status = timed ? ms_get_timed(store, key, key_size, buf, cap, &size)
                             : get_unmeasured(store, key, key_size, buf, cap, &size);

    if (status != MEMSTORE_ERR_CACHE_CLOSED)
        ms_get_tell(value_size, size);
    ms_track_read(store, key, key_size, status, size, by_turn);
    return status;
}

/* A get in the sample that has been counted, from its beginning. */
static int get_again_noted(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                           size_t *value_size, bool by_turn)
{
    ms_read_uncount(store);
    return get_noted(store, key, key_size, buf, cap, value_size, by_turn, false);
}

/* From inside the section on: a get in the sample that has been counted. What most of them find is
 * recorded on the way; the others begin again. */
static int get_counted_noted(memstore *store, const void *key, size_t key_size, void *buf,
                             size_t cap, size_t *value_size, bool by_turn)
{
    const struct ms_quick_key quick = ms_quick_key(key, key_size);
    const uint64_t hash = ms_quick_key_hash(&store->hasher, quick);
    const struct ms_quick_found found =
        ms_quick_find_hashed(store, ms_quick_hot(store), quick, hash);
    const size_t size = ms_quick_value_size(found.head);

    if (ms_unlikely(found.entry == NULL) || ms_unlikely(size > cap) ||
        ms_unlikely(!ms_lookup_is_live(store, ms_arena_place_of(&store->arena, found.entry),
                                       found.entry)) ||
        (by_turn && !ms_track_try_key(store, hash, key, key_size)))
        return get_again_noted(store, key, key_size, buf, cap, value_size, by_turn);
    if ((!by_turn || ms_track_follows(store, hash)) &&
        ms_unlikely(!ms_track_try_hit(store, hash, key_size, size)))
        return get_again_noted(store, key, key_size, buf, cap, value_size, false);
    return ms_get_looked_up(store, ms_reader_current(), found, key, key_size, buf, cap, value_size,
                            true);
}

MS_NOINLINE int ms_get_by_turn(memstore *store, const void *key, size_t key_size, void *buf,
                               size_t cap, size_t *value_size)
{
    const bool by_turn = ms_track_take_turn(store, ms_quick_stripe(store, ms_reader_current()));

    return get_counted_noted(store, key, key_size, buf, cap, value_size, by_turn);
}

MS_NOINLINE int ms_get_followed(memstore *store, const void *key, size_t key_size, void *buf,
                                size_t cap, size_t *value_size)
{
    return get_counted_noted(store, key, key_size, buf, cap, value_size, false);
}

/* A get in any store in which keys are followed, measured or not. */
MS_NOINLINE int ms_get_followed_any(memstore *store, const void *key, size_t key_size, void *buf,
                                    size_t cap, size_t *value_size)
{
    const uint64_t n = ms_latency_turn++;
    const bool by_turn = ms_track_is_turn(store, n);
    const bool timed =
        (ms_store_diverts(store) & MS_DIVERT_MEASURED) != 0 && ms_latency_is_sampled(n);

    const uint64_t hash = ms_store_hash(store, key, key_size);

    if (by_turn || ms_track_follows(store, hash))
        return get_noted(store, key, key_size, buf, cap, value_size, by_turn, timed);
    if (ms_unlikely(timed))
        return ms_get_timed(store, key, key_size, buf, cap, value_size);
    ms_read_count(store);
    return get_any_hashed(store, hash, key, key_size, buf, cap, value_size);
}

/* The quick way is closed to this store: it is closed or small, it measures, or it follows keys. */
static MS_NOINLINE int get_otherwise(memstore *store, const void *key, size_t key_size, void *buf,
                                     size_t cap, size_t *value_size)
{
    if ((ms_quick_hot(store) & MS_HOT_MEASURED) != 0) {
        if ((ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0)
            return ms_get_followed_any(store, key, key_size, buf, cap, value_size);
        return ms_measuring_is_turn(store)
                   ? ms_get_timed(store, key, key_size, buf, cap, value_size)
                   : get_unmeasured(store, key, key_size, buf, cap, value_size);
    }
    ms_read_count(store);
    return ms_leave_and_get_whole(store, key, key_size, buf, cap, value_size);
}

/* A get for which the quick way is closed: the thread is not prepared yet, or never will be. */
MS_NOINLINE int ms_get_first(memstore *store, const void *key, size_t key_size, void *buf,
                             size_t cap, size_t *value_size)
{
    if (!ms_reader_is_prepared(ms_reader_current()))
        ms_reader_prepare();
    const uint64_t start = ms_measuring_begin_read(store);
    size_t size = 0;
    ms_read_count(store);
    const int status = get_whole(store, key, key_size, buf, cap, &size);
    if (status != MEMSTORE_ERR_CACHE_CLOSED)
        ms_get_tell(value_size, size);
    ms_measuring_end(store, MEMSTORE_OPERATION_GET, start);
    if ((ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0)
        ms_track_any_read(store, key, key_size, status, size);
    return status;
}

/* The quick way for any key in any store, from inside the section on. */
MS_NOINLINE int ms_get_any(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                           size_t *value_size)
{
    const uint64_t hot = ms_quick_hot(store);

    if (ms_unlikely((hot & MS_HOT_OPEN) == 0))
        return get_otherwise(store, key, key_size, buf, cap, value_size);
    ms_read_count(store);
    return ms_get_quick(store, ms_reader_current(), hot, key, key_size, buf, cap, value_size,
                        false);
}

int ms_store_get(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                 size_t *value_size)
{
    return ms_get_usual(store, key, key_size, buf, cap, value_size);
}

MS_NOINLINE int ms_get_unusual(memstore *store, const void *key, size_t key_size, void *buf,
                               size_t cap, size_t *value_size)
{
    ms_reader_leave(ms_reader_current());
    return ms_store_get(store, key, key_size, buf, cap, value_size);
}

int ms_store_get_following(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                           size_t *value_size)
{
    return ms_get_following(store, key, key_size, buf, cap, value_size);
}

/* ---- has ---- */

static MS_NOINLINE int has_whole(memstore *store, const void *key, size_t key_size)
{
    ms_rcu_read_lock();
    if (ms_unlikely(ms_store_is_closed(store)))
        return refused_closed();
    ms_place place = find(store, key, key_size);
    const bool live = place != MS_PLACE_NONE &&
                      (ms_lookup_is_live(store, place, ms_arena_entry(&store->arena, place)) ||
                       ms_lookup_renewed(store, key, key_size, &place));
    ms_rcu_read_unlock();
    return live ? MEMSTORE_OK : MEMSTORE_ERR_KEY_NOT_FOUND;
}

static MS_NOINLINE int leave_and_has_whole(memstore *store, const void *key, size_t key_size)
{
    ms_reader_leave(ms_reader_current());
    return has_whole(store, key, key_size);
}

static MS_NOINLINE int has_first(memstore *store, const void *key, size_t key_size)
{
    if (!ms_reader_is_prepared(ms_reader_current()))
        ms_reader_prepare();
    const uint64_t start = ms_measuring_begin_read(store);
    const int status = has_whole(store, key, key_size);
    ms_measuring_end(store, MEMSTORE_OPERATION_HAS, start);
    return status;
}

static MS_NOINLINE int has_expiring(memstore *store, const void *key, size_t key_size,
                                    const struct ms_entry *entry)
{
    const int64_t expiry = ms_quick_expiry(store, entry, ms_quick_head(entry));

    if (!ms_quick_lasts(expiry, ms_clock_coarse_ms()) &&
        ms_lookup_has_expired(store, ms_arena_place_of(&store->arena, entry)))
        return leave_and_has_whole(store, key, key_size);
    ms_reader_leave(ms_reader_current());
    return MEMSTORE_OK;
}

/* What was found in a section, and its end. */
MS_ALWAYS_INLINE int has_found(memstore *store, ms_reader reader, struct ms_quick_found found,
                               const void *key, size_t key_size)
{
    if (ms_unlikely(found.entry == NULL))
        return leave_and_has_whole(store, key, key_size);
    if (ms_unlikely(!ms_quick_never_expires(found.head)))
        return has_expiring(store, key, key_size, found.entry);
    ms_reader_leave(reader);
    return MEMSTORE_OK;
}

/* As get_unmeasured(), ms_get_timed() and get_otherwise(). */
static MS_NOINLINE int has_unmeasured(memstore *store, const void *key, size_t key_size)
{
    const uint64_t hot = ms_quick_hot(store);
    const uint64_t flags = store->hot_unmeasured;
    const ms_reader reader = ms_reader_current();

    if (ms_likely((flags & MS_HOT_USUAL) != 0) && ms_likely(ms_is_quick_size(key_size)))
        return has_found(store, reader, ms_quick_find_usual(store, hot, key, key_size), key,
                         key_size);
    if (ms_unlikely((flags & MS_HOT_OPEN) == 0))
        return leave_and_has_whole(store, key, key_size);
    return has_found(store, reader, ms_quick_find_any(store, hot, key, key_size), key, key_size);
}

static MS_NOINLINE int has_timed(memstore *store, const void *key, size_t key_size)
{
    const uint64_t start = ms_clock_real_ns();
    const int status = has_unmeasured(store, key, key_size);

    ms_measuring_add(store, MEMSTORE_OPERATION_HAS, start);
    return status;
}

static MS_NOINLINE int has_otherwise(memstore *store, const void *key, size_t key_size)
{
    if ((ms_quick_hot(store) & MS_HOT_MEASURED) == 0)
        return leave_and_has_whole(store, key, key_size);
    return ms_measuring_is_turn(store) ? has_timed(store, key, key_size)
                                       : has_unmeasured(store, key, key_size);
}

static MS_NOINLINE int has_any(memstore *store, const void *key, size_t key_size)
{
    const uint64_t hot = ms_quick_hot(store);

    if (ms_unlikely((hot & MS_HOT_OPEN) == 0))
        return has_otherwise(store, key, key_size);
    return has_found(store, ms_reader_current(), ms_quick_find_any(store, hot, key, key_size), key,
                     key_size);
}

int ms_store_has(memstore *store, const void *key, size_t key_size)
{
    const ms_reader reader = ms_reader_current();

    if (ms_unlikely(!ms_reader_is_prepared(reader)) || ms_unlikely(!ms_reader_enter(reader)))
        return has_first(store, key, key_size);
    const uint64_t hot = ms_quick_hot(store);
    /* Which keys are followed is nothing to it: no read is counted. */
    if (ms_unlikely((hot & (MS_HOT_USUAL | MS_HOT_FOLLOWED_USUAL)) == 0) ||
        ms_unlikely(!ms_is_quick_size(key_size))) {
        if (!ms_is_quick_measured(hot, key_size))
            return has_any(store, key, key_size);
        if (ms_measuring_is_turn(store))
            return has_timed(store, key, key_size);
    }
    return has_found(store, reader, ms_quick_find_usual(store, hot, key, key_size), key, key_size);
}
