/* SPDX-License-Identifier: Apache-2.0 */
/* The default policy: S3-FIFO's two queues, with what no single setting of them is good at learned
 * while the store runs. docs/design/eviction.md has the measurements.
 *
 * Where space is worth most is seen from the keys that come back soon after they were dropped, of
 * which the ghost tells where they were dropped from. Per dropped key, they are the hits that a
 * little more room in that place would have made.
 *
 *   small share  More of what the small queue dropped comes back than of what the main queue
 *                dropped: the small queue grows, up to half of the store, as recency wants it; else
 *                it shrinks, down to a hundredth, as loops and steady popularity want it. While
 *                nothing comes back it shrinks slowly. But where most of what is written was not
 *                asked for before, nothing would come back if it were missed: then the small queue
 *                grows to nearly all of the store, and what was written last is kept.
 *   promotion    What was used once in the small queue is kept, too, while it comes back clearly
 *                more often than what the main queue drops for it. One key in eight, by its hash,
 *                is not, or there would be nothing to learn from.
 *
 * A key that comes back to where the small queue dropped it goes to the main queue; one that the
 * main queue dropped begins anew. Until the store is full everything goes to the main queue, so
 * that a loop that is larger than the store finds part of itself there each time. Uses in the main
 * queue buy at most two more rounds.
 *
 * Sizes count by the goal: for hits and balanced, an entry must be used the more often to be kept the
 * larger it is, and a small one is given credit for a use or two in the main queue; for hits, in the
 * small queue, too, and a large one that comes back begins anew. For bytes they do not count, which
 * suits bytes. */
#include "eviction/eviction.h"

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
#define GHOST_PERCENT 150
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

/* ---- Size ---- */

/* Whether so many uses are too few for its size. A mean of 0 is that of a store without entries. */
static bool is_too_large(struct ms_eviction *eviction, const struct ms_subject *entry,
                         unsigned uses)
{
    const double mean = (double)ms_load_relaxed(&eviction->mean_size);

    return eviction->goal != MS_GOAL_BYTES && mean != 0 &&
           (double)entry->size > MEANS_A_USE * mean * uses;
}

/* Uses that an entry is given credit for: one for half the mean size, two for a quarter. */
static unsigned credit_of(struct ms_eviction *eviction, const struct ms_subject *entry)
{
    const uint64_t mean = ms_load_relaxed(&eviction->mean_size);

    if (eviction->goal == MS_GOAL_BYTES)
        return 0;
    return entry->size * 4 <= mean ? 2 : entry->size * 2 <= mean ? 1 : 0;
}

/* ---- Arrivals ---- */

static enum ms_queue queue_for(struct ms_eviction *eviction, struct ms_subject *entry,
                               const struct ms_segment *old)
{
    if (old != NULL)
        return old->queue == MS_QUEUE_NEW ? MS_QUEUE_NEW : MS_QUEUE_MAIN;
    if (ms_load_relaxed(&eviction->ghost.table) == NULL)
        return MS_QUEUE_MAIN;

    const struct ms_ghost_trace trace = ms_ghost_take(&eviction->ghost, entry->hash);
    if (trace.recent)
        ms_add_relaxed(&eviction->learned.returned[trace.kind], 1);
    if (trace.kind == MS_GHOST_NONE || trace.kind == MS_GHOST_MAIN ||
        (eviction->goal == MS_GOAL_HITS && is_too_large(eviction, entry, 1)))
        return MS_QUEUE_NEW;
    entry->access = credit_of(eviction, entry);
    return MS_QUEUE_MAIN;
}

/* ---- Learning ---- */

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

static void learn(struct ms_eviction *eviction)
{
    struct ms_learned *learned = &eviction->learned;
    const uint64_t keys = ms_ghost_capacity(&eviction->ghost) * 100 / GHOST_PERCENT;
    uint64_t dropped = 0;

    if (keys == 0)
        return;
    for (int kind = MS_GHOST_UNUSED; kind < MS_GHOST_KINDS; kind++)
        dropped += learned->dropped[kind];
    if (dropped < TELLING || dropped * STEPS_A_TURN < keys)
        return;
    gather(learned);
    adjust_share(learned, (eviction->misses - learned->misses) * 2 >= dropped);
    learned->misses = eviction->misses;
    adjust_promotion(learned);
}

/* ---- Victims ---- */

static struct ms_segment *victim(struct ms_eviction *eviction)
{
    learn(eviction);
    return ms_eviction_oldest_by_share(eviction, eviction->learned.small_share);
}

/* Whether two uses are asked of this key always. */
static bool is_control(uint64_t hash)
{
    return hash >> 61 == 0;
}

/* Small entries are kept without having been used where hits are what counts: several of them take
 * the room of one. */
static struct ms_verdict judge_small(struct ms_eviction *eviction, const struct ms_subject *entry)
{
    const unsigned needed = eviction->learned.one_use_promotes && !is_control(entry->hash) ? 1 : 2;
    const unsigned credit = credit_of(eviction, entry);
    const unsigned uses = entry->access + (eviction->goal == MS_GOAL_HITS ? credit : 0);

    return (struct ms_verdict){.keep = uses >= needed && !is_too_large(eviction, entry, uses),
                               .access = credit};
}

/* Uses count down from round to round; as many as are counted at all buy one more, or what an entry
 * is given credit for. */
static struct ms_verdict judge_main(struct ms_eviction *eviction, const struct ms_subject *entry)
{
    const unsigned credit = credit_of(eviction, entry);
    const unsigned access = entry->access;

    if (access == 0 || is_too_large(eviction, entry, access))
        return (struct ms_verdict){.keep = false};
    if (access < MS_ACCESS_COUNT_MAX)
        return (struct ms_verdict){.keep = true, .access = access - 1};
    return (struct ms_verdict){.keep = true, .access = credit > 1 ? credit : 1};
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    struct ms_verdict verdict =
        victim->queue == MS_QUEUE_NEW ? judge_small(eviction, entry) : judge_main(eviction, entry);

    verdict.queue = MS_QUEUE_MAIN;
    return verdict;
}

static enum ms_ghost_kind drop(struct ms_eviction *eviction, const struct ms_segment *victim,
                               unsigned access)
{
    const enum ms_ghost_kind kind = victim->queue != MS_QUEUE_NEW ? MS_GHOST_MAIN
                                    : access == 0                 ? MS_GHOST_UNUSED
                                                                  : MS_GHOST_USED_ONCE;

    eviction->learned.dropped[kind]++;
    return kind;
}

const struct ms_policy ms_policy_adaptive = {
    .touch = MS_TOUCH_COUNT,
    .queue_for = queue_for,
    .victim = victim,
    .judge = judge,
    .drop = drop,
    .ghost_percent = GHOST_PERCENT,
};
