/* SPDX-License-Identifier: Apache-2.0 */
#include "index/bucket.h"

#include "unit/random.h"

#include <criterion/criterion.h>
#include <stdbool.h>

enum { ROUNDS = 20000 };

/* Tags that are near each other in every way that comparing several at once could mistake. */
static uint16_t pick_tag(struct unit_random *random)
{
    static const uint16_t tags[] = {0,      1,      2,      0x7fff, 0x8000,
                                    0x8001, 0xff00, 0x00ff, 0xfffe, 0xffff};

    return unit_random_below(random, 8) == 0
               ? (uint16_t)unit_random_next(random)
               : tags[unit_random_below(random, sizeof tags / sizeof *tags)];
}

static void fill(struct ms_bucket *bucket, uint16_t tags[MS_BUCKET_SLOTS],
                 struct unit_random *random)
{
    for (unsigned i = 0; i < MS_BUCKET_SLOTS; i++) {
        tags[i] = pick_tag(random);
        ms_bucket_set_tag(bucket, i, tags[i]);
    }
    /* It lies beside the last tags. */
    ms_store_relaxed(&bucket->overflow, (uint32_t)pick_tag(random) << 16 | pick_tag(random));
}

static unsigned equal_tags(const uint16_t tags[MS_BUCKET_SLOTS], uint16_t tag)
{
    unsigned equal = 0;

    for (unsigned i = 0; i < MS_BUCKET_SLOTS; i++)
        equal |= (unsigned)(tags[i] == tag) << i;
    return equal;
}

Test(bucket, every_slot_with_the_tag_is_a_candidate)
{
    struct unit_random random = unit_random_start("bucket");
    static struct ms_bucket bucket;
    uint16_t tags[MS_BUCKET_SLOTS];

    for (int round = 0; round < ROUNDS; round++) {
        fill(&bucket, tags, &random);
        const uint16_t tag = pick_tag(&random);
        const unsigned equal = equal_tags(tags, tag);
        const unsigned candidates = ms_bucket_candidates(&bucket, tag);

        cr_assert_eq(candidates & equal, equal, "tag %04x: %03x of %03x", tag, candidates, equal);
        cr_assert_eq(candidates >> MS_BUCKET_SLOTS, 0, "there is no slot %x", candidates);
    }
}

Test(bucket, a_bucket_without_the_tag_has_no_candidate)
{
    struct unit_random random = unit_random_start("bucket");
    static struct ms_bucket bucket;
    uint16_t tags[MS_BUCKET_SLOTS];

    for (int round = 0; round < ROUNDS; round++) {
        fill(&bucket, tags, &random);
        const uint16_t tag = pick_tag(&random);

        if (equal_tags(tags, tag) == 0)
            cr_assert_eq(ms_bucket_candidates(&bucket, tag), 0, "tag %04x", tag);
    }
}

/* Also where the compiler has better means, and this is not used. */
Test(bucket, comparing_a_word_of_tags_misses_none_and_invents_none_without_one)
{
    struct unit_random random = unit_random_start("bucket");

    for (int round = 0; round < ROUNDS; round++) {
        const uint16_t tag = pick_tag(&random);
        uint64_t word = 0, equal = 0;

        for (unsigned lane = 0; lane < 4; lane++) {
            const uint16_t other = pick_tag(&random);
            word |= (uint64_t)other << lane * 16;
            equal |= (uint64_t)(other == tag) << (lane * 16 + 15);
        }
        const uint64_t found = ms_tags_equal(word, tag * MS_TAG_LANES);
        cr_assert_eq(found & equal, equal);
        cr_assert_eq(found & ~MS_TAG_HIGHS, 0);
        cr_assert(equal != 0 || found == 0);
    }
}

Test(bucket, setting_a_tag_changes_that_tag_alone)
{
    struct unit_random random = unit_random_start("bucket");
    static struct ms_bucket bucket;
    uint16_t tags[MS_BUCKET_SLOTS];

    fill(&bucket, tags, &random);
    const uint32_t overflow = ms_load_relaxed(&bucket.overflow);
    for (int round = 0; round < ROUNDS; round++) {
        const unsigned slot = (unsigned)unit_random_below(&random, MS_BUCKET_SLOTS);

        tags[slot] = pick_tag(&random);
        ms_bucket_set_tag(&bucket, slot, tags[slot]);
        for (unsigned i = 0; i < MS_BUCKET_SLOTS; i++)
            cr_assert((ms_bucket_candidates(&bucket, tags[i]) >> i & 1) != 0);
    }
    cr_assert_eq(ms_load_relaxed(&bucket.overflow), overflow);
    for (unsigned i = 0; i < MS_BUCKET_SLOTS; i++)
        cr_assert_eq(ms_load_relaxed(&bucket.places[i]), 0);
}

Test(bucket, is_one_cache_line)
{
    cr_assert_eq(sizeof(struct ms_bucket), MS_CACHE_LINE);
}
