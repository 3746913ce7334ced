/* SPDX-License-Identifier: Apache-2.0 */
#include "util/hash.h"
#include "util/quick_key.h"

#include "unit/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const enum ms_hash_kind kinds[] = {MS_HASH_XXH3, MS_HASH_FNV, MS_HASH_CRC32};
static const char *const kind_names[] = {"xxh3", "fnv", "crc32"};
enum { KINDS = 3 };

Test(hash, fnv1a_gives_the_published_values)
{
    cr_assert_eq(ms_fnv1a(MS_FNV1A_BASIS, "", 0), UINT64_C(0xcbf29ce484222325));
    cr_assert_eq(ms_fnv1a(MS_FNV1A_BASIS, "a", 1), UINT64_C(0xaf63dc4c8601ec8c));
    cr_assert_eq(ms_fnv1a(MS_FNV1A_BASIS, "foobar", 6), UINT64_C(0x85944171f73967e8));
}

Test(hash, crc32_gives_the_published_values)
{
    static const char fox[] = "The quick brown fox jumps over the lazy dog";

    cr_assert_eq(ms_crc32(0, "", 0), 0);
    cr_assert_eq(ms_crc32(0, "123456789", 9), UINT32_C(0xcbf43926));
    cr_assert_eq(ms_crc32(0, fox, sizeof fox - 1), UINT32_C(0x414fa339));
}

Test(hash, xxh3_gives_the_published_values)
{
    const struct ms_hasher hasher = ms_hasher_of(MS_HASH_XXH3, 0);

    cr_assert_eq(ms_hash(&hasher, "", 0), UINT64_C(0x2d06800538d394c2));
    cr_assert_eq(ms_hash(&hasher, "a", 1), UINT64_C(0xe6c632b61e964e1f));
    cr_assert_eq(ms_hash(&hasher, "abc", 3), UINT64_C(0x78af5f94892f3950));
}

Test(hash, a_quick_key_has_the_same_hash)
{
    struct unit_random random = unit_random_start("hash");
    unsigned char key[64];

    for (int round = 0; round < 1000; round++) {
        const struct ms_hasher hasher = ms_hasher_of(MS_HASH_XXH3, unit_random_next(&random));

        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (unsigned char)unit_random_next(&random);
        for (size_t size = 0; size < sizeof key; size++) {
            cr_assert_eq(ms_is_quick_size(size), size >= 17 && size <= 32);
            const uint64_t published = XXH3_64bits_withSeed(key, size, hasher.seed);
            cr_assert_eq(ms_hash(&hasher, key, size), published, "size %zu", size);
            if (ms_is_quick_size(size))
                cr_assert_eq(ms_quick_key_hash(&hasher, ms_quick_key(key, size)), published,
                             "size %zu", size);
        }
    }
}

Test(hash, a_quick_key_differs_in_any_byte)
{
    char bytes[32] = "abcdefghijklmnopqrstuvwxyz012345";

    for (size_t size = 17; size <= 32; size++) {
        const struct ms_quick_key key = ms_quick_key(bytes, size);
        char other[32];

        memcpy(other, bytes, sizeof other);
        cr_assert(ms_quick_key_is(key, other));
        for (size_t at = 0; at < sizeof other; at++) {
            other[at] ^= 1;
            cr_assert_eq(ms_quick_key_is(key, other), at >= size, "size %zu byte %zu", size, at);
            other[at] ^= 1;
        }
    }
}

static uint32_t crc32_bit_by_bit(const unsigned char *p, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

Test(hash, crc32_agrees_with_the_definition_at_every_length_and_alignment)
{
    struct unit_random random = unit_random_start("hash");
    unsigned char bytes[128];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)unit_random_next(&random);
    for (size_t start = 0; start < 8; start++) {
        for (size_t size = 0; start + size <= sizeof bytes; size++)
            cr_assert_eq(ms_crc32(0, bytes + start, size), crc32_bit_by_bit(bytes + start, size),
                         "start %zu size %zu", start, size);
    }
}

Test(hash, crc32_can_be_continued)
{
    cr_assert_eq(ms_crc32(ms_crc32(0, "12345", 5), "6789", 4), UINT32_C(0xcbf43926));
}

Test(hash, the_same_seed_and_key_give_the_same_hash)
{
    for (int k = 0; k < KINDS; k++) {
        const struct ms_hasher one = ms_hasher_of(kinds[k], 42), two = ms_hasher_of(kinds[k], 42);

        cr_expect_eq(ms_hash(&one, "block/42", 8), ms_hash(&two, "block/42", 8), "%s",
                     kind_names[k]);
    }
}

/* Values written down, so that a later change of the functions shows. */
Test(hash, seeded_hashes_stay_what_they_are)
{
    const struct ms_hasher fnv = ms_hasher_of(MS_HASH_FNV, 1),
                           crc32 = ms_hasher_of(MS_HASH_CRC32, 1);

    cr_expect_eq(ms_hash(&fnv, "block/42", 8), UINT64_C(0x539735b39bb0b603));
    cr_expect_eq(ms_hash(&crc32, "block/42", 8), UINT64_C(0x08cfa5a580506dd2));
}

Test(hash, the_three_functions_differ)
{
    const struct ms_hasher xxh3 = ms_hasher_of(MS_HASH_XXH3, 7), fnv = ms_hasher_of(MS_HASH_FNV, 7),
                           crc32 = ms_hasher_of(MS_HASH_CRC32, 7);
    const uint64_t a = ms_hash(&xxh3, "key", 3), b = ms_hash(&fnv, "key", 3),
                   c = ms_hash(&crc32, "key", 3);

    cr_assert(a != b && b != c && a != c);
}

Test(hash, another_seed_puts_every_key_elsewhere)
{
    for (int k = 0; k < KINDS; k++) {
        const struct ms_hasher one = ms_hasher_of(kinds[k], 1), two = ms_hasher_of(kinds[k], 2);
        unsigned same = 0;

        for (uint32_t i = 0; i < 4096; i++)
            same += ms_hash(&one, &i, sizeof i) >> 48 == ms_hash(&two, &i, sizeof i) >> 48;
        /* 1 in 65536 by chance. */
        cr_expect_lt(same, 4, "%s: %u of 4096 keys have the same 16 bits", kind_names[k], same);
    }
}

Test(hash, keys_that_are_prefixes_of_each_other_differ)
{
    static const char zeros[300];

    for (int k = 0; k < KINDS; k++) {
        const struct ms_hasher hasher = ms_hasher_of(kinds[k], 3);

        for (size_t size = 1; size < sizeof zeros; size++)
            cr_expect_neq(ms_hash(&hasher, zeros, size), ms_hash(&hasher, zeros, size - 1),
                          "%s, %zu zero bytes", kind_names[k], size);
    }
}

/* Chi-squared of keys over 256 cells picked by 8 bits of the hash. 255 degrees of freedom: the
 * mean is 255, the standard deviation 22.6, so that 400 is more than 6 deviations out. */
static double chi_squared(const struct ms_hasher *hasher, unsigned shift,
                          size_t (*make_key)(unsigned, char *))
{
    enum { KEYS = 1 << 16, CELLS = 256 };
    unsigned cells[CELLS] = {0};
    double sum = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        char key[64];
        const size_t size = make_key(i, key);

        cells[ms_hash(hasher, key, size) >> shift & (CELLS - 1)]++;
    }
    for (unsigned i = 0; i < CELLS; i++) {
        const double off = cells[i] - (double)KEYS / CELLS;

        sum += off * off / ((double)KEYS / CELLS);
    }
    return sum;
}

static size_t make_numbered_key(unsigned i, char *out)
{
    return (size_t)sprintf(out, "block/%08u", i);
}

static size_t make_binary_key(unsigned i, char *out)
{
    const uint64_t key = (uint64_t)i << 16;

    memcpy(out, &key, sizeof key);
    return sizeof key;
}

static size_t make_long_key(unsigned i, char *out)
{
    return (size_t)sprintf(out, "ledger/transactions/by-hash/%u/receipt", i);
}

Test(hash, every_byte_of_the_hash_spreads_similar_keys_evenly)
{
    size_t (*const makers[])(unsigned, char *) = {make_numbered_key, make_binary_key,
                                                  make_long_key};

    for (int k = 0; k < KINDS; k++) {
        const struct ms_hasher hasher = ms_hasher_of(kinds[k], UINT64_C(0x1234567890abcdef));

        for (unsigned shift = 0; shift < 64; shift += 8) {
            for (unsigned m = 0; m < 3; m++) {
                const double value = chi_squared(&hasher, shift, makers[m]);

                cr_expect(value > 120 && value < 400, "%s, bits from %u, keys %u: chi-squared %.0f",
                          kind_names[k], shift, m, value);
            }
        }
    }
}

Test(hash, each_bit_of_a_key_changes_half_of_the_hash)
{
    enum { TRIALS = 2000, KEY = 16 };
    struct unit_random random = {99};

    for (int k = 0; k < KINDS; k++) {
        const struct ms_hasher hasher = ms_hasher_of(kinds[k], 5);

        for (unsigned bit = 0; bit < 8 * KEY; bit += 5) {
            unsigned long changed = 0;

            for (int trial = 0; trial < TRIALS; trial++) {
                uint64_t key[KEY / 8] = {unit_random_next(&random), unit_random_next(&random)};
                const uint64_t before = ms_hash(&hasher, key, KEY);

                key[bit / 64] ^= UINT64_C(1) << bit % 64;
                changed += (unsigned)__builtin_popcountll(before ^ ms_hash(&hasher, key, KEY));
            }
            const double share = (double)changed / (64.0 * TRIALS);
            cr_expect(share > 0.48 && share < 0.52, "%s, bit %u: %.3f", kind_names[k], bit, share);
        }
    }
}
