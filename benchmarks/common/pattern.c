/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pattern.h"

#include "common/random.h"
#include <string.h>

static const uint64_t step = 0x9e3779b97f4a7c15u;

static uint64_t pattern_seed(const unsigned char *key, size_t key_size, size_t value_size)
{
    uint64_t seed = random_mix(value_size ^ (key_size << 40));
    uint64_t word;

    for (; key_size >= sizeof word; key += sizeof word, key_size -= sizeof word) {
        memcpy(&word, key, sizeof word);
        seed = random_mix(seed ^ word);
    }
    word = 0;
    memcpy(&word, key, key_size);
    return random_mix(seed ^ word);
}

void pattern_fill(void *value, size_t size, const void *key, size_t key_size)
{
    uint64_t word = pattern_seed(key, key_size, size);
    unsigned char *out = value;
    size_t i;

    for (i = 0; i + sizeof word <= size; i += sizeof word, word += step)
        memcpy(out + i, &word, sizeof word);
    memcpy(out + i, &word, size - i);
}

bool pattern_matches(const void *value, size_t size, const void *key, size_t key_size)
{
    uint64_t word = pattern_seed(key, key_size, size);
    const unsigned char *in = value;
    uint64_t stored, difference = 0;
    size_t i;

    for (i = 0; i + sizeof word <= size; i += sizeof word, word += step) {
        memcpy(&stored, in + i, sizeof stored);
        difference |= stored ^ word;
    }
    return difference == 0 && memcmp(in + i, &word, size - i) == 0;
}
