/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char line[MS_LOGFMT_SIZE + 1];

static const char *line_of(const memstore_log_field *fields, size_t n, uint64_t suppressed)
{
    const memstore_log_record record = {.struct_size = sizeof record,
                                        .at_ms = INT64_C(1700000000042),
                                        .level = MEMSTORE_LOG_WARN,
                                        .store = "blocks",
                                        .event = "no_room",
                                        .message = "no room",
                                        .fields = fields,
                                        .field_count = n,
                                        .suppressed = suppressed};

    line[ms_logfmt(&record, line)] = '\0';
    return line;
}

static void expect_value(const char *text, const char *wanted)
{
    const memstore_log_field field = {.name = "f", .text = text};
    char end[64];

    snprintf(end, sizeof end, " f=%s\n", wanted);
    const char *const got = line_of(&field, 1, 0);
    cr_expect(strcmp(got + strlen(got) - strlen(end), end) == 0, "%s", got);
}

Test(logfmt, a_line_has_time_level_store_event_message_and_fields)
{
    const memstore_log_field fields[] = {{.name = "why", .text = "eviction is off"},
                                         {.name = "limit", .text = "64"}};

    cr_assert_str_eq(line_of(fields, 2, 0),
                     "ts=2023-11-14T22:13:20.042Z level=warn store=blocks event=no_room "
                     "msg=\"no room\" why=\"eviction is off\" limit=64\n");
    cr_assert_str_eq(line_of(NULL, 0, 7),
                     "ts=2023-11-14T22:13:20.042Z level=warn store=blocks event=no_room "
                     "msg=\"no room\" suppressed=7\n");
}

Test(logfmt, what_could_be_misread_is_quoted_and_escaped)
{
    expect_value("plain/path.prom", "plain/path.prom");
    expect_value("", "\"\"");
    expect_value("a b", "\"a b\"");
    expect_value("a=b", "\"a=b\"");
    expect_value("say \"no\"", "\"say \\\"no\\\"\"");
    expect_value("back\\slash", "\"back\\\\slash\"");
    expect_value("two\nlines\r\tof", "\"two\\nlines\\r\\tof\"");
    expect_value("\x1b[31m", "\"\\u001b[31m\"");
    expect_value("del\x7f", "\"del\\u007f\"");
    expect_value("\xc2\x9b"
                 "31m\xc2\x80\xc2\x9f",
                 "\"\\u009b31m\\u0080\\u009f\"");
    expect_value("\xc2\xa0", "\"\xc2\xa0\"");
    expect_value("Größe", "\"Größe\"");
    expect_value("\xff\xc3", "\"\\ufffd\\ufffd\"");
    expect_value("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
}

Test(logfmt, a_line_that_is_too_long_is_cut_and_stays_one_line)
{
    static char text[2 * MS_LOGFMT_SIZE];
    const memstore_log_field fields[] = {{.name = "long", .text = text},
                                         {.name = "after", .text = "1"}};

    memset(text, 'x', sizeof text - 1);
    const char *got = line_of(fields, 2, 0);
    cr_assert_eq(strlen(got), MS_LOGFMT_SIZE);
    cr_assert_str_eq(got + MS_LOGFMT_SIZE - 4, "xx\"\n");
    memset(text, '"', sizeof text - 1);
    got = line_of(fields, 2, 0);
    cr_assert(strlen(got) <= MS_LOGFMT_SIZE && strchr(got, '\n') == got + strlen(got) - 1);
    cr_assert_eq(got[strlen(got) - 2], '"');
}
