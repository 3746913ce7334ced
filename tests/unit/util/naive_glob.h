/* SPDX-License-Identifier: Apache-2.0 */
/* A second implementation of patterns, to compare with: slow, and too simple to be wrong in the
 * same way.
 *
 * A pattern becomes a list of elements, each a star or a table of the 256 bytes it takes.
 * Whether the first i elements match the first j bytes then follows from shorter prefixes,
 * without any search. */
#ifndef UNIT_NAIVE_GLOB_H
#define UNIT_NAIVE_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct naive_element {
    bool is_star;
    bool takes[256];
};

/* One byte of a set at p[*i], perhaps escaped; -1 when the pattern ends. */
static inline int naive_member(const unsigned char *p, size_t size, size_t *i)
{
    if (*i < size && p[*i] == '\\')
        (*i)++;
    return *i < size ? p[(*i)++] : -1;
}

/* The set after the '[' at p[*i - 1]; false when it is malformed. */
static inline bool naive_set(const unsigned char *p, size_t size, size_t *i, bool takes[256])
{
    const bool negated = *i < size && (p[*i] == '^' || p[*i] == '!');
    size_t members = 0;

    *i += negated;
    for (; *i < size && p[*i] != ']'; members++) {
        const int low = naive_member(p, size, i);
        int high = low;

        if (*i + 1 < size && p[*i] == '-' && p[*i + 1] != ']') {
            (*i)++;
            high = naive_member(p, size, i);
        }
        if (low < 0 || high < low)
            return false;
        for (int c = low; c <= high; c++)
            takes[c] = true;
    }
    for (int c = 0; negated && c < 256; c++)
        takes[c] = !takes[c];
    return members > 0 && (*i)++ < size;
}

/* Read a pattern into `elements`, which has room for `size` of them. Returns their number, or -1
 * when it is malformed. */
static inline long naive_parse(const unsigned char *p, size_t size, struct naive_element *elements)
{
    long count = 0;

    for (size_t i = 0; i < size; count++) {
        struct naive_element *const element = &elements[count];
        const unsigned char c = p[i++];

        memset(element, 0, sizeof *element);
        if (c == '*') {
            element->is_star = true;
        } else if (c == '?') {
            memset(element->takes, true, sizeof element->takes);
        } else if (c == '[') {
            if (!naive_set(p, size, &i, element->takes))
                return -1;
        } else if (c == '\\') {
            if (i == size)
                return -1;
            element->takes[p[i++]] = true;
        } else {
            element->takes[c] = true;
        }
    }
    return count;
}

/* 1: matches, 0: does not, -1: the pattern is malformed. */
static inline int naive_glob(const void *pattern, size_t pattern_size, const void *text,
                             size_t text_size)
{
    struct naive_element *const elements = malloc((pattern_size + 1) * sizeof *elements);
    bool *const matches = calloc(text_size + 1, sizeof *matches);
    const unsigned char *const t = text;
    const long count =
        elements != NULL && matches != NULL ? naive_parse(pattern, pattern_size, elements) : 0;
    int result = count;

    if (elements == NULL || matches == NULL)
        abort();
    if (count >= 0) {
        /* matches[j] is about the elements so far and the first j bytes; no elements match no
         * bytes. */
        matches[0] = true;
        for (long e = 0; e < count; e++) {
            bool diagonal = matches[0];

            matches[0] = matches[0] && elements[e].is_star;
            for (size_t j = 1; j <= text_size; j++) {
                const bool above = matches[j];

                matches[j] = elements[e].is_star ? above || matches[j - 1]
                                                 : diagonal && elements[e].takes[t[j - 1]];
                diagonal = above;
            }
        }
        result = pattern_size == 0 || matches[text_size];
    }
    free(elements);
    free(matches);
    return result;
}

#endif
