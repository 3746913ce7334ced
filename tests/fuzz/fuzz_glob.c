/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns against the naive matcher. Input: one byte, the pattern's size; the pattern; the
 * text. */
#include "util/glob.h"

#include "fuzz.h"
#include "unit/util/naive_glob.h"

#include <memstore/status.h>

/* The naive matcher takes pattern times text steps. */
#define LONGEST_TEXT ((size_t)2048)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;

    const size_t pattern_size = data[0] < size ? data[0] : size - 1;
    const uint8_t *const pattern = data + 1;
    const uint8_t *const text = pattern + pattern_size;
    const size_t text_left = size - 1 - pattern_size;
    const size_t text_size = text_left < LONGEST_TEXT ? text_left : LONGEST_TEXT;
    const int expected = naive_glob(pattern, pattern_size, text, text_size);

    FUZZ_CHECK(ms_glob_validate(pattern, pattern_size) ==
               (expected < 0 ? MEMSTORE_ERR_INVALID_PATTERN : MEMSTORE_OK));
    const bool matches = ms_glob_match(pattern, pattern_size, text, text_size);
    /* A malformed pattern has no meaning, but matching it stays within bounds and ends. */
    if (expected >= 0)
        FUZZ_CHECK(matches == (expected == 1));
    return 0;
}

static size_t fill(struct fuzz_random *random, const char *alphabet, size_t size, uint8_t *out)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)alphabet[fuzz_below(random, strlen(alphabet))];
    return size;
}

size_t fuzz_generate(struct fuzz_random *random, uint8_t *out, size_t cap)
{
    static const char *const patterns[] = {"ab*", "aab**?[]^-\\!", "abc[]-^!\\", "a*?", "*a?[b]"};
    const size_t longest = fuzz_below(random, 8) == 0 ? 255 : 20;
    const size_t pattern_size = fuzz_below(random, longest + 1);
    const size_t text_size = fuzz_below(random, cap - 256 < longest * 4 ? cap - 256 : longest * 4);

    out[0] = (uint8_t)pattern_size;
    fill(random, patterns[fuzz_below(random, sizeof patterns / sizeof patterns[0])], pattern_size,
         out + 1);
    fill(random, "aaabbc]-^", text_size, out + 1 + pattern_size);
    return 1 + pattern_size + text_size;
}
