/* SPDX-License-Identifier: Apache-2.0 */
/* Views: reads that copy nothing, and their release. */
#include "store/read/view.h"

#include "store/hot.h"
#include "store/lookup.h"
#include "store/read/quick.h"
#include "store/read/reading.h"
#include "store/track/follow.h"
#include "store/write/slide.h"

#include "loader/kept.h"

/* How far the wall clock is allowed to have been stepped before views tell expiries by the new
 * one. */
#define UNIX_OFFSET_LIFE_MS 100

/* By the coarse clock's reading. */
static int64_t unix_offset(memstore *store, int64_t now)
{
    int64_t fake_monotonic, fake_unix;

    /* ORDER: acquire, pairs with the release below: the offset is that of this moment or a later one. */
    if (now - ms_load_acquire(&store->unix_offset_read) >= UNIX_OFFSET_LIFE_MS ||
        ms_testing_clock(&fake_monotonic, &fake_unix)) {
        ms_store_relaxed(&store->unix_offset, ms_clock_unix_offset_ms());
        ms_store_release(&store->unix_offset_read, now);
    }
    return ms_load_relaxed(&store->unix_offset);
}

int64_t ms_store_unix_expiry(memstore *store, int64_t expiry)
{
    return expiry == MS_NEVER ? 0 : expiry + unix_offset(store, ms_clock_coarse_ms());
}

/* A full store may have no room for a row until a segment comes free, and asking takes the pool lock: views
 * that a thread takes until it asks again. */
#define VIEWS_UNTIL_PINS 1024

static struct ms_pin_row *row_of(memstore *store, struct ms_counter_stripe *own)
{
    if (own->pins != NULL)
        return own->pins;
    if (own->views_until_pins != 0) {
        own->views_until_pins--;
        return NULL;
    }
    own->views_until_pins = VIEWS_UNTIL_PINS - 1;
    own->pins = ms_pin_own_row(&store->arena, ms_thread_slot());
    return own->pins;
}

/* The calling thread's row, if it may pin the segment there. */
static struct ms_pin_row *row_for(memstore *store, const struct ms_segment *segment)
{
    struct ms_counter_stripe *const own = ms_counters_own(&store->counters);

    return own == NULL || segment->is_solo ? NULL : row_of(store, own);
}

void *ms_store_pin(memstore *store, struct ms_segment *segment)
{
    struct ms_pin_row *const row = row_for(store, segment);

    return row != NULL ? ms_pin_take(row, (size_t)(segment - store->arena.segments))
                       : ms_pin_take_shared(segment);
}

/* The same for the one view of a call, which may be the only one that its thread has. */
static void *hold(memstore *store, struct ms_segment *segment, const struct ms_entry *entry)
{
    struct ms_pin_row *const row = row_for(store, segment);

    return row != NULL ? ms_pin_hold_somewhere(row, entry) : ms_pin_take_shared(segment);
}

/* All but the version. */
static void view_of(memstore *store, const struct ms_found *found, memstore_view *out)
{
    const int64_t expiry = ms_found_expiry(found);

    out->pin = hold(store, found->segment, found->entry);
    out->data = found->parts.value;
    out->size = found->parts.value_size;
    out->expires_at_ms = ms_store_unix_expiry(store, expiry);
}

void ms_view_of(memstore *store, const struct ms_found *found, memstore_view *out)
{
    ms_found_mark_versioned(found);
    out->version = ms_found_version(store, found);
    view_of(store, found, out);
}

/* A view that has been counted as a read, the whole way. */
static MS_NOINLINE int get_view_whole(memstore *store, const void *key, size_t key_size,
                                      memstore_view *out)
{
    const uint64_t hash = ms_store_hash(store, key, key_size);
    struct ms_found found;

    *out = (memstore_view){0};
    ms_rcu_read_lock();
    if (ms_unlikely(ms_store_is_closed(store)))
        return ms_read_refused(store);
    do {
        if (!ms_lookup_live(store, key, key_size, hash, &found))
            return ms_read_missed(store);
        ms_testing_reach(MS_POINT_READ_KEPT);
        ms_slide_read(store, key, key_size, found.place);
    } while (!ms_version_tell(store, &found, &out->version));
    ms_eviction_touch(store->touch, &store->eviction, found.entry);
    view_of(store, &found, out);
    ms_rcu_read_unlock();
    return MEMSTORE_OK;
}

static size_t size_of_view(int status, const memstore_view *view)
{
    return status == MEMSTORE_OK ? view->size : 0;
}

/* A view in any store, of which it is not known whether it follows keys. */
static MS_NOINLINE int get_any_view(memstore *store, const void *key, size_t key_size,
                                    memstore_view *out)
{
    ms_read_count(store);
    const int status = get_view_whole(store, key, key_size, out);
    if (ms_unlikely((ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0))
        ms_track_any_read(store, key, key_size, status, size_of_view(status, out));
    return status;
}

static MS_NOINLINE int get_view_first(memstore *store, const void *key, size_t key_size,
                                      memstore_view *out)
{
    if (!ms_reader_is_prepared(ms_reader_current()))
        ms_reader_prepare();
    return get_any_view(store, key, key_size, out);
}

/* From inside the section on. */
static MS_NOINLINE int leave_and_get_view(memstore *store, const void *key, size_t key_size,
                                          memstore_view *out)
{
    ms_reader_leave(ms_reader_current());
    return get_view_whole(store, key, key_size, out);
}

static MS_NOINLINE int leave_and_get_any_view(memstore *store, const void *key, size_t key_size,
                                              memstore_view *out)
{
    ms_reader_leave(ms_reader_current());
    return get_any_view(store, key, key_size, out);
}

/* Whatever ms_quick_hold() does not do; of the view only pin and version are missing. In a usual store, from
 * inside the section on. */
static MS_NOINLINE int hold_elsewhere(memstore *store, struct ms_entry *entry, memstore_view *out)
{
    const size_t offset = (size_t)((const char *)entry - store->arena.base);
    struct ms_segment *const segment = ms_arena_segment_at(&store->arena, offset);

    out->pin = hold(store, segment, entry);
    out->version = ms_segment_version(segment, entry, store->granule_shift);
    ms_reader_leave(ms_reader_current());
    return MEMSTORE_OK;
}

/* Hold what was found, and end the section. In a usual store. */
MS_ALWAYS_INLINE int hold_found(memstore *store, uint64_t hot, ms_reader reader,
                                struct ms_quick_found found, const void *key, size_t key_size,
                                memstore_view *out)
{
    if (ms_unlikely(!ms_quick_is_noted(found.head)) && ms_unlikely(!ms_quick_touch_viewed(found)))
        return leave_and_get_view(store, key, key_size, out);
    void *const pin = ms_quick_hold(store, hot, reader, found, &out->version);

    if (ms_unlikely(pin == NULL))
        return hold_elsewhere(store, found.entry, out);
    out->pin = pin;
    ms_reader_leave(reader);
    return MEMSTORE_OK;
}

/* The entry may have expired. In a usual store, from inside the section on. */
static MS_NOINLINE int get_expired_view(memstore *store, const void *key, size_t key_size,
                                        struct ms_entry *entry, memstore_view *out)
{
    struct ms_found found;

    ms_found_at(store, ms_arena_place_of(&store->arena, entry), &found);
    if (ms_has_expired(ms_found_expiry(&found)) || !ms_version_tell(store, &found, &out->version))
        return leave_and_get_view(store, key, key_size, out);
    ms_eviction_touch(store->touch, &store->eviction, entry);
    view_of(store, &found, out);
    ms_reader_leave(ms_reader_current());
    return MEMSTORE_OK;
}

/* The entry expires, so the clock is asked. */
static MS_NOINLINE int get_expiring_view(memstore *store, const void *key, size_t key_size,
                                         struct ms_entry *entry, memstore_view *out)
{
    const uint64_t head = ms_quick_head(entry);
    const int64_t expiry = ms_quick_expiry(store, entry, head);
    const int64_t now = ms_clock_coarse_ms();

    if (!ms_quick_lasts(expiry, now))
        return get_expired_view(store, key, key_size, entry, out);
    out->data = (const char *)(entry + 1) + key_size;
    out->size = ms_quick_value_size(head);
    out->expires_at_ms = expiry + unix_offset(store, now);
    return hold_found(store, ms_quick_hot(store), ms_reader_current(),
                      (struct ms_quick_found){entry, head}, key, key_size, out);
}

/* A view in a usual store that has been counted, from what was found in the section on. */
MS_ALWAYS_INLINE int view_found(memstore *store, uint64_t hot, ms_reader reader,
                                struct ms_quick_found found, const void *key, size_t key_size,
                                memstore_view *out)
{
    if (ms_unlikely(found.entry == NULL))
        return leave_and_get_view(store, key, key_size, out);
    ms_testing_reach(MS_POINT_READ_KEPT);
    if (ms_unlikely(!ms_quick_never_expires(found.head)))
        return get_expiring_view(store, key, key_size, found.entry, out);
    out->data = (const char *)(found.entry + 1) + key_size;
    out->size = ms_quick_value_size(found.head);
    out->expires_at_ms = 0;
    return hold_found(store, hot, reader, found, key, key_size, out);
}

/* A view in the sample, which has been counted. From inside the section on. */
static int get_view_noted(memstore *store, const void *key, size_t key_size, memstore_view *out,
                          bool by_turn)
{
    const int status = leave_and_get_view(store, key, key_size, out);

    ms_track_read(store, key, key_size, status, size_of_view(status, out), by_turn);
    return status;
}

static MS_NOINLINE int get_view_by_turn(memstore *store, const void *key, size_t key_size,
                                        memstore_view *out)
{
    const bool by_turn = ms_track_take_turn(store, ms_quick_stripe(store, ms_reader_current()));

    return get_view_noted(store, key, key_size, out, by_turn);
}

/* What is found is recorded on the way, unless it expires. */
static MS_NOINLINE int get_view_followed(memstore *store, const void *key, size_t key_size,
                                         memstore_view *out)
{
    const uint64_t hot = ms_quick_hot(store);
    const struct ms_quick_key quick = ms_quick_key(key, key_size);
    const uint64_t hash = ms_quick_key_hash(&store->hasher, quick);
    const struct ms_quick_found found = ms_quick_find_hashed(store, hot, quick, hash);

    if (found.entry == NULL || !ms_quick_never_expires(found.head) ||
        !ms_track_try_hit(store, hash, key_size, ms_quick_value_size(found.head)))
        return get_view_noted(store, key, key_size, out, false);
    return view_found(store, hot, ms_reader_current(), found, key, key_size, out);
}

/* The quick way where keys are followed, from inside the section on; see ms_get_following(). */
MS_ALWAYS_INLINE int get_view_following(memstore *store, uint64_t hot, ms_reader reader,
                                        const void *key, size_t key_size, memstore_view *out)
{
    struct ms_counter_stripe *stripe = ms_quick_stripe(store, reader);
    const uint64_t before = ms_count_own(stripe, MS_COUNT_READS, 1);

    if (ms_unlikely(!ms_is_below_relaxed64(before, &stripe->next_turn)))
        return get_view_by_turn(store, key, key_size, out);
    const struct ms_quick_key quick = ms_quick_key(key, key_size);
    const uint64_t hash = ms_quick_key_hash(&store->hasher, quick);

    if (ms_track_follows(store, hash))
        return get_view_followed(store, key, key_size, out);
    return view_found(store, hot, reader, ms_quick_find_hashed(store, hot, quick, hash), key,
                      key_size, out);
}

int ms_store_get_view(memstore *store, const void *key, size_t key_size, memstore_view *out)
{
    const ms_reader reader = ms_reader_current();

    if (ms_unlikely(!ms_reader_is_prepared(reader)) || ms_unlikely(!ms_reader_enter(reader)))
        return get_view_first(store, key, key_size, out);
    const uint64_t hot = ms_quick_hot(store);
    if (ms_unlikely((hot & MS_HOT_USUAL) == 0) || ms_unlikely(!ms_is_quick_size(key_size))) {
        if ((hot & MS_HOT_FOLLOWED_USUAL) != 0 && ms_is_quick_size(key_size))
            return get_view_following(store, hot, reader, key, key_size, out);
        if (!ms_is_quick_measured(hot, key_size) ||
            (ms_store_diverts(store) & MS_DIVERT_TRACKED) != 0)
            return leave_and_get_any_view(store, key, key_size, out);
        /* Calls are measured, which who calls sees to: this one goes on as any other. */
    }
    ms_count_own_one(ms_quick_stripe(store, reader), MS_COUNT_READS);
    return view_found(store, hot, reader, ms_quick_find_usual(store, hot, key, key_size), key,
                      key_size, out);
}

/* ---- One more, and their end ---- */

void ms_view_share(const memstore_view *view, memstore_view *out)
{
    *out = *view;
    if (ms_view_is_kept(view)) {
        ms_kept_share(view);
    } else if (view->pin != NULL) {
        out->pin = ms_pin_share(view->pin);
    }
}

void ms_view_give_back_other(memstore_view *view)
{
    if (ms_likely(((uintptr_t)view->pin & MS_VIEW_MARKS) == 0)) {
        ms_view_release(view);
    } else if (ms_view_is_kept(view)) {
        ms_kept_release(view);
        *view = (memstore_view){0};
    } else if (ms_view_has_pass(view)) {
        ms_admission_release(view);
    } else {
        ms_event_view_release(view);
    }
}

void ms_view_release(memstore_view *view)
{
    if (view->pin != NULL)
        ms_pin_release(view->pin);
    *view = (memstore_view){0};
}
