/* SPDX-License-Identifier: Apache-2.0 */
#include "eviction/adapt.h"

#define SMALL_SHARE_LEAST 0.01
#define SMALL_SHARE_MOST 0.5
#define SMALL_SHARE_MOST_UNASKED 0.9
/* The small share changes by such a part of itself at most in a step, and shrinks by such a part
 * without a reason. */
#define STEP 0.2
#define DRIFT 0.01
#define DRIFT_UNASKED 0.1
/* There is a step for each tenth of the store's keys that is dropped. */
#define STEPS_A_TURN 10
/* What the last step saw counts this much in the next. */
#define KEPT_A_STEP 0.8
/* Keys that come back, of those dropped, at which half of a step is taken. */
#define HALF_CONFIDENT 0.02

/* How many times the rate of the main queue makes one use promote, and no longer does. */
#define PROMOTES_FROM 1.5
#define PROMOTES_UNTIL 1.2
/* Fewer keys than this tell nothing. */
#define TELLING 20
/* An entry of more than so many mean sizes for each of its uses is not kept. */
#define MEANS_A_USE 3

/* ---- Learning ---- */

void ms_learned_init(struct ms_learned *learned)
{
    *learned = (struct ms_learned){.small_share = MS_SMALL_SHARE_AT_FIRST};
}

/* Fold what was dropped and came back since the last step into what is known. */
static void gather(struct ms_learned *learned)
{
    for (int kind = MS_GHOST_UNUSED; kind < MS_GHOST_KINDS; kind++) {
        const uint64_t returned = ms_load_relaxed(&learned->returned[kind]);

        ms_sub_relaxed(&learned->returned[kind], returned);
        learned->dropped_lately[kind] =
            learned->dropped_lately[kind] * KEPT_A_STEP + (double)learned->dropped[kind];
        learned->returned_lately[kind] =
            learned->returned_lately[kind] * KEPT_A_STEP + (double)returned;
        learned->dropped[kind] = 0;
    }
}

static double rate(double returned, double dropped)
{
    return dropped > 0 ? returned / dropped : 0;
}

static double rate_of(const struct ms_learned *learned, enum ms_ghost_kind kind)
{
    return rate(learned->returned_lately[kind], learned->dropped_lately[kind]);
}

/* `asked`: what is written was missed by a read before. */
static void adjust_share(struct ms_learned *learned, bool asked)
{
    const double small_dropped =
        learned->dropped_lately[MS_GHOST_UNUSED] + learned->dropped_lately[MS_GHOST_USED_ONCE];
    const double small_returned =
        learned->returned_lately[MS_GHOST_UNUSED] + learned->returned_lately[MS_GHOST_USED_ONCE];
    const double small = rate(small_returned, small_dropped);
    const double main = rate_of(learned, MS_GHOST_MAIN);
    const double returned = small_returned + learned->returned_lately[MS_GHOST_MAIN];
    const double dropped = small_dropped + learned->dropped_lately[MS_GHOST_MAIN];
    const double confidence = returned / (returned + HALF_CONFIDENT * dropped);
    const double most = asked ? SMALL_SHARE_MOST : SMALL_SHARE_MOST_UNASKED;
    double step = asked ? -DRIFT : DRIFT_UNASKED * (1 - confidence);

    if (returned > 0)
        step += STEP * confidence * (small - main) / (small + main);
    const double share =
        step < 0 ? learned->small_share / (1 - step) : learned->small_share * (1 + step);
    learned->small_share = share < SMALL_SHARE_LEAST ? SMALL_SHARE_LEAST
                           : share > most            ? most
                                                     : share;
}

static void adjust_promotion(struct ms_learned *learned)
{
    if (learned->dropped_lately[MS_GHOST_USED_ONCE] < TELLING)
        return;
    const double factor = learned->one_use_promotes ? PROMOTES_UNTIL : PROMOTES_FROM;

    learned->one_use_promotes =
        rate_of(learned, MS_GHOST_USED_ONCE) > factor * rate_of(learned, MS_GHOST_MAIN);
}

void ms_learned_look(struct ms_learned *learned, uint64_t keys, uint64_t misses)
{
    uint64_t dropped = 0;

    if (keys == 0)
        return;
    for (int kind = MS_GHOST_UNUSED; kind < MS_GHOST_KINDS; kind++)
        dropped += learned->dropped[kind];
    if (dropped < TELLING || dropped * STEPS_A_TURN < keys)
        return;
    gather(learned);
    adjust_share(learned, (misses - learned->misses) * 2 >= dropped);
    learned->misses = misses;
    adjust_promotion(learned);
}

/* ---- Judging ---- */

/* Whether so many uses are too few for its size. */
static bool is_too_large(const struct ms_sizing *sizing, uint64_t size, unsigned uses)
{
    return sizing->goal != MS_GOAL_BYTES && sizing->mean != 0 &&
           (double)size > (double)MEANS_A_USE * (double)sizing->mean * uses;
}

bool ms_adapt_is_main(const struct ms_sizing *sizing, enum ms_ghost_kind kind, uint64_t size)
{
    return kind != MS_GHOST_NONE && kind != MS_GHOST_MAIN &&
           !(sizing->goal == MS_GOAL_HITS && is_too_large(sizing, size, 1));
}

/* Whether two uses are asked of this key always. */
static bool is_control(uint64_t hash)
{
    return hash >> 61 == 0;
}

/* Small entries are kept without having been used where hits are what counts: several of them take
 * the room of one. */
bool ms_adapt_keeps_small(const struct ms_learned *learned, const struct ms_sizing *sizing,
                          const struct ms_subject *entry, unsigned *access)
{
    const unsigned needed = learned->one_use_promotes && !is_control(entry->hash) ? 1 : 2;
    const unsigned credit = ms_adapt_credit(sizing, entry->size);
    const unsigned uses = entry->access + (sizing->goal == MS_GOAL_HITS ? credit : 0);

    *access = credit;
    return uses >= needed && !is_too_large(sizing, entry->size, uses);
}

/* Uses count down from round to round; as many as are counted at all buy one more, or what an entry
 * is given credit for. */
bool ms_adapt_keeps_main(const struct ms_sizing *sizing, const struct ms_subject *entry,
                         unsigned *access)
{
    const unsigned credit = ms_adapt_credit(sizing, entry->size);

    *access = 0;
    if (entry->access == 0 || is_too_large(sizing, entry->size, entry->access))
        return false;
    if (entry->access < MS_ACCESS_COUNT_MAX)
        *access = entry->access - 1;
    else
        *access = credit > 1 ? credit : 1;
    return true;
}
