/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"
#include "platform/testing.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* What was told; read after a flush. */
static struct told {
    int level, count;
    uint64_t suppressed;
    char store[32], event[32], fields[256];
} told[4 * MS_LOG_QUEUE];
static int tellings;
static struct ms_log logged;
static bool flushes;                                      /* the function does */
static pthread_mutex_t stops = PTHREAD_MUTEX_INITIALIZER; /* held, the function waits */

static void tell(const memstore_log_record *record, void *context)
{
    struct told *out = &told[tellings++];
    size_t used = 0;

    pthread_mutex_lock(&stops);
    pthread_mutex_unlock(&stops);
    cr_assert_eq(context, &logged);
    out->level = record->level;
    out->suppressed = record->suppressed;
    snprintf(out->store, sizeof out->store, "%s", record->store);
    snprintf(out->event, sizeof out->event, "%s", record->event);
    for (size_t i = 0; i < record->field_count && used < sizeof out->fields; i++)
        used += (size_t)snprintf(out->fields + used, sizeof out->fields - used, "%s=%s/%d ",
                                 record->fields[i].name, record->fields[i].text,
                                 record->fields[i].kind);
    if (flushes)
        ms_log_flush(&logged);
}

static void open_log(void)
{
    const struct ms_logger logger = {MEMSTORE_LOG_INFO, tell, &logged};

    ms_testing_set_clock(1000000, 1700000000000);
    ms_log_init(&logged, &logger, "blocks");
    ms_log_set_level(&logged, false, false);
}

static void close_log(void)
{
    ms_log_fini(&logged);
}

TestSuite(log, .init = open_log, .fini = close_log);

static bool say(enum ms_log_event event)
{
    struct ms_log_line line;

    if (!ms_log_begin(&logged, event, &line))
        return false;
    ms_log_end(&line);
    return true;
}

Test(log, a_line_is_told_with_its_fields)
{
    struct ms_log_line line;

    cr_assert(ms_log_begin(&logged, MS_LOG_OPENED, &line));
    ms_log_text(&line, "name", "x y");
    ms_log_integer(&line, "limit", 64);
    ms_log_real(&line, "share", 0.25);
    ms_log_boolean(&line, "on", true);
    ms_log_text(&line, "empty", "");
    ms_log_end(&line);
    ms_log_flush(&logged);
    cr_assert_eq(tellings, 1);
    cr_assert_str_eq(told[0].store, "blocks");
    cr_assert_str_eq(told[0].event, "opened");
    cr_assert_str_eq(told[0].fields, "name=x y/0 limit=64/1 share=0.25/2 on=true/3 empty=/0 ");
    cr_assert_eq(told[0].level, MEMSTORE_LOG_INFO);
}

Test(log, only_what_matters_enough_is_said)
{
    cr_assert_not(say(MS_LOG_COMPACTED));
    ms_log_set_level(&logged, false, true);
    cr_assert(say(MS_LOG_COMPACTED), "verbose adds what is of the level debug");
    logged.logger.level = MEMSTORE_LOG_ERROR;
    ms_log_set_level(&logged, false, false);
    cr_assert(say(MS_LOG_SHARD_OVERFLOW) && !say(MS_LOG_NO_ROOM) && !say(MS_LOG_OPENED));
    logged.logger.level = MEMSTORE_LOG_OFF;
    ms_log_set_level(&logged, true, true);
    cr_assert_not(say(MS_LOG_SHARD_OVERFLOW));
}

Test(log, what_is_said_too_often_is_counted_and_told_with_the_next_one)
{
    cr_assert(say(MS_LOG_NO_ROOM));
    for (int i = 0; i < 1000; i++)
        cr_assert_not(say(MS_LOG_NO_ROOM));
    cr_assert(say(MS_LOG_LOAD_FAILED), "each kind has a bound of its own");
    ms_testing_set_clock(1009999, 1700000009999);
    cr_assert_not(say(MS_LOG_NO_ROOM));
    ms_testing_set_clock(1010000, 1700000010000);
    cr_assert(say(MS_LOG_NO_ROOM));
    ms_testing_set_clock(1020000, 1700000020000);
    cr_assert(say(MS_LOG_NO_ROOM));
    ms_log_flush(&logged);
    cr_assert_eq(tellings, 4);
    cr_assert_eq(told[0].suppressed, 0);
    cr_assert_eq(told[2].suppressed, 1001);
    cr_assert_eq(told[3].suppressed, 0, "told once");
}

Test(log, what_there_is_no_memory_for_is_counted)
{
    ms_testing_fail_memory(1, true);
    cr_assert(say(MS_LOG_OPENED));
    ms_testing_fail_memory(0, false);
    ms_testing_set_clock(2000000, 1700001000000);
    cr_assert(say(MS_LOG_OPENED));
    ms_log_flush(&logged);
    cr_assert_eq(tellings, 1);
    cr_assert_eq(told[0].suppressed, 1);
}

Test(log, a_full_queue_loses_lines_and_says_how_many)
{
    pthread_mutex_lock(&stops);
    /* One of them may be on its way to the function. */
    for (int i = 0; i < MS_LOG_QUEUE + 11; i++) {
        ms_testing_set_clock(1000000 + i * 10000, 1700000000000 + i * 10000);
        cr_assert(say(MS_LOG_NO_ROOM));
    }
    pthread_mutex_unlock(&stops);
    ms_log_flush(&logged);
    cr_assert(tellings == MS_LOG_QUEUE || tellings == MS_LOG_QUEUE + 1);
    const int lost = MS_LOG_QUEUE + 11 - tellings;
    ms_testing_set_clock(9000000, 1700008000000);
    cr_assert(say(MS_LOG_NO_ROOM));
    ms_log_flush(&logged);
    /* All at the end, or some before where the first line was told late. */
    uint64_t suppressed = 0;
    for (int i = 0; i < tellings; i++)
        suppressed += told[i].suppressed;
    cr_assert_eq(suppressed, (uint64_t)lost);
}

Test(log, fields_that_do_not_fit_are_left_out)
{
    static char text[2 * MS_LOG_FIELDS_SIZE];
    struct ms_log_line line;

    memset(text, 'x', sizeof text - 1);
    cr_assert(ms_log_begin(&logged, MS_LOG_OPENED, &line));
    ms_log_text(&line, "long", text);
    ms_log_integer(&line, "after", 1);
    ms_log_end(&line);
    cr_assert(ms_log_begin(&logged, MS_LOG_OPENED, &line));
    for (int i = 0; i < 2 * MS_LOG_FIELDS_MAX; i++)
        ms_log_integer(&line, "n", 1);
    cr_assert_eq(line.count, MS_LOG_FIELDS_MAX);
    ms_log_end(&line);
    ms_log_flush(&logged);
    cr_assert_eq(tellings, 2);
}

Test(log, a_function_that_waits_for_the_log_does_not_wait_for_itself)
{
    flushes = true;
    cr_assert(say(MS_LOG_OPENED) && say(MS_LOG_CLOSED));
    ms_log_flush(&logged);
    cr_assert_eq(tellings, 2);
    flushes = false;
}

Test(log, stores_without_a_name_are_numbered)
{
    const struct ms_logger logger = {MEMSTORE_LOG_INFO, NULL, NULL};
    struct ms_log one, other;

    ms_log_init(&one, &logger, "");
    ms_log_init(&other, &logger, "");
    cr_assert_str_neq(one.name, other.name);
    cr_assert(one.name[0] >= '1' && one.name[0] <= '9');
    ms_log_fini(&one);
    ms_log_fini(&other);
}
