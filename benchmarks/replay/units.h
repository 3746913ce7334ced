/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, written as memstore's configuration writes them. Each returns false when
 * the text is not wholly such a number or does not fit. */
#ifndef REPLAY_UNITS_H
#define REPLAY_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* Digits only. */
bool units_parse_count(const char *text, uint64_t *out);
/* Plain bytes, or with B, kB, MB, GB (powers of 1000), KiB, MiB, GiB (of 1024). */
bool units_parse_size(const char *text, uint64_t *out);
/* Plain milliseconds, or with ms, s, m, h, d; what is above 0 is 1 ms at least. */
bool units_parse_duration(const char *text, int64_t *out_ms);
/* The same, plain seconds: as traces tell them. */
bool units_parse_seconds(const char *text, int64_t *out_ms);

#endif
