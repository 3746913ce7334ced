/* SPDX-License-Identifier: Apache-2.0 */
#include "config/units.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const int64_t second = 1000, minute = 60 * 1000, hour = 60 * 60 * 1000,
                     day = 24 * 60 * 60 * 1000;

Test(units, durations_are_read_in_every_unit)
{
    const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"250", 250},
        {"250ms", 250},
        {"10s", 10 * second},
        {"5m", 5 * minute},
        {"1.5h", 90 * minute},
        {"24h", day},
        {"7d", 7 * day},
        {"0s", 0},
        {"0.5s", 500},
        {"0.001s", 1},
        {"1.25m", 75 * second},
        {"007s", 7000},
        {"0.5d", 12 * hour},
        {"0.0h", 0},
        {"1.000000s", 1000},
        {"0.0005m", 30},
        {"2.999999s", 2999},
        {"9223372036854775807", INT64_MAX},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t value = -1;

        cr_expect_null(ms_units_parse_duration(cases[i].text, &value), "%s", cases[i].text);
        cr_expect_eq(value, cases[i].value, "%s is read as %lld", cases[i].text, (long long)value);
    }
}

Test(units, ratios_are_read_and_written_as_decimal_fractions)
{
    const struct {
        const char *text;
        uint64_t value;
        const char *written;
    } cases[] = {
        {"0", 0, "0"},           {"1", 1000000, "1"},         {"0.8", 800000, "0.8"},
        {"0.90", 900000, "0.9"}, {"0.000001", 1, "0.000001"}, {"1.0", 1000000, "1"},
    };
    static const char *const wrong[] = {"", ".8", "80%", "-0.5", "0.", "0.0000001", "half", "1e-1"};
    char text[MS_UNITS_TEXT_SIZE];
    uint64_t value;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_null(ms_units_parse_ratio(cases[i].text, &value), "%s", cases[i].text);
        cr_expect_eq(value, cases[i].value, "%s", cases[i].text);
        cr_expect_str_eq(ms_units_format_ratio(value, text), cases[i].written);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        cr_expect_not_null(ms_units_parse_ratio(wrong[i], &value), "%s", wrong[i]);
}

Test(units, sizes_are_read_in_powers_of_1000_and_of_1024)
{
    const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"0", 0},
        {"500", 500},
        {"500B", 500},
        {"1kB", 1000},
        {"1KiB", 1024},
        {"64MB", 64000000},
        {"64MiB", 67108864},
        {"1.5GB", 1500000000},
        {"1.5GiB", 1610612736},
        {"1TB", UINT64_C(1000000000000)},
        {"1TiB", UINT64_C(1) << 40},
        {"0.999999TiB", UINT64_C(1099510528264)},
        {"18446744073709551615", UINT64_MAX},
        {"16777215TiB", UINT64_C(16777215) << 40},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 1;

        cr_expect_null(ms_units_parse_size(cases[i].text, &value), "%s", cases[i].text);
        cr_expect_eq(value, cases[i].value, "%s is read as %llu", cases[i].text,
                     (unsigned long long)value);
    }
}

struct refusal {
    const char *text;
    const char *problem;
};

Test(units, what_is_no_duration_is_refused_with_the_reason)
{
    const struct refusal cases[] = {
        {"", "is empty"},
        {" ", "is not a number"},
        {"abc", "is not a number"},
        {"-5s", "is negative"},
        {"-1", "is negative"},
        {"-", "is not a number"},
        {"+5s", "is not a number"},
        {" 5s", "is not a number"},
        {".5s", "is not a number"},
        {"5.s", "is not a number"},
        {"s", "is not a number"},
        {"5 s", "has no known unit"},
        {"5s ", "has no known unit"},
        {"5x", "has no known unit"},
        {"5S", "has no known unit"},
        {"5MB", "has no known unit"},
        {"1h30m", "has no known unit"},
        {"0x10", "has no known unit"},
        {"1e3", "has no known unit"},
        {"1.2.3s", "has no known unit"},
        {"1,5h", "has no known unit"},
        {"5\n", "has no known unit"},
        {"1.5", "needs a larger unit to be a fraction of"},
        {"1.5ms", "needs a larger unit to be a fraction of"},
        {"0.0001s", "is too small"},
        {"1.0000001h", "has more than 6 digits after the point"},
        {"1.99999999999999999999999h", "has more than 6 digits after the point"},
        {"9223372036854775808", "is too large"},
        {"18446744073709551616", "is too large"},
        {"99999999999999999999999999", "is too large"},
        {"9223372036854775807s", "is too large"},
        {"106751991168d", "is too large"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t value = 42;
        const char *const problem = ms_units_parse_duration(cases[i].text, &value);

        cr_assert_not_null(problem, "'%s' is read as %lld", cases[i].text, (long long)value);
        cr_expect_str_eq(problem, cases[i].problem, "'%s' %s", cases[i].text, problem);
        cr_expect_eq(value, 42, "'%s' changed the result", cases[i].text);
    }
}

Test(units, what_is_no_size_is_refused_with_the_reason)
{
    const struct refusal cases[] = {
        {"", "is empty"},
        {"lots", "is not a number"},
        {"-1MB", "is negative"},
        {"64mb", "has no known unit"},
        {"64M", "has no known unit"},
        {"64KB", "has no known unit"},
        {"64kiB", "has no known unit"},
        {"64 MB", "has no known unit"},
        {"64PB", "has no known unit"},
        {"1h", "has no known unit"},
        {"1.5", "needs a larger unit to be a fraction of"},
        {"1.5B", "needs a larger unit to be a fraction of"},
        {"0.0001kB", "is too small"},
        {"18446744073709551616", "is too large"},
        {"16777216TiB", "is too large"},
        {"18446744073709551615kB", "is too large"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 42;
        const char *const problem = ms_units_parse_size(cases[i].text, &value);

        cr_assert_not_null(problem, "'%s' is read as %llu", cases[i].text,
                           (unsigned long long)value);
        cr_expect_str_eq(problem, cases[i].problem, "'%s' %s", cases[i].text, problem);
        cr_expect_eq(value, 42, "'%s' changed the result", cases[i].text);
    }
}

Test(units, integers_are_decimal_digits_and_nothing_else)
{
    const struct refusal refused[] = {
        {"", "is empty"},
        {"-1", "is negative"},
        {"x", "is not a number"},
        {"1x", "is not a number"},
        {"1 ", "is not a number"},
        {"1.5", "is not a whole number"},
        {"18446744073709551616", "is too large"},
    };
    uint64_t value = 0;

    cr_assert_null(ms_units_parse_integer("18446744073709551615", &value));
    cr_assert_eq(value, UINT64_MAX);
    for (size_t i = 0; i < COUNT(refused); i++) {
        const char *const problem = ms_units_parse_integer(refused[i].text, &value);

        cr_assert_not_null(problem, "'%s'", refused[i].text);
        cr_expect_str_eq(problem, refused[i].problem, "'%s' %s", refused[i].text, problem);
        cr_expect_eq(value, UINT64_MAX);
    }
}

Test(units, booleans_are_words_in_any_case)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "on", "On"};
    static const char *const no[] = {"false", "False", "no", "NO", "off"};
    static const char *const neither[] = {"", "1", "0", "y", "truee", "enabled"};
    bool value;

    for (size_t i = 0; i < COUNT(yes); i++) {
        value = false;
        cr_expect_null(ms_units_parse_bool(yes[i], &value));
        cr_expect(value, "%s", yes[i]);
    }
    for (size_t i = 0; i < COUNT(no); i++) {
        value = true;
        cr_expect_null(ms_units_parse_bool(no[i], &value));
        cr_expect_not(value, "%s", no[i]);
    }
    for (size_t i = 0; i < COUNT(neither); i++)
        cr_expect_str_eq(ms_units_parse_bool(neither[i], &value),
                         i == 0 ? "is empty" : "is not a boolean");
}

Test(units, durations_are_written_in_the_largest_unit_that_fits)
{
    const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "1ms"},
        {1500, "1500ms"},
        {1000, "1s"},
        {90 * 1000, "90s"},
        {60000, "1m"},
        {3600000, "1h"},
        {5400000, "90m"},
        {86400000, "24h"},
        {172800000, "2d"},
        {90000000, "25h"},
        {604800000, "7d"},
        {INT64_MAX, "9223372036854775807ms"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char buf[MS_UNITS_TEXT_SIZE];
        int64_t again = -1;

        cr_expect_str_eq(ms_units_format_duration(cases[i].value, buf), cases[i].text);
        cr_expect_null(ms_units_parse_duration(buf, &again));
        cr_expect_eq(again, cases[i].value);
    }
}

Test(units, sizes_are_written_in_the_unit_that_gives_the_smallest_number)
{
    const struct {
        uint64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {500, "500"},
        {1000, "1kB"},
        {1024, "1KiB"},
        {1001, "1001"},
        {64000000, "64MB"},
        {67108864, "64MiB"},
        {1024000, "1000KiB"},
        {UINT64_C(1) << 40, "1TiB"},
        {UINT64_C(2000000000000), "2TB"},
        {UINT64_MAX, "18446744073709551615"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char buf[MS_UNITS_TEXT_SIZE];
        uint64_t again = 1;

        cr_expect_str_eq(ms_units_format_size(cases[i].value, buf), cases[i].text);
        cr_expect_null(ms_units_parse_size(buf, &again));
        cr_expect_eq(again, cases[i].value);
    }
}
