/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, as people write them in settings.
 *
 *     duration   250ms 10s 5m 1.5h 7d, or a plain number of milliseconds
 *     size       4096 512B 64kB 1.5MB 1GB 1TB (powers of 1000) 64KiB 64MiB 1GiB 1TiB (powers of 1024)
 *     integer    decimal digits
 *     ratio      0 0.8 1, in millionths
 *     boolean    true false yes no on off, in any case
 *
 * The whole text has to be used up: no spaces, no signs. A decimal fraction needs a unit that it
 * is a fraction of; what it leaves below one millisecond or byte is cut off, but a value that is
 * not 0 never becomes 0, which means "none" in most settings.
 *
 * Each parser returns NULL and sets its result, or returns what is wrong as the end of a
 * sentence ("has no known unit") and leaves the result alone. */
#ifndef MS_CONFIG_UNITS_H
#define MS_CONFIG_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *ms_units_parse_duration(const char *text, int64_t *milliseconds);
const char *ms_units_parse_size(const char *text, uint64_t *bytes);
const char *ms_units_parse_integer(const char *text, uint64_t *value);
#define MS_UNITS_RATIO_ONE 1000000
const char *ms_units_parse_ratio(const char *text, uint64_t *millionths);
const char *ms_units_parse_bool(const char *text, bool *value);

/* Room for any number with its unit and a NUL. */
#define MS_UNITS_TEXT_SIZE 32

/* Write a number in the largest unit that it is a whole multiple of. The parser of the same name
 * reads the same value back. Returns `buf`. */
const char *ms_units_format_duration(int64_t milliseconds, char buf[static MS_UNITS_TEXT_SIZE]);
const char *ms_units_format_size(uint64_t bytes, char buf[static MS_UNITS_TEXT_SIZE]);
const char *ms_units_format_ratio(uint64_t millionths, char buf[static MS_UNITS_TEXT_SIZE]);

#endif
