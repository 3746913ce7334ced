/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread needs at hand to begin and end a read section in the fewest instructions: where its
 * RCU record is, and where its own part is of what has one for each thread.
 *
 * How many instructions and loads a read executes decides how many reads the processor overlaps (see
 * docs/design/performance.md), and the general way takes ten loads for the same.
 *
 * RD-1  A record is valid until its thread's destructors of thread-local objects have run, and NULL
 *       from then on: liburcu frees the record after them. A thread that reads for the first time later
 *       still, in a destructor of thread-specific data, has its record NULL when it gives its number
 *       back, right after liburcu has freed that (slot_key in thread.c).
 * RD-2  There are records only where readers need no fence, because the kernel runs one for them in a
 *       grace period (membarrier). */
#ifndef MS_PLATFORM_READER_H
#define MS_PLATFORM_READER_H

#include "platform/rcu.h"
#include "platform/thread.h"

/* Threads with this number or a higher one are not prepared. */
#define MS_READER_SLOTS 128

/* Bytes of one thread's part. */
#define MS_READER_PART 384

typedef struct {
    struct urcu_bp_reader *record; /* NULL = not prepared */
    ptrdiff_t part;                /* MS_READER_PART times the thread's number + 1, negative */
} ms_reader;

#define MS_READER_NONE ((ms_reader){NULL, 0})

/* Prepare the calling thread, if it can be. Not inside a read section. */
void ms_reader_prepare(void);

/* The calling thread ends: it is not prepared from now on. */
void ms_reader_end_thread(void);

/* Give way to threads that were made to stand still inside a section, as far as they have words:
 * liburcu finds them there in a grace period and sleeps for ten milliseconds, when it takes them
 * microseconds to leave once they run. Returns after a few milliseconds at the latest. */
void ms_reader_let_leave(void);

/* In a child of fork(): the other threads, some of which may have been inside, are not there. */
void ms_reader_forget_others(void);

extern __thread ms_reader ms_reader_own;

/* The calling thread's, or MS_READER_NONE. */
MS_ALWAYS_INLINE ms_reader ms_reader_current(void)
{
    return ms_reader_own;
}

MS_ALWAYS_INLINE bool ms_reader_is_prepared(ms_reader reader)
{
    return reader.record != NULL;
}

/* The thread's own part of what has one for each thread, of which that of number 0 is the last and
 * ends at `end`. */
MS_ALWAYS_INLINE void *ms_reader_part(ms_reader reader, void *end)
{
    return (char *)end + reader.part;
}

/* Sanitizers are shown the ordinary sections, whatever the records are. */
#if defined(_LGPL_SOURCE) && !defined(__SANITIZE_THREAD__)
#define MS_READER_BY_RECORD 1
#else
#define MS_READER_BY_RECORD 0
#endif

#if MS_READER_BY_RECORD
MS_ALWAYS_INLINE bool ms_reader_is_inside(ms_reader reader)
{
    return (_CMM_LOAD_SHARED(reader.record->ctr) & URCU_BP_GP_CTR_NEST_MASK) != 0;
}

/* Begin a thread's outermost section. False when it is in one already: then only
 * ms_rcu_read_lock() will do. */
MS_ALWAYS_INLINE bool ms_reader_enter(ms_reader reader)
{
    if (ms_unlikely(ms_reader_is_inside(reader)))
        return false;
    /* ORDER: membarrier() in ms_rcu_synchronize() puts this store before the loads of the section,
     * for every section that the grace period does not wait for. */
    _CMM_STORE_SHARED(reader.record->ctr, _CMM_LOAD_SHARED(urcu_bp_gp.ctr));
    cmm_barrier();
    return true;
}

/* End it. */
MS_ALWAYS_INLINE void ms_reader_leave(ms_reader reader)
{
    cmm_barrier();
    /* A nesting count of 0 says that there is no section; the rest of the word says nothing then. */
    _CMM_STORE_SHARED(reader.record->ctr, 0);
    cmm_barrier();
}
#else
static inline bool ms_reader_enter(ms_reader reader)
{
    (void)reader;
    ms_rcu_read_lock();
    return true;
}

static inline void ms_reader_leave(ms_reader reader)
{
    (void)reader;
    ms_rcu_read_unlock();
}
#endif

/* Begin a section, be it inside another; MS_READER_NONE when it is not one by the record. */
MS_ALWAYS_INLINE ms_reader ms_section_begin(void)
{
    const ms_reader reader = ms_reader_current();

    if (ms_likely(ms_reader_is_prepared(reader)) && ms_likely(ms_reader_enter(reader)))
        return reader;
    ms_rcu_read_lock();
    return MS_READER_NONE;
}

/* End the section that ms_section_begin() began and gave this for. */
MS_ALWAYS_INLINE void ms_section_end(ms_reader reader)
{
    if (ms_likely(ms_reader_is_prepared(reader)))
        ms_reader_leave(reader);
    else
        ms_rcu_read_unlock();
}

#endif
