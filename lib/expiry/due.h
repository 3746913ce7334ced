/* SPDX-License-Identifier: Apache-2.0 */
/* Which segment has to be swept next: a binary heap of the segments in which something expires.
 *
 * There is no timer per entry. A segment knows its earliest expiry; it is due a little after
 * that, so that one sweep finds many expired entries. The slack grows with the least time to live of
 * what was put into the segment and is capped by configuration. What is left of it says nothing: of
 * entries that expire one after the other the next is always about to.
 *
 * DU-1  A segment in use whose `earliest` is not MS_NEVER is in the heap.
 * DU-2  `earliest` is at or before the expiry of every live entry in the segment, but while it
 *       is being swept. After a sweep that had to leave an entry though it had expired it is what
 *       it was before that.
 * DU-3  earliest <= due <= earliest + slack, or 50 ms after a sweep that had to leave something, so that
 *       no entry waits longer than its own time to live allows: it was not less than the least, nor does
 *       it expire before the earliest.
 * DU-4  There is room for every segment in use: its user reserves it before it notes anything.
 *
 * All functions may be called by any thread; the lock inside is a leaf. */
#ifndef MS_EXPIRY_DUE_H
#define MS_EXPIRY_DUE_H

#include "platform/thread.h"
#include "platform/validate.h"
#include "segment/segment.h"

#include <stdbool.h>
#include <stddef.h>

struct ms_due {
    ms_mutex lock;
    struct ms_segment **heap; /* from 1 on */
    uint32_t count;
    uint32_t capacity;
    int64_t max_slack; /* milliseconds; 0 = no cap; due lock */
};

void ms_due_init(struct ms_due *due, int64_t max_slack);
void ms_due_fini(struct ms_due *due);
/* Another cap, also for what is in the heap, which a higher one leaves as it is. */
void ms_due_set_slack(struct ms_due *due, int64_t max_slack);

/* Have room for `count` segments in all, so that noting never fails. False when the system gives
 * no memory. */
bool ms_due_reserve(struct ms_due *due, uint32_t count);

/* An entry that expires at `expiry` was appended to the segment; `since` then, by the coarse clock, it was
 * to live. Whether that is due before all that there was: a sweeper that sleeps until then is to be
 * woken. */
bool ms_due_note(struct ms_due *due, struct ms_segment *segment, int64_t expiry, int64_t since);
/* The same, of an entry in the segment whose expiry was changed in place. */
bool ms_due_note_changed(struct ms_due *due, struct ms_segment *segment, int64_t expiry,
                         int64_t since);
/* Since when an entry that is moved at `now` was to live, at the latest: before it lies in `from`. */
int64_t ms_due_moved_since(const struct ms_segment *from, int64_t expiry, int64_t now);
/* Around a sweep, which begins with the earliest expiry that there may be, the result. What is noted
 * between the two is kept; the sweeper reports the earliest expiry that it left behind. A writer notes an expiry after it has stored it, so that either the
 * sweeper finds it or the note comes after the beginning. For entries that are appended to an
 * open segment the sweeper sees to that, by ms_arena_await_appends() between the beginning and
 * its walk. */
int64_t ms_due_sweep_begins(struct ms_due *due, struct ms_segment *segment);
void ms_due_swept(struct ms_due *due, struct ms_segment *segment, int64_t earliest, int64_t now);
/* In place of that, of a sweep that has not come to the end, with what it began with: the segment is due
 * at once, and whoever began to look for what has expired before the sweep did still finds it. */
void ms_due_sweep_stopped(struct ms_due *due, struct ms_segment *segment, int64_t earliest);
/* The segment is not in use any more. */
void ms_due_forget(struct ms_due *due, struct ms_segment *segment);

/* The segment that has been due longest at `now`, or NULL. */
struct ms_segment *ms_due_next(struct ms_due *due, int64_t now);
/* A segment in which something expires at or before `now`, due or not, or NULL. */
struct ms_segment *ms_due_any_expired(struct ms_due *due, int64_t now);
/* When the next segment is due; MS_NEVER when none will be. */
int64_t ms_due_when(struct ms_due *due);

#if MS_VALIDATES
/* Check the heap. No sweep is going on. */
const char *ms_due_validate(const struct ms_due *due);
#endif

#endif
