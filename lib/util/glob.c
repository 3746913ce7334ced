/* SPDX-License-Identifier: Apache-2.0 */
#include "util/glob.h"

#include <memstore/status.h>
#include <stdint.h>

typedef unsigned char byte;

/* Read one byte of a set, escaped or not. `*p` is at it and moves past it. False when the
 * pattern ends first. */
static bool read_member(const byte **p, const byte *end, byte *member)
{
    if (*p < end && **p == '\\')
        ++*p;
    if (*p == end)
        return false;
    *member = *(*p)++;
    return true;
}

/* Read one byte or range of a set; a single byte is a range of one. A '-' just before the ']'
 * stands for itself. False when the pattern ends first or the range is reversed. */
static bool read_range(const byte **p, const byte *end, byte *low, byte *high)
{
    if (!read_member(p, end, low))
        return false;
    *high = *low;
    if (end - *p < 2 || (*p)[0] != '-' || (*p)[1] == ']')
        return true;
    ++*p;
    return read_member(p, end, high) && *low <= *high;
}

static bool read_negation(const byte **p, const byte *end)
{
    const bool negated = *p < end && (**p == '^' || **p == '!');

    if (negated)
        ++*p;
    return negated;
}

/* Check the set whose '[' ends just before `p`. Returns what follows its ']', or NULL when it is
 * malformed. */
static const byte *skip_valid_set(const byte *p, const byte *end)
{
    byte low, high;

    read_negation(&p, end);
    if (p < end && *p == ']')
        return NULL;
    while (p < end && *p != ']') {
        if (!read_range(&p, end, &low, &high))
            return NULL;
    }
    return p < end ? p + 1 : NULL;
}

int ms_glob_validate(const void *pattern, size_t pattern_size)
{
    if (pattern_size == 0)
        return MEMSTORE_OK;

    const byte *p = pattern;
    const byte *const end = p + pattern_size;

    while (p < end) {
        const byte c = *p++;

        if (c == '\\') {
            if (p++ == end)
                return MEMSTORE_ERR_INVALID_PATTERN;
        } else if (c == '[') {
            p = skip_valid_set(p, end);
            if (p == NULL)
                return MEMSTORE_ERR_INVALID_PATTERN;
        }
    }
    return MEMSTORE_OK;
}

/* Whether `c` is in the set whose '[' ends just before `*p`. Moves `*p` past its ']'. */
static bool set_contains(const byte **p, const byte *end, byte c)
{
    const bool negated = read_negation(p, end);
    bool found = false;
    byte low, high;

    while (*p < end && **p != ']' && read_range(p, end, &low, &high))
        found |= low <= c && c <= high;
    if (*p < end)
        ++*p;
    return found != negated;
}

/* Whether the pattern element at `*p`, which is not a star, matches the byte `c`. Moves `*p`
 * past the element. */
static bool element_matches(const byte **p, const byte *end, byte c)
{
    const byte first = *(*p)++;

    if (first == '?')
        return true;
    if (first == '[')
        return set_contains(p, end, c);
    if (first == '\\' && *p < end)
        return *(*p)++ == c;
    return first == c;
}

bool ms_glob_match(const void *pattern, size_t pattern_size, const void *text, size_t text_size)
{
    if (pattern_size == 0)
        return true;

    const byte *p = pattern;
    const byte *const p_end = p + pattern_size;
    const byte *after_star = NULL; /* the pattern after the last star met */
    const byte *t = text;
    const byte *const t_end = text_size != 0 ? t + text_size : t;
    /* where the text goes on if that star swallows no more than so far */
    const byte *resume = NULL;

    for (;;) {
        if (p < p_end && *p == '*') {
            after_star = ++p;
            resume = t;
            /* A closing star swallows the rest, whatever it is. */
            if (p == p_end)
                return true;
        } else if (t == t_end) {
            return p == p_end;
        } else if (p < p_end && element_matches(&p, p_end, *t)) {
            t++;
        } else {
            if (after_star == NULL)
                return false;
            p = after_star;
            t = ++resume;
        }
    }
}
