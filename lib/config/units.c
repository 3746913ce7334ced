/* SPDX-License-Identifier: Apache-2.0 */
#include "config/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"", 1},
    {"ms", 1},
    {"s", 1000},
    {"m", 60 * 1000},
    {"h", 60 * 60 * 1000},
    {"d", 24 * 60 * 60 * 1000},
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"KiB", UINT64_C(1) << 10},
    {"MB", 1000 * 1000},
    {"MiB", UINT64_C(1) << 20},
    {"GB", 1000 * 1000 * 1000},
    {"GiB", UINT64_C(1) << 30},
    {"TB", UINT64_C(1000) * 1000 * 1000 * 1000},
    {"TiB", UINT64_C(1) << 40},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const too_large = "is too large";
static const char *const not_a_number = "is not a number";

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Read decimal digits at `*p` and move past them; there may be none. */
static const char *read_digits(const char **p, uint64_t *value)
{
    uint64_t sum = 0;

    for (; is_digit(**p); ++*p) {
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(**p - '0'), &sum))
            return too_large;
    }
    *value = sum;
    return NULL;
}

/* What is wrong with a text that does not start with a digit. */
static const char *explain_no_digit(const char *text)
{
    if (text[0] == '\0')
        return "is empty";
    return text[0] == '-' && is_digit(text[1]) ? "is negative" : not_a_number;
}

/* A fraction of a factor of at most 2^40 has to stay within 64 bits before it is divided down. */
#define MOST_FRACTION_DIGITS 6

/* Read ".5" at `*p`, if there is one, as 5 / 10, and move past it. */
static const char *read_fraction(const char **p, uint64_t *numerator, uint64_t *denominator)
{
    *numerator = 0;
    *denominator = 1;
    if (**p != '.')
        return NULL;

    const char *const first = ++*p;
    const char *const problem = read_digits(p, numerator);
    const size_t digits = (size_t)(*p - first);

    if (digits == 0)
        return not_a_number;
    if (problem != NULL || digits > MOST_FRACTION_DIGITS)
        return "has more than 6 digits after the point";
    for (size_t i = 0; i < digits; i++)
        *denominator *= 10;
    return NULL;
}

static const char *parse_quantity(const char *text, const struct unit *units, size_t unit_count,
                                  uint64_t *result)
{
    const char *p = text;
    uint64_t whole, numerator, denominator, value;

    if (!is_digit(*p))
        return explain_no_digit(text);

    const char *problem = read_digits(&p, &whole);
    if (problem == NULL)
        problem = read_fraction(&p, &numerator, &denominator);
    if (problem != NULL)
        return problem;

    const struct unit *unit = units;
    while (unit < units + unit_count && strcmp(unit->name, p) != 0)
        unit++;
    if (unit == units + unit_count)
        return "has no known unit";
    if (denominator != 1 && unit->factor == 1)
        return "needs a larger unit to be a fraction of";

    if (__builtin_mul_overflow(whole, unit->factor, &value) ||
        __builtin_add_overflow(value, numerator * unit->factor / denominator, &value))
        return too_large;
    if (value == 0 && numerator != 0)
        return "is too small";
    *result = value;
    return NULL;
}

const char *ms_units_parse_duration(const char *text, int64_t *milliseconds)
{
    uint64_t value;
    const char *const problem = parse_quantity(text, duration_units, COUNT(duration_units), &value);

    if (problem != NULL)
        return problem;
    if (value > INT64_MAX)
        return too_large;
    *milliseconds = (int64_t)value;
    return NULL;
}

const char *ms_units_parse_size(const char *text, uint64_t *bytes)
{
    return parse_quantity(text, size_units, COUNT(size_units), bytes);
}

const char *ms_units_parse_integer(const char *text, uint64_t *value)
{
    const char *p = text;
    uint64_t number;

    if (!is_digit(*p))
        return explain_no_digit(text);

    const char *const problem = read_digits(&p, &number);
    if (problem != NULL)
        return problem;
    if (*p == '.')
        return "is not a whole number";
    if (*p != '\0')
        return not_a_number;
    *value = number;
    return NULL;
}

static const struct unit ratio_units[] = {{"", MS_UNITS_RATIO_ONE}};

const char *ms_units_parse_ratio(const char *text, uint64_t *millionths)
{
    return parse_quantity(text, ratio_units, COUNT(ratio_units), millionths);
}

const char *ms_units_parse_bool(const char *text, bool *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *value = i % 2 == 1;
            return NULL;
        }
    }
    return text[0] == '\0' ? "is empty" : "is not a boolean";
}

const char *ms_units_format_duration(int64_t milliseconds, char buf[static MS_UNITS_TEXT_SIZE])
{
    const struct unit *best = &duration_units[1];
    const uint64_t value = (uint64_t)milliseconds;

    if (value == 0)
        return strcpy(buf, "0");
    for (size_t i = 2; i < COUNT(duration_units); i++) {
        const struct unit *const unit = &duration_units[i];

        /* One day reads better as 24h. */
        if (value % unit->factor == 0 && (unit->name[0] != 'd' || value > unit->factor))
            best = unit;
    }
    snprintf(buf, MS_UNITS_TEXT_SIZE, "%" PRIu64 "%s", value / best->factor, best->name);
    return buf;
}

const char *ms_units_format_size(uint64_t bytes, char buf[static MS_UNITS_TEXT_SIZE])
{
    const struct unit *best = &size_units[0];

    /* The units are in order of size, so the last that fits gives the smallest number, be it of
     * 1000 or of 1024. */
    for (size_t i = 2; i < COUNT(size_units); i++) {
        if (bytes != 0 && bytes % size_units[i].factor == 0)
            best = &size_units[i];
    }
    snprintf(buf, MS_UNITS_TEXT_SIZE, "%" PRIu64 "%s", bytes / best->factor, best->name);
    return buf;
}

const char *ms_units_format_ratio(uint64_t millionths, char buf[static MS_UNITS_TEXT_SIZE])
{
    char *end = buf + snprintf(buf, MS_UNITS_TEXT_SIZE, "%" PRIu64 ".%06" PRIu64,
                               millionths / MS_UNITS_RATIO_ONE, millionths % MS_UNITS_RATIO_ONE);

    while (end[-1] == '0')
        *--end = '\0';
    if (end[-1] == '.')
        *--end = '\0';
    return buf;
}
