/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks for tests, compiled in with -DMS_TESTING only. In the library that ships each is an
 * inline constant that the compiler removes.
 *
 * The hooks are process-wide. They are set by one thread while no other uses a store. */
#ifndef MS_PLATFORM_TESTING_H
#define MS_PLATFORM_TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a test may stop or delay a thread. */
enum ms_testing_point {
    MS_POINT_SHARD_LOCKED,    /* a writer holds a shard lock and has changed nothing yet */
    MS_POINT_ENTRY_WRITTEN,   /* a writer has written its entry and not published it */
    MS_POINT_BATCH_PREPARED,  /* a batch holds its locks and nothing is visible yet */
    MS_POINT_BATCH_PENDING,   /* some slots of a batch are pending, none committed */
    MS_POINT_BATCH_COMMITTED, /* a batch is committed, its pending slots are not cleared yet */
    MS_POINT_READ_FOUND,      /* a reader has an entry's address and has not read the entry yet */
    MS_POINT_READ_LOADED,     /* get_many has looked its keys up and not validated yet */
    MS_POINT_READ_KEPT,       /* a reader has its entry and has not copied or pinned it yet */
    MS_POINT_READ_BORROWED,   /* a reader holds a large value outside its section, to copy it */
    MS_POINT_INDEX_GROWN,     /* a shard's new table is filled and not published */
    MS_POINT_INDEX_TAGGED,    /* an insert has stored a slot's tag and not its place */
    MS_POINT_BATCH_SLOT,      /* a batch has switched one of its slots */
    MS_POINT_RECLAIMING,      /* a segment's entries are being removed or moved */
    MS_POINT_ENTRY_COPIED,    /* an entry was copied, to be moved, and its slot not changed yet */
    MS_POINT_VERSION_WITHHELD, /* a moved entry's version is told no more, its slot not changed yet */
    MS_POINT_RETIRING,         /* a segment that nothing refers to is about to go to limbo */
    MS_POINT_POOL_LOCKED, /* the pool lock is held, to open a segment or to charge a row of pins */
    MS_POINT_CHUNK_MADE,  /* memory for queued writes is made and in no list yet */
    MS_POINT_INTERVAL_NOTED, /* a snapshot holds a shard and knows what of it to copy */
    MS_POINT_LARGE_FREED,    /* a large entry is about to be wiped and given back */
    MS_POINT_LARGE_TAKEN,    /* a large entry has its memory, and its segment is in no list yet */
    MS_POINT_SEGMENTS_SEEN,  /* all segments in use were looked at, under the pool lock */
    MS_POINT_IMAGES_DONE, /* a snapshot holds what batches leave images in, and has seen to some */
    MS_POINT_BATCH_RESERVED, /* a batch has appended what it stores, and holds no lock */
    MS_POINT_FLIGHTS_WALKED, /* the flights of a bucket, or of a shard, were looked through */
    MS_POINT_COUNT
};

/* Faults that a test may plant, one at a time, to see that the checks of concurrency find it. */
enum ms_testing_fault {
    MS_FAULT_NONE,
    MS_FAULT_UNCHECKED_READ_MANY,  /* get_many does not look whether a batch came in between */
    MS_FAULT_BATCH_WITHOUT_RECORD, /* a batch switches its slots to the entries one by one */
    MS_FAULT_NO_GRACE_PERIOD,      /* memory is used again without waiting for readers */
    MS_FAULT_PINS_IGNORED,         /* memory is used again although views hold it */
    MS_FAULT_EXPIRED_SERVED,       /* expiries are not looked at */
    MS_FAULT_PLACE_BEFORE_TAG,     /* an insert stores the place first and then the tag */
    MS_FAULT_UNLOCKED_CONDITION,   /* a condition is judged without the lock and not again */
    MS_FAULT_VERSION_LEFT_BEHIND,  /* an entry is moved though its version may be told meanwhile */
    MS_FAULT_CAPTURE_WITHOUT_BATCHES, /* a snapshot does not keep what batches overwrite meanwhile */
};

#ifdef MS_TESTING

typedef void (*ms_testing_hook)(enum ms_testing_point point, void *context);

/* Call `hook` at every point; NULL stops that. */
void ms_testing_set_hook(ms_testing_hook hook, void *context);
void ms_testing_reach(enum ms_testing_point point);
/* The same, where what was done under a lock is told in numbers; the hook asks for that. */
void ms_testing_reach_after(enum ms_testing_point point, size_t work);
size_t ms_testing_work(void);

/* Plant a fault instead of the one before; MS_FAULT_NONE plants none. */
void ms_testing_plant(enum ms_testing_fault fault);
bool ms_testing_has_fault(enum ms_testing_fault fault);

/* Make the `n`-th request for memory from now on fail (1 is the next), and every later one too
 * if `all_after`; 0 stops that. */
void ms_testing_fail_memory(uint64_t n, bool all_after);
/* Requests for memory since the last ms_testing_fail_memory(). */
uint64_t ms_testing_memory_requests(void);
bool ms_testing_refuses_memory(void);

/* What becomes of the `n`-th step of writing files from now on (1 is the next; a step is an opening, a
 * locking, a write, a sync or a rename): it fails, after half of what was to be written; or the process is
 * killed there, as by kill -9; or a signal interrupts it once, after that half; or it takes until this
 * is called again. 0 stops that. */
enum ms_testing_file_end {
    MS_FILE_FAILS,
    MS_FILE_IS_KILLED,
    MS_FILE_IS_INTERRUPTED,
    MS_FILE_HANGS
};
void ms_testing_stop_file(uint64_t n, enum ms_testing_file_end end);
/* Steps since the last ms_testing_stop_file(). */
uint64_t ms_testing_file_steps(void);
/* A step is about to be taken: 0, or the error it fails with. `size` bytes are to be written, or
 * NULL. */
int ms_testing_file_step(size_t *size);
/* That many were. */
void ms_testing_file_wrote(void);

/* Look for the system's own files, those of ms_file_read_system(), under this folder, whose name stays
 * the caller's; NULL = where they are. */
void ms_testing_set_system_root(const char *folder);
/* What goes before their paths. */
const char *ms_testing_system_root(void);

/* Replace both clocks: monotonic and Unix milliseconds. ms_testing_use_real_clock() ends it. */
void ms_testing_set_clock(int64_t monotonic_ms, int64_t unix_ms);
void ms_testing_use_real_clock(void);
/* How far the coarse clock is behind while they are replaced. */
void ms_testing_set_clock_lag(int64_t ms);
int64_t ms_testing_clock_lag(void);
/* Whether the clock is replaced, and what it says. */
bool ms_testing_clock(int64_t *monotonic_ms, int64_t *unix_ms);

#else

static inline void ms_testing_reach(enum ms_testing_point point)
{
    (void)point;
}
static inline void ms_testing_reach_after(enum ms_testing_point point, size_t work)
{
    (void)point;
    (void)work;
}
static inline bool ms_testing_has_fault(enum ms_testing_fault fault)
{
    (void)fault;
    return false;
}
static inline bool ms_testing_refuses_memory(void)
{
    return false;
}
static inline int ms_testing_file_step(size_t *size)
{
    (void)size;
    return 0;
}
static inline void ms_testing_file_wrote(void)
{
}
static inline const char *ms_testing_system_root(void)
{
    return "";
}
static inline int64_t ms_testing_clock_lag(void)
{
    return 0;
}
static inline bool ms_testing_clock(int64_t *monotonic_ms, int64_t *unix_ms)
{
    (void)monotonic_ms;
    (void)unix_ms;
    return false;
}

#endif
#endif
