/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns over keys, which are bytes: no character set, no locale, NUL and '/' are bytes like
 * any other.
 *
 *     *        any run of bytes, the empty one too
 *     ?        one byte
 *     [a-z_]   one byte of a set: single bytes and ranges; ']' stands for itself only when escaped
 *     [^a-z]   one byte outside it; [!a-z] is the same
 *     \x       the byte x itself, inside brackets too
 *     (empty)  everything
 *
 * Matching uses no recursion, no memory, and goes back to the last star only: what an earlier
 * star swallowed never has to be looked at again, because the shortest run that lets the text
 * between two stars match leaves the most for what follows. The steps are bounded by the product
 * of both lengths, whatever the pattern. */
#ifndef MS_UTIL_GLOB_H
#define MS_UTIL_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* MEMSTORE_OK, or MEMSTORE_ERR_INVALID_PATTERN for an open bracket, a trailing backslash, an
 * empty set or a reversed range. */
int ms_glob_validate(const void *pattern, size_t pattern_size);

/* Whether the whole text matches. The pattern has passed ms_glob_validate(). */
bool ms_glob_match(const void *pattern, size_t pattern_size, const void *text, size_t text_size);

#endif
