/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

bool units_parse_count(const char *text, uint64_t *out)
{
    char *end;
    unsigned long long value;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || *end)
        return false;
    *out = value;
    return true;
}

/* Decimal digits and a point only: strtod() alone would also take "inf", "nan" and hexadecimal. */
static bool parse_with_unit(const char *text, const struct unit *units, double max, double *out)
{
    size_t digits = strspn(text, "0123456789.");
    char *end;
    double value;

    if (digits == 0)
        return false;
    value = strtod(text, &end);
    if ((size_t)(end - text) != digits)
        return false;
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcmp(end, unit->name) == 0) {
            *out = value * unit->factor;
            return *out <= max;
        }
    }
    return false;
}

bool units_parse_size(const char *text, uint64_t *out)
{
    static const struct unit units[] = {
        {"", 1},         {"B", 1},           {"kB", 1e3},           {"MB", 1e6}, {"GB", 1e9},
        {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {NULL, 0}};
    double value;

    if (!parse_with_unit(text, units, 0x1p62, &value))
        return false;
    *out = (uint64_t)value;
    return true;
}

static bool parse_time(const char *text, const struct unit *units, int64_t *out_ms)
{
    double value;

    if (!parse_with_unit(text, units, 0x1p62, &value))
        return false;
    /* Little is not nothing, which is never. */
    *out_ms = value > 0 && value < 1 ? 1 : (int64_t)value;
    return true;
}

#define WITH_UNITS {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}, {NULL, 0}

bool units_parse_duration(const char *text, int64_t *out_ms)
{
    static const struct unit units[] = {{"", 1}, WITH_UNITS};

    return parse_time(text, units, out_ms);
}

bool units_parse_seconds(const char *text, int64_t *out_ms)
{
    static const struct unit units[] = {{"", 1e3}, WITH_UNITS};

    return parse_time(text, units, out_ms);
}
