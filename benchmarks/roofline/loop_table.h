/* SPDX-License-Identifier: Apache-2.0 */
/* The minimal loop: what a look-up costs when it is nothing but its two cache misses. It hashes
 * the key, reads one bucket, reads one entry, compares the key and copies the value; it knows no
 * TTL, no writers, no threads, no statistics.
 *
 *     bucket (64 B)   8 slots: 16-bit tag | 48-bit address of an entry; 0 = empty
 *     entry (128 B)   u64 id | key, 20 B | value, 100 B
 *
 * A full bucket goes on in the next one, which happens to one key in 200. The functions are
 * inlined to their callers, and key and value sizes are constants. */
#ifndef ROOFLINE_LOOP_TABLE_H
#define ROOFLINE_LOOP_TABLE_H

#include "roofline/streams.h"
#include <stdbool.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LOOP_SLOTS = 8 };

struct loop_bucket {
    uint64_t slots[LOOP_SLOTS];
} __attribute__((aligned(64)));

struct loop_entry {
    uint64_t id;
    char key[BENCH_KEY_SIZE];
    unsigned char value[VALUE_SIZE];
} __attribute__((aligned(64)));

struct loop_table {
    struct loop_bucket *buckets;
    struct loop_entry *entries;
    uint64_t mask;
    size_t mapped_buckets, mapped_entries;
};

/* Put ids 0 .. entries-1 in a new table, on huge pages or on 4 KiB pages. Ends the program when
 * there is no memory. */
struct loop_table loop_table_create(uint64_t entries, bool huge_pages);
void loop_table_destroy(struct loop_table *table);

static inline uint64_t loop_hash(const char *key)
{
    return XXH3_64bits(key, BENCH_KEY_SIZE);
}

/* 1 to 65535: a tag is never that of an empty slot. */
static inline uint64_t loop_tag(uint64_t hash)
{
    return (hash >> 48) | 1;
}

static inline const struct loop_bucket *loop_bucket(const struct loop_table *table, uint64_t hash)
{
    return &table->buckets[hash & table->mask];
}

/* A bit for each slot that has the tag. */
static inline unsigned loop_match(const struct loop_bucket *bucket, uint64_t tag)
{
#ifdef __SSE2__
    const __m128 *pairs = (const __m128 *)(const void *)bucket->slots;
    /* The upper halves of four slots each, their tags sign-extended so that packing keeps them. */
    __m128i low = _mm_castps_si128(_mm_shuffle_ps(pairs[0], pairs[1], 0xdd));
    __m128i high = _mm_castps_si128(_mm_shuffle_ps(pairs[2], pairs[3], 0xdd));
    __m128i tags = _mm_packs_epi32(_mm_srai_epi32(low, 16), _mm_srai_epi32(high, 16));
    __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

    return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
#else
    unsigned match = 0;

    for (unsigned i = 0; i < LOOP_SLOTS; i++)
        match |= (unsigned)(bucket->slots[i] >> 48 == tag) << i;
    return match;
#endif
}

static inline const struct loop_entry *loop_slot_entry(const struct loop_bucket *bucket,
                                                       unsigned slot)
{
    return (const struct loop_entry *)(uintptr_t)(bucket->slots[slot] & 0xffffffffffffu);
}

/* The entry with this key, or NULL. */
static inline const struct loop_entry *loop_find(const struct loop_table *table, const char *key,
                                                 uint64_t hash)
{
    uint64_t tag = loop_tag(hash);

    for (uint64_t index = hash & table->mask;; index = (index + 1) & table->mask) {
        const struct loop_bucket *bucket = &table->buckets[index];
        unsigned match = loop_match(bucket, tag);

        for (; match; match &= match - 1) {
            const struct loop_entry *entry =
                loop_slot_entry(bucket, (unsigned)__builtin_ctz(match));

            if (memcmp(entry->key, key, BENCH_KEY_SIZE) == 0)
                return entry;
        }
        if (bucket->slots[LOOP_SLOTS - 1] == 0)
            return NULL;
    }
}

/* Copy a value out; false on a miss. */
static inline bool loop_get(const struct loop_table *table, const char *key,
                            unsigned char out[VALUE_SIZE])
{
    const struct loop_entry *entry = loop_find(table, key, loop_hash(key));

    if (!entry)
        return false;
    memcpy(out, entry->value, VALUE_SIZE);
    return true;
}

/* Copy the values of `n` keys out, a constant up to BATCH; how many were found. The misses of one
 * stage overlap: all buckets are fetched, then all entries. */
static inline unsigned loop_get_batch(const struct loop_table *table, char (*keys)[BENCH_KEY_SIZE],
                                      unsigned char (*out)[VALUE_SIZE], unsigned n)
{
    uint64_t hashes[BATCH];
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++) {
        hashes[i] = loop_hash(keys[i]);
        __builtin_prefetch(loop_bucket(table, hashes[i]));
    }
    for (unsigned i = 0; i < n; i++) {
        const struct loop_bucket *bucket = loop_bucket(table, hashes[i]);
        unsigned match = loop_match(bucket, loop_tag(hashes[i]));
        const char *entry =
            (const char *)loop_slot_entry(bucket, match ? (unsigned)__builtin_ctz(match) : 0);

        __builtin_prefetch(entry);
        __builtin_prefetch(entry + 64);
    }
    for (unsigned i = 0; i < n; i++) {
        const struct loop_entry *entry = loop_find(table, keys[i], hashes[i]);

        if (entry) {
            memcpy(out[i], entry->value, VALUE_SIZE);
            found++;
        }
    }
    return found;
}

#endif
