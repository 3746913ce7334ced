/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread needs at hand to begin and end a read section in the fewest loads: its number and
 * the address of its RCU record, in one thread-local word.
 *
 *     63     48 47                        0
 *     | number | address of the RCU record |        0 = not prepared
 *
 * How many loads a read executes decides how many reads the processor overlaps (see
 * docs/design/performance.md), and the general way takes ten for the same.
 *
 * RD-1  A word that is not 0 is valid until its thread's destructors of thread-local objects have
 *       run, and is 0 from then on: liburcu frees the record after them.
 * RD-2  There are words only where readers need no fence, because the kernel runs one for them in a
 *       grace period (membarrier). */
#ifndef MS_PLATFORM_READER_H
#define MS_PLATFORM_READER_H

#include "platform/rcu.h"
#include "platform/thread.h"

/* Threads with this number or a higher one have no word. */
#define MS_READER_SLOTS 128

typedef uint64_t ms_reader;

/* Prepare the calling thread, if it can be. Not inside a read section. */
void ms_reader_prepare(void);

/* Give way to threads that were made to stand still inside a section, as far as they have words:
 * liburcu finds them there in a grace period and sleeps for ten milliseconds, when it takes them
 * microseconds to leave once they run. Returns after a few milliseconds at the latest. */
void ms_reader_let_leave(void);

extern __thread ms_reader ms_reader_word;

/* The calling thread's word, or 0. */
MS_ALWAYS_INLINE ms_reader ms_reader_current(void)
{
    return ms_reader_word;
}

MS_ALWAYS_INLINE uint32_t ms_reader_slot(ms_reader reader)
{
    return (uint32_t)(reader >> 48);
}

/* Sanitizers are shown the ordinary sections, whatever the words are. */
#if defined(_LGPL_SOURCE) && !defined(__SANITIZE_THREAD__)
#define MS_READER_BY_WORD 1
#else
#define MS_READER_BY_WORD 0
#endif

#if MS_READER_BY_WORD
MS_ALWAYS_INLINE struct urcu_bp_reader *ms_reader_record(ms_reader reader)
{
    return (struct urcu_bp_reader *)(uintptr_t)(reader << 16 >> 16);
}

MS_ALWAYS_INLINE bool ms_reader_is_inside(ms_reader reader)
{
    return (_CMM_LOAD_SHARED(ms_reader_record(reader)->ctr) & URCU_BP_GP_CTR_NEST_MASK) != 0;
}

/* Begin a thread's outermost section. False when it is in one already: then only
 * ms_rcu_read_lock() will do. */
MS_ALWAYS_INLINE bool ms_reader_enter(ms_reader reader)
{
    struct urcu_bp_reader *record = ms_reader_record(reader);

    if (ms_unlikely(ms_reader_is_inside(reader)))
        return false;
    /* ORDER: membarrier() in ms_rcu_synchronize() puts this store before the loads of the section,
     * for every section that the grace period does not wait for. */
    _CMM_STORE_SHARED(record->ctr, _CMM_LOAD_SHARED(urcu_bp_gp.ctr));
    cmm_barrier();
    return true;
}

/* End it. */
MS_ALWAYS_INLINE void ms_reader_leave(ms_reader reader)
{
    cmm_barrier();
    /* A nesting count of 0 says that there is no section; the rest of the word says nothing then. */
    _CMM_STORE_SHARED(ms_reader_record(reader)->ctr, 0);
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

/* Begin a section, be it inside another; 0 when it is not one by the word. */
MS_ALWAYS_INLINE ms_reader ms_section_begin(void)
{
    const ms_reader reader = ms_reader_current();

    if (ms_likely(reader != 0) && ms_likely(ms_reader_enter(reader)))
        return reader;
    ms_rcu_read_lock();
    return 0;
}

/* End the section that ms_section_begin() began and gave this for. */
MS_ALWAYS_INLINE void ms_section_end(ms_reader reader)
{
    if (ms_likely(reader != 0))
        ms_reader_leave(reader);
    else
        ms_rcu_read_unlock();
}

#endif
