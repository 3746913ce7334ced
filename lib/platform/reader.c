/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/reader.h"

__thread ms_reader ms_reader_word;
static __thread bool has_ended;

/* What C++ compilers call for the destructor of a thread-local object (Itanium C++ ABI): it runs
 * before those of pthread_key_create(), one of which is liburcu's. Not every libc has it. */
extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *dso)
    __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

static void end(void *unused)
{
    (void)unused;
    has_ended = true;
    ms_reader_word = 0;
}

/* Where the record of the calling thread is; any address will do where it is not used. */
static uint64_t record_address(void)
{
#if defined(_LGPL_SOURCE) && !defined(__SANITIZE_THREAD__)
    return (uint64_t)(uintptr_t)URCU_TLS(urcu_bp_reader);
#else
    return 1;
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
    const uint64_t address = record_address();
    if (address == 0 || address >> 48 != 0 ||
        __cxa_thread_atexit_impl(end, NULL, &__dso_handle) != 0)
        return;
    ms_reader_word = (uint64_t)slot << 48 | address;
}
