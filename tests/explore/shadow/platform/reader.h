/* SPDX-License-Identifier: Apache-2.0 */
/* Readers as the explorer sees them: every thread is prepared, and its sections are those of
 * platform/rcu.h; stands before the library's own header of this name. */
#ifndef MS_PLATFORM_READER_H
#define MS_PLATFORM_READER_H

#include "platform/rcu.h"
#include "platform/thread.h"

#define MS_READER_SLOTS 128

#define MS_READER_PART 384

typedef struct {
    ptrdiff_t part;
} ms_reader;

static inline void ms_reader_prepare(void)
{
}

static inline ms_reader ms_reader_current(void)
{
    return (ms_reader){-((ptrdiff_t)ms_thread_slot() + 1) * MS_READER_PART};
}

static inline bool ms_reader_is_prepared(ms_reader reader)
{
    return reader.part != 0;
}

static inline void *ms_reader_part(ms_reader reader, void *end)
{
    return (char *)end + reader.part;
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
    return (ms_reader){0};
}

static inline void ms_section_end(ms_reader reader)
{
    (void)reader;
    ms_rcu_read_unlock();
}

#endif
