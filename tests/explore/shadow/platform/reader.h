/* SPDX-License-Identifier: Apache-2.0 */
/* The readers' words as the explorer sees them: every thread has one, and its sections are those of
 * platform/rcu.h; stands before the library's own header of this name. */
#ifndef MS_PLATFORM_READER_H
#define MS_PLATFORM_READER_H

#include "platform/rcu.h"
#include "platform/thread.h"

#define MS_READER_SLOTS 128

typedef uint64_t ms_reader;

static inline void ms_reader_prepare(void)
{
}

static inline ms_reader ms_reader_current(void)
{
    return (uint64_t)ms_thread_slot() << 48 | 1;
}

static inline uint32_t ms_reader_slot(ms_reader reader)
{
    return (uint32_t)(reader >> 48);
}

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

static inline ms_reader ms_section_begin(void)
{
    ms_rcu_read_lock();
    return 0;
}

static inline void ms_section_end(ms_reader reader)
{
    (void)reader;
    ms_rcu_read_unlock();
}

#endif
