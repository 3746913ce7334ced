/* SPDX-License-Identifier: Apache-2.0 */
#include "eviction/adapt.h"

#define SMALL_SHARE_LEAST 0.01
#define SMALL_SHARE_MOST 0.9
/* What it grew to while nothing was asked for is given back down to this when reads ask. */
#define SMALL_SHARE_GIVEN_BACK 0.5
/* The small share changes by such a part of itself at most in a step, and shrinks by such a part
 * without a reason. */
#define STEP 0.2
#define DRIFT 0.01
/* A smaller one grows by parts of this, or it would take turns of the store to become one that matters. */
#define GROWS_AS 0.06
#define DRIFT_UNASKED 0.1
/* There is a step for each tenth of the store's keys that is dropped. */
#define STEPS_A_TURN 10
/* What the last step saw counts this much in the next. */
#define KEPT_A_STEP 0.8
/* Keys that come back, of those dropped, at which half of a step is taken; and how many more it takes
 * where they are few, of which one more or less is chance. */
#define HALF_CONFIDENT 0.03
#define CHANCE 3
/* The main queue is idle if it drops this part at least of what the small queue drops, of which that part
 * comes back, and so many times as many as of what the main queue drops. */
#define IDLE_DROPS 0.4
#define MUCH_COMES_BACK 0.3
#define IDLE_FROM 60
/* The small queue gives way from so many times its share on. */
#define GIVES_WAY_FROM 2

/* While the small queue has this much, recency is what counts. */
#define SMALL_SHARE_OF_RECENCY 0.45

/* What earlier steps saw of worth counts this much: it is of keys that come back late. */
#define WORTH_KEPT_A_STEP 0.9
/* So many of the store's keys, taken to have been dropped and not to have come back, let what was
 * seen long ago fade where nothing is dropped any more. */
#define FADING 0.01
/* How many times the worth of the main queue makes one use promote, and no longer does; and more; and
 * a size below the mean. */
#define ONE_PROMOTES_FROM 2
#define ONE_PROMOTES_UNTIL 1.6
#define MORE_PROMOTE_FROM 2.4
#define MORE_PROMOTE_UNTIL 2
#define SMALLER_PROMOTES_FROM 1
#define SMALLER_PROMOTES_UNTIL 0.7
/* How many times the worth of what the small queue drops unused makes that of the main queue a reason for
 * a third round there, and no longer does. */
#define THIRD_ROUND_FROM 1.5
#define THIRD_ROUND_UNTIL 1.2
/* What comes back must promise so many times the worth of the main queue; and more if that has dropped
 * it, after a time there without a use: that of half a turn of the ghost, about. */
#define RETURNS_AT 1.5
#define RETURNS_TO_MAIN_AT 6
#define AGE_IN_MAIN 7
/* And so many times that again, if it has been away for so long that the ghost was about to forget it. */
#define RETURNS_FROM_FAR_AT 2
/* As good as for ever, in parts of the ghost's ages. */
#define REACH_MOST (1u << 20)
/* Fewer keys than this tell nothing. */
#define TELLING 20
/* Where hits count alone, what is larger than so many mean sizes begins anew when it comes back. */
#define MEANS_TO_RETURN 7
/* Larger entries count as of so many mean sizes. */
#define MEANS_MOST 16

/* From where tiny entries are used by this part of what others are, for their room, they go unused; until
 * they are used by that part. */
#define TINY_GOES_FROM 0.1
#define TINY_GOES_UNTIL 0.25

/* ---- Learning ---- */

void ms_learned_init(struct ms_learned *learned)
{
    *learned = (struct ms_learned){
        .small_share = MS_SMALL_SHARE_AT_FIRST,
        .more_uses_promote = true,
    };
    ms_store_relaxed(&learned->reach, REACH_MOST);
}

/* Its size, as far as sizes count: at least 1. */
static uint64_t weight_of(const struct ms_sizing *sizing, uint64_t size)
{
    if (sizing->goal != MS_GOAL_HITS || sizing->mean == 0)
        return MS_ADAPT_ONE;
    if (size >= MEANS_MOST * sizing->mean)
        return MEANS_MOST * MS_ADAPT_ONE;
    const uint64_t weight = size * MS_ADAPT_ONE / sizing->mean;
    return weight != 0 ? weight : 1;
}

static bool is_half_or_less(const struct ms_sizing *sizing, uint64_t size)
{
    return sizing->goal == MS_GOAL_HITS && size * 2 <= sizing->mean;
}

/* Clearly smaller than the mean: not where all are of nearly one size. */
static bool is_smaller(const struct ms_sizing *sizing, uint64_t size)
{
    return sizing->goal == MS_GOAL_HITS && size * 10 <= sizing->mean * 9;
}

static int learned_kind(const struct ms_sizing *sizing, enum ms_ghost_kind kind, uint64_t size)
{
    return kind == MS_GHOST_UNUSED && is_smaller(sizing, size) ? MS_LEARNED_SMALLER : (int)kind;
}

/* Half or less of the mean size of what is used: that of what is held is made by the tiny ones themselves. */
static bool is_tiny(const struct ms_learned *learned, const struct ms_sizing *sizing, uint64_t size)
{
    return sizing->goal == MS_GOAL_HITS && size * 2 <= learned->typical;
}

/* Whether an entry of the main queue was used since it was judged before, as far as that can be told. */
static bool is_used_in_main(const struct ms_learned *learned, const struct ms_sizing *sizing,
                            const struct ms_subject *entry)
{
    return entry->access >
           (is_tiny(learned, sizing, entry->size) ? ms_adapt_credit(sizing, entry->size) : 0);
}

enum ms_ghost_kind ms_learned_drop(struct ms_learned *learned, const struct ms_sizing *sizing,
                                   enum ms_ghost_kind kind, const struct ms_subject *entry)
{
    const int learns_of = learned_kind(sizing, kind, entry->size);
    const bool unused =
        kind == MS_GHOST_MAIN ? !is_used_in_main(learned, sizing, entry) : kind == MS_GHOST_UNUSED;

    /* A flood of them would make the ghost forget the rest, and writes seem not to be asked for. */
    if (unused && learned->tiny_goes && is_tiny(learned, sizing, entry->size)) {
        learned->passed_over++;
        return MS_GHOST_NONE;
    }
    learned->dropped[learns_of]++;
    learned->sizes[learns_of] += weight_of(sizing, entry->size);
    return kind;
}

void ms_learned_note(struct ms_learned *learned, const struct ms_sizing *sizing,
                     const struct ms_ghost_trace *trace, uint64_t size)
{
    if (trace->kind == MS_GHOST_NONE || trace->age >= MS_GHOST_NEAR)
        return;

    struct ms_come_back *back = &learned->come_back[learned_kind(sizing, trace->kind, size)];
    const uint64_t weight = weight_of(sizing, size);
    ms_add_relaxed(&back->sums, (UINT64_C(1) << MS_USES_SHIFT) + weight);
    ms_add_relaxed(&back->ages, weight * trace->age);
    if (trace->age < MS_GHOST_RECENT)
        ms_add_relaxed(&back->soon, 1);
}

/* What was added since it was taken last. */
static uint64_t take(atomic_uint_least64_t *sum)
{
    const uint64_t taken = ms_load_relaxed(sum);

    ms_sub_relaxed(sum, taken);
    return taken;
}

static double in_means(uint64_t size)
{
    return (double)size / MS_ADAPT_ONE;
}

static void gather_worth(struct ms_worth *worth, struct ms_come_back *back, double sizes)
{
    const uint64_t sums = take(&back->sums);

    worth->dropped = worth->dropped * WORTH_KEPT_A_STEP + sizes;
    worth->uses = worth->uses * WORTH_KEPT_A_STEP + (double)(sums >> MS_USES_SHIFT);
    worth->returned = worth->returned * WORTH_KEPT_A_STEP + in_means((uint32_t)sums);
    worth->ages = worth->ages * WORTH_KEPT_A_STEP + in_means(take(&back->ages));
}

/* Fold what was dropped and came back since the last step into what is known. */
static void gather(struct ms_learned *learned)
{
    for (int kind = MS_GHOST_UNUSED; kind < MS_LEARNED_KINDS; kind++) {
        struct ms_come_back *back = &learned->come_back[kind];
        const double sizes = in_means(learned->sizes[kind]);

        learned->dropped_lately[kind] =
            learned->dropped_lately[kind] * KEPT_A_STEP + (double)learned->dropped[kind];
        learned->sizes_lately[kind] = learned->sizes_lately[kind] * KEPT_A_STEP + sizes;
        learned->returned_lately[kind] =
            learned->returned_lately[kind] * KEPT_A_STEP + (double)take(&back->soon);
        gather_worth(&learned->worth[kind], back, sizes);
        learned->dropped[kind] = 0;
        learned->sizes[kind] = 0;
    }
}

static double rate(double returned, double dropped)
{
    return dropped > 0 ? returned / dropped : 0;
}

static double rate_of(const struct ms_learned *learned, int kind)
{
    return rate(learned->returned_lately[kind], learned->sizes_lately[kind]);
}

static double of_small(const double kinds[MS_LEARNED_KINDS])
{
    return kinds[MS_GHOST_UNUSED] + kinds[MS_LEARNED_SMALLER] + kinds[MS_GHOST_USED_ONCE] +
           kinds[MS_GHOST_USED_OFTEN];
}

/* Whether much of what the small queue dropped comes back, if late, and next to nothing of what the
 * main queue drops: the main queue holds what is done with. */
static bool is_main_idle(const struct ms_learned *learned)
{
    const struct ms_worth *main = &learned->worth[MS_GHOST_MAIN];
    double dropped = 0, uses = 0;

    for (int kind = MS_GHOST_UNUSED; kind < MS_LEARNED_KINDS; kind++) {
        if (kind == MS_GHOST_MAIN)
            continue;
        dropped += learned->worth[kind].dropped;
        uses += learned->worth[kind].uses;
    }
    return uses > 0 && main->dropped >= IDLE_DROPS * dropped && uses >= MUCH_COMES_BACK * dropped &&
           uses * main->dropped >= IDLE_FROM * main->uses * dropped;
}

static double moved(double share, double step)
{
    const double growing = share > GROWS_AS ? share : GROWS_AS;
    const double to = step < 0 ? share / (1 - step) : share + step * growing;

    return to < SMALL_SHARE_LEAST  ? SMALL_SHARE_LEAST
           : to > SMALL_SHARE_MOST ? SMALL_SHARE_MOST
                                   : to;
}

/* `asked`: what is written was missed by a read before. */
static void adjust_share(struct ms_learned *learned, bool asked)
{
    const double small_dropped = of_small(learned->sizes_lately);
    const double small_returned = of_small(learned->returned_lately);
    const double small = rate(small_returned, small_dropped);
    const double main = rate_of(learned, MS_GHOST_MAIN);
    const double returned = small_returned + learned->returned_lately[MS_GHOST_MAIN];
    const double dropped = small_dropped + learned->sizes_lately[MS_GHOST_MAIN];
    const double confidence = returned / (returned + HALF_CONFIDENT * dropped + CHANCE);
    const bool idle = asked && is_main_idle(learned);
    double step = -DRIFT;

    if (asked && learned->grew_unasked && learned->small_share > SMALL_SHARE_GIVEN_BACK)
        learned->small_share = SMALL_SHARE_GIVEN_BACK;
    learned->grew_unasked = !asked;
    if (idle || !asked)
        step = (idle ? STEP : DRIFT_UNASKED) * (1 - confidence);

    /* What returned long ago fades until its rates are nothing. */
    if (small + main > 0)
        step += STEP * confidence * (small - main) / (small + main);
    learned->small_share = moved(learned->small_share, step);
}

/* Uses by a place of the main queue and unit of the ghost's age; not negative. */
static double worth_of(const struct ms_learned *learned, int kind, uint64_t keys)
{
    const struct ms_worth *worth = &learned->worth[kind];
    const double away = worth->dropped > worth->returned ? worth->dropped - worth->returned : 0;

    return worth->uses / (worth->ages + MS_GHOST_NEAR * (away + FADING * (double)keys));
}

/* Whether keys of this kind are worth so many times what the main queue drops. */
static bool is_worth_promoting(const struct ms_learned *learned, int kind, uint64_t keys,
                               double least)
{
    return worth_of(learned, kind, keys) >= least * worth_of(learned, MS_GHOST_MAIN, keys);
}

static void adjust_promotion(struct ms_learned *learned, uint64_t keys)
{
    const double one = learned->one_use_promotes ? ONE_PROMOTES_UNTIL : ONE_PROMOTES_FROM;
    const double more = learned->more_uses_promote ? MORE_PROMOTE_UNTIL : MORE_PROMOTE_FROM;
    const double smaller =
        learned->smaller_promotes ? SMALLER_PROMOTES_UNTIL : SMALLER_PROMOTES_FROM;

    if (learned->dropped_lately[MS_GHOST_USED_ONCE] >= TELLING)
        learned->one_use_promotes = is_worth_promoting(learned, MS_GHOST_USED_ONCE, keys, one);
    if (learned->dropped_lately[MS_GHOST_USED_OFTEN] >= TELLING)
        learned->more_uses_promote = is_worth_promoting(learned, MS_GHOST_USED_OFTEN, keys, more);
    if (learned->dropped_lately[MS_LEARNED_SMALLER] >= TELLING)
        learned->smaller_promotes = is_worth_promoting(learned, MS_LEARNED_SMALLER, keys, smaller);
}

/* While what was used before is used again more than what is new, even at the end of its stay, uses are
 * worth a longer stay; not where popularity passes. */
static void adjust_rounds(struct ms_learned *learned, uint64_t keys)
{
    const double least = learned->third_round ? THIRD_ROUND_UNTIL : THIRD_ROUND_FROM;
    const double unused = worth_of(learned, MS_GHOST_UNUSED, keys);
    const double main = worth_of(learned, MS_GHOST_MAIN, keys);

    if (learned->dropped_lately[MS_GHOST_MAIN] >= TELLING &&
        learned->dropped_lately[MS_GHOST_UNUSED] >= TELLING)
        learned->third_round = main > 0 && main >= least * unused;
}

/* The time from one use to the next that promises no more than this, in parts of the ghost's ages. */
static unsigned reach_of(double worth)
{
    return worth * REACH_MOST <= MS_ADAPT_ONE ? REACH_MOST : (unsigned)(MS_ADAPT_ONE / worth);
}

static void adjust_returning(struct ms_learned *learned, uint64_t keys)
{
    const double worth = worth_of(learned, MS_GHOST_MAIN, keys);
    /* In the small queue, by the ghost's age. */
    const double in_small =
        0.5 + learned->small_share * MS_GHOST_AGES * 100 / MS_ADAPT_GHOST_PERCENT;

    ms_store_relaxed(&learned->reach, reach_of(worth * RETURNS_AT));
    ms_store_relaxed(&learned->reach_for_main, reach_of(worth * RETURNS_TO_MAIN_AT));
    ms_store_relaxed(&learned->in_small, (unsigned)(in_small * MS_ADAPT_ONE));
}

static void fade_judged(struct ms_judged judged[MS_JUDGED_KINDS])
{
    for (int kind = 0; kind < MS_JUDGED_KINDS; kind++) {
        judged[kind].count *= WORTH_KEPT_A_STEP;
        judged[kind].bytes *= WORTH_KEPT_A_STEP;
        judged[kind].used *= WORTH_KEPT_A_STEP;
        judged[kind].used_bytes *= WORTH_KEPT_A_STEP;
    }
}

/* Whether tiny entries are used, for their room, by this part of what others are. */
static bool is_tiny_used(const struct ms_judged judged[MS_JUDGED_KINDS], double part)
{
    const struct ms_judged *tiny = &judged[MS_JUDGED_TINY], *other = &judged[MS_JUDGED_OTHER];

    return tiny->used * other->bytes >= part * other->used * tiny->bytes;
}

/* As it was, while little is used, as in a flood. */
static uint64_t typical_size(const struct ms_learned *learned)
{
    double used = 0, bytes = 0;

    for (int kind = 0; kind < MS_JUDGED_KINDS; kind++) {
        used += learned->judged_small[kind].used + learned->judged_main[kind].used;
        bytes += learned->judged_small[kind].used_bytes + learned->judged_main[kind].used_bytes;
    }
    return used >= TELLING ? (uint64_t)(bytes / used) : learned->typical;
}

/* The small queue tells soon, and of what is used soon; the main queue, of which some are always kept to tell,
 * knows better. */
static void adjust_tiny(struct ms_learned *learned)
{
    const struct ms_judged *small = learned->judged_small, *main = learned->judged_main;
    const double part = learned->tiny_goes ? TINY_GOES_UNTIL : TINY_GOES_FROM;

    learned->typical = typical_size(learned);
    if (main[MS_JUDGED_TINY].count >= TELLING && is_tiny_used(main, part))
        learned->tiny_goes = false;
    else if (small[MS_JUDGED_TINY].count >= TELLING && small[MS_JUDGED_OTHER].used >= TELLING)
        learned->tiny_goes = !is_tiny_used(small, part);
    ms_store_relaxed(&learned->mean, learned->tiny_goes ? learned->typical : 0);
}

/* Next to nothing is dropped while a flood comes in. */
static void look_at_tiny(struct ms_learned *learned, uint64_t keys)
{
    if (learned->judged < TELLING || learned->judged * STEPS_A_TURN < keys)
        return;
    learned->judged = 0;
    adjust_tiny(learned);
    fade_judged(learned->judged_small);
    fade_judged(learned->judged_main);
}

void ms_learned_look(struct ms_learned *learned, uint64_t keys, uint64_t misses)
{
    uint64_t dropped = 0;

    if (keys == 0)
        return;
    look_at_tiny(learned, keys);
    for (int kind = MS_GHOST_UNUSED; kind < MS_LEARNED_KINDS; kind++)
        dropped += learned->dropped[kind];
    const uint64_t all = dropped + learned->passed_over;
    if (all < TELLING || all * STEPS_A_TURN < keys)
        return;
    gather(learned);
    learned->passed_over = 0;
    adjust_share(learned, (misses - learned->misses) * 2 >= dropped);
    learned->misses = misses;
    adjust_promotion(learned, keys);
    adjust_rounds(learned, keys);
    adjust_returning(learned, keys);
}

void ms_learned_weigh(struct ms_learned *learned, uint64_t small, uint64_t all)
{
    learned->small_gives_way = (double)small > GIVES_WAY_FROM * learned->small_share * (double)all;
}

/* ---- Judging ---- */

/* What has been away for long would be used so seldom that there is better use for its room. */
bool ms_adapt_is_main(const struct ms_learned *learned, const struct ms_sizing *sizing,
                      const struct ms_ghost_trace *trace, uint64_t size)
{
    if (trace->kind == MS_GHOST_NONE)
        return false;
    const uint64_t weight = weight_of(sizing, size);
    if (weight > MEANS_TO_RETURN * MS_ADAPT_ONE)
        return false;
    const bool main = trace->kind == MS_GHOST_MAIN;
    const uint64_t reach = ms_load_relaxed(main ? &learned->reach_for_main : &learned->reach);
    const uint64_t before = main ? AGE_IN_MAIN * MS_ADAPT_ONE : ms_load_relaxed(&learned->in_small);
    const uint64_t away = before + trace->age * MS_ADAPT_ONE;
    const uint64_t asked = trace->age >= MS_GHOST_NEAR ? RETURNS_FROM_FAR_AT : 1;
    return away * weight * asked <= reach * MS_ADAPT_ONE;
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

/* One in 32 of what is tiny tells whether it would be used. */
static bool tells_of_tiny(const struct ms_subject *entry)
{
    return entry->hash >> 59 == 4;
}

static void note_judged(struct ms_judged *judged, const struct ms_subject *entry, bool used)
{
    judged->count++;
    judged->bytes += (double)entry->size;
    judged->used += used;
    judged->used_bytes += used ? (double)entry->size : 0;
}

/* Small entries are kept without having been used where hits are what counts, unless they show that they never
 * are: several of them take the room of one. One in sixteen of those that are a little smaller tells what would
 * come back. */
bool ms_adapt_keeps_small(struct ms_learned *learned, const struct ms_sizing *sizing,
                          const struct ms_subject *entry, unsigned *access)
{
    const bool tiny = is_tiny(learned, sizing, entry->size);

    learned->judged++;
    note_judged(&learned->judged_small[tiny], entry, entry->access != 0);
    if (tiny && learned->tiny_goes && entry->access == 0 && !tells_of_tiny(entry))
        return false;
    *access = ms_adapt_credit(sizing, entry->size);
    if (learned->small_gives_way || is_half_or_less(sizing, entry->size))
        return true;
    if (learned->smaller_promotes && is_smaller(sizing, entry->size) && entry->hash >> 60 != 2)
        return true;
    return is_used_enough(learned, entry->hash, entry->access);
}

/* Further rounds that as many uses as are counted at all buy. */
static unsigned rounds_again(const struct ms_learned *learned)
{
    if (learned->small_share >= SMALL_SHARE_OF_RECENCY)
        return 0;
    return learned->third_round ? 2 : 1;
}

/* What tells of tiny entries begins each round with its credit, so that a use shows; without a use it stays
 * for as many rounds as the credit buys others, by mean. */
static bool keeps_telling(struct ms_learned *learned, unsigned credit, bool used, unsigned *access)
{
    *access = credit;
    return used || learned->told++ % (credit + 1) != 0;
}

/* Uses count down from round to round; as many as are counted at all buy one more or two, or what an
 * entry is given credit for. */
bool ms_adapt_keeps_main(struct ms_learned *learned, const struct ms_sizing *sizing,
                         const struct ms_subject *entry, unsigned *access)
{
    const unsigned credit = ms_adapt_credit(sizing, entry->size);
    const unsigned again = rounds_again(learned);
    const bool tiny = is_tiny(learned, sizing, entry->size);
    const bool used = is_used_in_main(learned, sizing, entry);

    learned->judged++;
    if (!tiny || tells_of_tiny(entry))
        note_judged(&learned->judged_main[tiny], entry, used);
    if (tiny && tells_of_tiny(entry))
        return keeps_telling(learned, credit, used, access);
    *access = 0;
    if (entry->access == 0 || (tiny && learned->tiny_goes && !used))
        return false;
    if (entry->access < MS_ACCESS_COUNT_MAX)
        *access = entry->access - 1;
    else
        *access = credit > again ? credit : again;
    return true;
}
