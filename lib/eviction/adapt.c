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
/* Keys that come back, of those dropped, at which half of a step is taken; and how many more it takes
 * where they are few, of which one more or less is chance. */
#define HALF_CONFIDENT 0.03
#define CHANCE 3
/* The small queue gives way from so many times its share on. */
#define GIVES_WAY_FROM 2

/* While the small queue has this much, and what is written was missed before, recency counts. */
#define SMALL_SHARE_OF_RECENCY 0.45

/* What earlier steps saw of worth counts this much: it is of keys that come back late. */
#define WORTH_KEPT_A_STEP 0.9
/* So many of the store's keys, taken to have been dropped and not to have come back, let what was
 * seen long ago fade where nothing is dropped any more. */
#define FADING 0.01
/* How many times the worth of the main queue makes one use promote, and no longer does; and more. */
#define ONE_PROMOTES_FROM 2
#define ONE_PROMOTES_UNTIL 1.6
#define MORE_PROMOTE_FROM 2.4
#define MORE_PROMOTE_UNTIL 2
/* What comes back must promise so many times the worth of the main queue; and more if that has dropped
 * it, after a time there without a use: that of half a turn of the ghost, about. */
#define RETURNS_AT 1.5
#define RETURNS_TO_MAIN_AT 6
#define AGE_IN_MAIN 10
/* Fewer keys than this tell nothing. */
#define TELLING 20
/* An entry of more than so many mean sizes for each of its uses is not kept. */
#define MEANS_A_USE 3

/* ---- Learning ---- */

void ms_learned_init(struct ms_learned *learned)
{
    *learned = (struct ms_learned){
        .small_share = MS_SMALL_SHARE_AT_FIRST,
        .more_uses_promote = true,
    };
    ms_store_relaxed(&learned->too_old, MS_GHOST_AGES);
    ms_store_relaxed(&learned->too_old_for_main, 0);
}

void ms_learned_note(struct ms_learned *learned, const struct ms_ghost_trace *trace)
{
    if (trace->kind == MS_GHOST_NONE)
        return;
    ms_add_relaxed(&learned->aged[trace->kind], (UINT64_C(1) << MS_AGES_BITS) + trace->age);
    if (trace->age < MS_GHOST_RECENT)
        ms_add_relaxed(&learned->returned[trace->kind], 1);
}

static void gather_worth(struct ms_learned *learned, enum ms_ghost_kind kind)
{
    struct ms_worth *worth = &learned->worth[kind];
    const uint64_t aged = ms_load_relaxed(&learned->aged[kind]);

    ms_sub_relaxed(&learned->aged[kind], aged);
    worth->dropped = worth->dropped * WORTH_KEPT_A_STEP + (double)learned->dropped[kind];
    worth->returned = worth->returned * WORTH_KEPT_A_STEP + (double)(aged >> MS_AGES_BITS);
    worth->ages =
        worth->ages * WORTH_KEPT_A_STEP + (double)(aged & ((UINT64_C(1) << MS_AGES_BITS) - 1));
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
        gather_worth(learned, (enum ms_ghost_kind)kind);
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

static double of_small(const double kinds[MS_GHOST_KINDS])
{
    return kinds[MS_GHOST_UNUSED] + kinds[MS_GHOST_USED_ONCE] + kinds[MS_GHOST_USED_OFTEN];
}

/* `asked`: what is written was missed by a read before. */
static void adjust_share(struct ms_learned *learned, bool asked)
{
    const double small_dropped = of_small(learned->dropped_lately);
    const double small_returned = of_small(learned->returned_lately);
    const double small = rate(small_returned, small_dropped);
    const double main = rate_of(learned, MS_GHOST_MAIN);
    const double returned = small_returned + learned->returned_lately[MS_GHOST_MAIN];
    const double dropped = small_dropped + learned->dropped_lately[MS_GHOST_MAIN];
    const double confidence = returned / (returned + HALF_CONFIDENT * dropped + CHANCE);
    const double most = asked ? SMALL_SHARE_MOST : SMALL_SHARE_MOST_UNASKED;
    double step = asked ? -DRIFT : DRIFT_UNASKED * (1 - confidence);

    /* What returned long ago fades until its rates are nothing. */
    if (small + main > 0)
        step += STEP * confidence * (small - main) / (small + main);
    const double share =
        step < 0 ? learned->small_share / (1 - step) : learned->small_share * (1 + step);
    learned->small_share = share < SMALL_SHARE_LEAST ? SMALL_SHARE_LEAST
                           : share > most            ? most
                                                     : share;
}

/* Uses by a place of the main queue and unit of the ghost's age; not negative. */
static double worth_of(const struct ms_learned *learned, enum ms_ghost_kind kind, uint64_t keys)
{
    const struct ms_worth *worth = &learned->worth[kind];
    const double away = worth->dropped > worth->returned ? worth->dropped - worth->returned : 0;

    return worth->returned / (worth->ages + MS_GHOST_AGES * (away + FADING * (double)keys));
}

/* Whether keys of this kind are worth so many times what the main queue drops. */
static bool is_worth_promoting(const struct ms_learned *learned, enum ms_ghost_kind kind,
                               uint64_t keys, double least)
{
    return worth_of(learned, kind, keys) >= least * worth_of(learned, MS_GHOST_MAIN, keys);
}

static void adjust_promotion(struct ms_learned *learned, uint64_t keys)
{
    const double one = learned->one_use_promotes ? ONE_PROMOTES_UNTIL : ONE_PROMOTES_FROM;
    const double more = learned->more_uses_promote ? MORE_PROMOTE_UNTIL : MORE_PROMOTE_FROM;

    if (learned->dropped_lately[MS_GHOST_USED_ONCE] >= TELLING)
        learned->one_use_promotes = is_worth_promoting(learned, MS_GHOST_USED_ONCE, keys, one);
    if (learned->dropped_lately[MS_GHOST_USED_OFTEN] >= TELLING)
        learned->more_uses_promote = is_worth_promoting(learned, MS_GHOST_USED_OFTEN, keys, more);
}

/* The age at which a key has been away for so long that it promises no more than this. */
static unsigned age_of_worth(double worth, double away_before)
{
    if (worth * (MS_GHOST_AGES + away_before) < 1)
        return MS_GHOST_AGES;
    const double age = 1 / worth - away_before;

    return age < 0 ? 0 : (unsigned)age + 1;
}

static void adjust_returning(struct ms_learned *learned, uint64_t keys)
{
    const double worth = worth_of(learned, MS_GHOST_MAIN, keys);
    /* In the small queue, by the ghost's age. */
    const double in_small =
        0.5 + learned->small_share * MS_GHOST_AGES * 100 / MS_ADAPT_GHOST_PERCENT;

    ms_store_relaxed(&learned->too_old, age_of_worth(worth * RETURNS_AT, in_small));
    ms_store_relaxed(&learned->too_old_for_main,
                     age_of_worth(worth * RETURNS_TO_MAIN_AT, AGE_IN_MAIN));
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
    adjust_promotion(learned, keys);
    adjust_returning(learned, keys);
}

void ms_learned_weigh(struct ms_learned *learned, uint64_t small, uint64_t all)
{
    learned->small_gives_way = (double)small > GIVES_WAY_FROM * learned->small_share * (double)all;
}

/* ---- Judging ---- */

/* Whether so many uses are too few for its size. */
static bool is_too_large(const struct ms_sizing *sizing, uint64_t size, unsigned uses)
{
    return sizing->goal != MS_GOAL_BYTES && sizing->mean != 0 &&
           (double)size > (double)MEANS_A_USE * (double)sizing->mean * uses;
}

bool ms_adapt_is_main(const struct ms_learned *learned, const struct ms_sizing *sizing,
                      const struct ms_ghost_trace *trace, uint64_t size)
{
    if (trace->kind == MS_GHOST_NONE ||
        (sizing->goal == MS_GOAL_HITS && is_too_large(sizing, size, 1)))
        return false;
    return trace->age < ms_load_relaxed(trace->kind == MS_GHOST_MAIN ? &learned->too_old_for_main
                                                                     : &learned->too_old);
}

/* The keys that tell what would come back, in sixteenths of all by their hashes: one use never promotes
 * the first three, nor any number of uses the third. */
static bool is_used_enough(const struct ms_learned *learned, uint64_t hash, unsigned access)
{
    const uint64_t part = hash >> 60;

    if (access > 1)
        return learned->more_uses_promote && part != 2;
    return access == 1 && learned->one_use_promotes && part > 2;
}

/* Small entries are kept without having been used where hits are what counts: several of them take
 * the room of one. */
bool ms_adapt_keeps_small(const struct ms_learned *learned, const struct ms_sizing *sizing,
                          const struct ms_subject *entry, unsigned *access)
{
    const unsigned credit = ms_adapt_credit(sizing, entry->size);
    const unsigned uses = entry->access + (sizing->goal == MS_GOAL_HITS ? credit : 0);

    *access = credit;
    if (uses > entry->access)
        return uses > 1 || is_used_enough(learned, entry->hash, uses);
    if (learned->small_gives_way)
        return !is_too_large(sizing, entry->size, 1);
    return is_used_enough(learned, entry->hash, uses) && !is_too_large(sizing, entry->size, uses);
}

/* Uses count down from round to round; as many as are counted at all buy one more, or what an entry
 * is given credit for. */
bool ms_adapt_keeps_main(const struct ms_learned *learned, const struct ms_sizing *sizing,
                         const struct ms_subject *entry, unsigned *access)
{
    const unsigned credit = ms_adapt_credit(sizing, entry->size);
    const bool recency =
        learned->small_share >= SMALL_SHARE_OF_RECENCY && learned->small_share <= SMALL_SHARE_MOST;
    const unsigned again = recency ? 0 : 1;

    *access = 0;
    if (entry->access == 0 || is_too_large(sizing, entry->size, entry->access))
        return false;
    if (entry->access < MS_ACCESS_COUNT_MAX)
        *access = entry->access - 1;
    else
        *access = credit > again ? credit : again;
    return true;
}
