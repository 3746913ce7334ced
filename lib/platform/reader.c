/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/reader.h"

#include "platform/atomic.h"

#include <unistd.h>

/* How often a section is looked at, which one that runs leaves meanwhile; and how long and how often
 * to stand back for one that does not. */
#define LOOKS 200
#define PAUSE_US 50
#define PAUSES 40

__thread ms_reader ms_reader_own;
static __thread bool has_ended;

/* The records of threads, by number. One that has ended may be seen for a moment after: its record is
 * still mapped then, and reads as out of a section. */
static _Atomic(struct urcu_bp_reader *) records[MS_READER_SLOTS];

/* What C++ compilers call for the destructor of a thread-local object (Itanium C++ ABI): it runs
 * before those of pthread_key_create(), one of which is liburcu's. Not every libc has it. */
extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso)
    __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

void ms_reader_end_thread(void)
{
    has_ended = true;
    if (ms_reader_own.record == NULL)
        return;
    ms_store_relaxed(&records[-ms_reader_own.part / MS_READER_PART - 1], NULL);
    ms_reader_own.record = NULL;
}

static void end(void *unused)
{
    (void)unused;
    ms_reader_end_thread();
}

/* The record of the calling thread; any address will do where it is not used. */
static struct urcu_bp_reader *own_record(void)
{
#if MS_READER_BY_RECORD
    return URCU_TLS(urcu_bp_reader);
#else
    return (struct urcu_bp_reader *)&ms_reader_own;
#endif
}

void ms_reader_prepare(void)
{
    const uint32_t slot = ms_thread_slot();

    if (has_ended || slot >= MS_READER_SLOTS || __cxa_thread_atexit_impl == NULL ||
        !ms_rcu_needs_no_fence())
        return;
    /* The first section of a thread registers it. */
    ms_rcu_read_lock();
    ms_rcu_read_unlock();
    struct urcu_bp_reader *const record = own_record();
    if (record == NULL || __cxa_thread_atexit_impl(end, NULL, &__dso_handle) != 0)
        return;
    ms_reader_own.part = -((ptrdiff_t)slot + 1) * MS_READER_PART;
    cmm_barrier(); /* who interrupts this finds both or none */
    ms_reader_own.record = record;
    ms_store_relaxed(&records[slot], record);
}

void ms_reader_forget_others(void)
{
    for (uint32_t slot = 0; slot < MS_READER_SLOTS; slot++) {
        if (ms_load_relaxed(&records[slot]) != ms_reader_own.record)
            ms_store_relaxed(&records[slot], NULL);
    }
}

/* ---- Threads that stand still ---- */

#if MS_READER_BY_RECORD
/* Not seen outside a section, however often one looks. */
static bool stands_inside(ms_reader reader)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        if (!ms_reader_is_inside(reader))
            return false;
        caa_cpu_relax();
    }
    return true;
}

static bool somebody_stands_inside(void)
{
    for (uint32_t slot = 0; slot < MS_READER_SLOTS; slot++) {
        const ms_reader reader = {ms_load_relaxed(&records[slot]), 0};

        if (ms_reader_is_prepared(reader) && stands_inside(reader))
            return true;
    }
    return false;
}

/* Waking up may be what makes another stand still, so all are looked at again after each pause. */
void ms_reader_let_leave(void)
{
    for (unsigned i = 0; i < PAUSES && somebody_stands_inside(); i++)
        usleep(PAUSE_US);
}
#else
void ms_reader_let_leave(void)
{
}
#endif
