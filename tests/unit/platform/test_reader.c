/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/reader.h"

#include "platform/clock.h"
#include "support/await.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* How long a thread stays that was told to leave. */
#define LEAVING_US 20000
/* A call that makes no pause is shorter, unless others have the processor. */
#define AT_ONCE_US 50

static atomic_bool is_inside, may_leave, leaves, has_left, by_record;

static void *stand_inside(void *unused)
{
    (void)unused;
    ms_reader_prepare();
    const ms_reader reader = ms_section_begin();
    atomic_store(&by_record, MS_READER_BY_RECORD && ms_reader_is_prepared(reader));
    atomic_store(&is_inside, true);
    while (!atomic_load(&may_leave))
        usleep(100);
    usleep(LEAVING_US);
    atomic_store(&leaves, true);
    ms_section_end(reader);
    atomic_store(&has_left, true);
    return NULL;
}

static pthread_t start_inside(void)
{
    pthread_t thread;

    cr_assert_eq(pthread_create(&thread, NULL, stand_inside, NULL), 0);
    TEST_AWAIT(atomic_load(&is_inside));
    return thread;
}

static bool lets_leave_at_once(void)
{
    const int64_t before = ms_clock_real_us();

    ms_reader_let_leave();
    return ms_clock_real_us() - before < AT_ONCE_US;
}

Test(reader, a_thread_that_never_leaves_is_waited_for_a_moment_and_no_longer)
{
    const pthread_t thread = start_inside();
    const int64_t before = ms_clock_real_us();

    ms_reader_let_leave();
    cr_assert(!atomic_load(&has_left));
    cr_assert(!atomic_load(&by_record) || ms_clock_real_us() - before >= 1000);
    atomic_store(&may_leave, true);
    pthread_join(thread, NULL);
}

Test(reader, who_returns_at_once_has_seen_nobody_inside)
{
    const pthread_t thread = start_inside();

    atomic_store(&may_leave, true);
    /* Until one call is too short for the pauses that it makes for somebody inside. */
    TEST_AWAIT(lets_leave_at_once());
    cr_assert(!atomic_load(&by_record) || atomic_load(&leaves));
    pthread_join(thread, NULL);
}

Test(reader, a_child_waits_for_none_that_it_does_not_have)
{
    const pthread_t thread = start_inside();

    ms_reader_prepare();
    ms_reader_forget_others();
    TEST_AWAIT(lets_leave_at_once());
    cr_assert(!atomic_load(&has_left));
    /* The thread that is there stays prepared. */
    const ms_reader reader = ms_section_begin();
    cr_assert(!MS_READER_BY_RECORD || ms_reader_is_prepared(reader));
    ms_section_end(reader);
    atomic_store(&may_leave, true);
    pthread_join(thread, NULL);
}

Test(reader, sections_nest)
{
    ms_reader_prepare();
    const ms_reader outer = ms_section_begin();
    const ms_reader inner = ms_section_begin();

    cr_assert(!MS_READER_BY_RECORD || !ms_reader_is_prepared(inner),
              "the inner one is not by the record");
    ms_section_end(inner);
    ms_section_end(outer);
    const ms_reader again = ms_section_begin();
    cr_assert_eq(again.record, outer.record);
    ms_section_end(again);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define TEST_LEAKS(call) (__lsan_disable(), (call), __lsan_enable())
#else
#define TEST_LEAKS(call) (call)
#endif

/* A thread that does nothing before the destructors of its thread-specific data run. */
static pthread_key_t last_key;
static unsigned rounds;
static bool prepared_in_round[2];

static void read_in_destructor(void *value)
{
    /* What is to be called at the thread's end is called no more, and glibc keeps a note of it. */
    TEST_LEAKS(ms_reader_prepare());
    prepared_in_round[rounds] = ms_reader_is_prepared(ms_reader_current());
    ms_section_end(ms_section_begin());
    if (++rounds < 2)
        pthread_setspecific(last_key, value);
}

static void *leave_value(void *unused)
{
    (void)unused;
    pthread_setspecific(last_key, &rounds);
    return NULL;
}

Test(reader, a_thread_that_first_reads_in_a_destructor_reads_by_no_record_that_is_freed)
{
    pthread_t thread;

    cr_assert_eq(pthread_key_create(&last_key, read_in_destructor), 0);
    cr_assert_eq(pthread_create(&thread, NULL, leave_value, NULL), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(rounds, 2);
    /* Before the second round liburcu has freed the record that it had in the first. */
    cr_assert(!prepared_in_round[1]);
}
