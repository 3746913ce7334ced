/* SPDX-License-Identifier: Apache-2.0 */
#include "expiry/due.h"

#include "platform/mem.h"

/* Something expired may wait this long, and 1 % of the least time to live in the segment more, until
 * that is swept. */
#define SLACK_MS 50
#define SLACK_DIVISOR 100

void ms_due_init(struct ms_due *due, int64_t max_slack)
{
    *due = (struct ms_due){.max_slack = max_slack};
    ms_mutex_init(&due->lock, MS_RANK_DUE);
}

void ms_due_fini(struct ms_due *due)
{
    ms_mem_free(due->heap);
    due->heap = NULL;
    due->capacity = 0;
    due->count = 0;
}

bool ms_due_reserve(struct ms_due *due, uint32_t count)
{
    bool reserved = true;

    ms_mutex_lock(&due->lock);
    if (count > due->capacity) {
        const uint32_t capacity = count + count / 4 + 16;
        struct ms_segment **heap = ms_mem_resize(due->heap, (capacity + 1) * sizeof *heap);

        reserved = heap != NULL;
        if (reserved) {
            due->heap = heap;
            due->capacity = capacity;
        }
    }
    ms_mutex_unlock(&due->lock);
    return reserved;
}

/* ---- The heap ---- */

static void put(struct ms_due *due, uint32_t position, struct ms_segment *segment)
{
    due->heap[position] = segment;
    segment->due_position = position;
}

static void sift(struct ms_due *due, uint32_t position)
{
    struct ms_segment *segment = due->heap[position];

    while (position > 1 && due->heap[position / 2]->due > segment->due) {
        put(due, position, due->heap[position / 2]);
        position /= 2;
    }
    for (;;) {
        uint32_t child = position * 2;
        if (child > due->count)
            break;
        if (child < due->count && due->heap[child + 1]->due < due->heap[child]->due)
            child++;
        if (due->heap[child]->due >= segment->due)
            break;
        put(due, position, due->heap[child]);
        position = child;
    }
    put(due, position, segment);
}

static void remove_locked(struct ms_due *due, struct ms_segment *segment)
{
    const uint32_t position = segment->due_position;
    struct ms_segment *last = due->heap[due->count--];

    segment->due_position = 0;
    if (last != segment) {
        put(due, position, last);
        sift(due, position);
    }
}

/* What had expired at `now` was waited for already. */
static int64_t due_time(const struct ms_due *due, const struct ms_segment *segment,
                        int64_t earliest, int64_t now)
{
    int64_t slack =
        SLACK_MS + (earliest > now ? ms_load_relaxed(&segment->least_ttl) / SLACK_DIVISOR : 0);

    if (due->max_slack != 0 && slack > due->max_slack)
        slack = due->max_slack;
    const int64_t from = earliest > now ? earliest : now;
    return from < MS_NEVER - slack ? from + slack : MS_NEVER - 1;
}

static void place_locked(struct ms_due *due, struct ms_segment *segment, int64_t when)
{
    if (segment->due_position == 0)
        put(due, ++due->count, segment);
    segment->due = when;
    sift(due, segment->due_position);
}

static void set_earliest_locked(struct ms_due *due, struct ms_segment *segment, int64_t earliest,
                                int64_t now)
{
    if (earliest != MS_NEVER)
        place_locked(due, segment, due_time(due, segment, earliest, now));
    else if (segment->due_position != 0)
        remove_locked(due, segment);
    ms_store_relaxed(&segment->earliest, earliest);
}

static int64_t when_locked(const struct ms_due *due)
{
    return due->count != 0 ? due->heap[1]->due : MS_NEVER;
}

void ms_due_set_slack(struct ms_due *due, int64_t max_slack)
{
    ms_mutex_lock(&due->lock);
    const uint32_t count = due->count;

    due->max_slack = max_slack;
    /* One by one into a heap that grows again, because any of them may come to be due earlier. */
    for (due->count = 1; max_slack != 0 && due->count <= count; due->count++) {
        struct ms_segment *segment = due->heap[due->count];
        const int64_t earliest = ms_load_relaxed(&segment->earliest);

        if (earliest < segment->due && segment->due - earliest > max_slack)
            segment->due = earliest + max_slack;
        sift(due, due->count);
    }
    due->count = count;
    ms_mutex_unlock(&due->lock);
}

/* A time to live as a segment keeps it. */
static uint32_t ttl_of(int64_t expiry, int64_t since)
{
    const int64_t ttl = expiry - since;

    return ttl < 0 ? 0 : ttl < MS_TTL_UNKNOWN ? (uint32_t)ttl : MS_TTL_UNKNOWN;
}

static void note_locked(struct ms_due *due, struct ms_segment *segment, int64_t expiry,
                        int64_t since)
{
    const uint32_t ttl = ttl_of(expiry, since);
    const int64_t earliest = ms_load_relaxed(&segment->earliest);

    if (ttl < ms_load_relaxed(&segment->least_ttl))
        ms_store_relaxed(&segment->least_ttl, ttl);
    if (expiry < earliest) {
        set_earliest_locked(due, segment, expiry, since);
    } else if (earliest != MS_NEVER) {
        const int64_t when = due_time(due, segment, earliest, since);

        /* One whose sweep was stopped is due sooner. */
        if (when < segment->due)
            place_locked(due, segment, when);
    }
}

bool ms_due_note_changed(struct ms_due *due, struct ms_segment *segment, int64_t expiry,
                         int64_t since)
{
    ms_mutex_lock(&due->lock);
    const int64_t before = when_locked(due);
    note_locked(due, segment, expiry, since);
    const bool sooner = when_locked(due) < before;
    ms_mutex_unlock(&due->lock);
    return sooner;
}

bool ms_due_note(struct ms_due *due, struct ms_segment *segment, int64_t expiry, int64_t since)
{
    /* Nearly always the segment holds something that expires earlier and something that lives no longer,
     * and one look says so.
     *
     * ORDER: relaxed; a sweep that began before the entry was appended is seen to have begun,
     * because the sweeper took the lock of the open slot between its beginning and the append. */
    return (expiry < ms_load_relaxed(&segment->earliest) ||
            ttl_of(expiry, since) < ms_load_relaxed(&segment->least_ttl)) &&
           ms_due_note_changed(due, segment, expiry, since);
}

int64_t ms_due_moved_since(const struct ms_segment *from, int64_t expiry, int64_t now)
{
    const int64_t since = expiry - ms_load_relaxed(&from->least_ttl);

    return since < now ? since : now;
}

int64_t ms_due_sweep_begins(struct ms_due *due, struct ms_segment *segment)
{
    ms_mutex_lock(&due->lock);
    const int64_t earliest = ms_load_relaxed(&segment->earliest);
    ms_store_relaxed(&segment->earliest, MS_NEVER);
    ms_mutex_unlock(&due->lock);
    return earliest;
}

void ms_due_swept(struct ms_due *due, struct ms_segment *segment, int64_t earliest, int64_t now)
{
    ms_mutex_lock(&due->lock);
    const int64_t noted = ms_load_relaxed(&segment->earliest);
    set_earliest_locked(due, segment, noted < earliest ? noted : earliest, now);
    ms_mutex_unlock(&due->lock);
}

void ms_due_sweep_stopped(struct ms_due *due, struct ms_segment *segment, int64_t earliest)
{
    ms_mutex_lock(&due->lock);
    const int64_t noted = ms_load_relaxed(&segment->earliest);
    if (noted < earliest)
        earliest = noted;
    ms_store_relaxed(&segment->earliest, earliest);
    place_locked(due, segment, earliest);
    ms_mutex_unlock(&due->lock);
}

void ms_due_forget(struct ms_due *due, struct ms_segment *segment)
{
    ms_mutex_lock(&due->lock);
    set_earliest_locked(due, segment, MS_NEVER, 0);
    ms_store_relaxed(&segment->least_ttl, MS_TTL_UNKNOWN);
    ms_mutex_unlock(&due->lock);
}

struct ms_segment *ms_due_next(struct ms_due *due, int64_t now)
{
    ms_mutex_lock(&due->lock);
    struct ms_segment *segment = due->count != 0 && due->heap[1]->due <= now ? due->heap[1] : NULL;
    ms_mutex_unlock(&due->lock);
    return segment;
}

struct ms_segment *ms_due_any_expired(struct ms_due *due, int64_t now)
{
    struct ms_segment *expired = NULL;

    ms_mutex_lock(&due->lock);
    for (uint32_t i = 1; i <= due->count && expired == NULL; i++) {
        if (ms_load_relaxed(&due->heap[i]->earliest) <= now)
            expired = due->heap[i];
    }
    ms_mutex_unlock(&due->lock);
    return expired;
}

int64_t ms_due_when(struct ms_due *due)
{
    ms_mutex_lock(&due->lock);
    const int64_t when = when_locked(due);
    ms_mutex_unlock(&due->lock);
    return when;
}

#if MS_VALIDATES
const char *ms_due_validate(const struct ms_due *due)
{
    MS_REQUIRE(due->count <= due->capacity, "DU-4: the heap is larger than its room");
    for (uint32_t i = 1; i <= due->count; i++) {
        const struct ms_segment *segment = due->heap[i];
        const int64_t earliest = ms_load_relaxed(&segment->earliest);

        MS_REQUIRE(segment->due_position == i, "DU-1: a segment is elsewhere in the heap");
        MS_REQUIRE(earliest != MS_NEVER, "DU-1: a segment in which nothing expires is in the heap");
        MS_REQUIRE(earliest <= segment->due && segment->due != MS_NEVER,
                   "DU-3: a segment is due before anything in it expires");
        MS_REQUIRE(i == 1 || due->heap[i / 2]->due <= segment->due,
                   "DU: a segment is above one that is due earlier");
    }
    return NULL;
}
#endif
