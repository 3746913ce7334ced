/* SPDX-License-Identifier: Apache-2.0 */
/* Least frequently used, on segments.
 *
 * An entry's access bits count its uses, exactly at first and then by chance (Morris: "Counting
 * large numbers of events in small registers", CACM 1978; as Redis does it). What was written goes
 * to the queue of the unused, and what has been used when its segment's turn comes to one of a few
 * bins by its count. The list has the unused first, then bin after bin, each by age: a victim is
 * always of the least used there are, and in the order of writing among these.
 *
 * A bin takes a range of counts, the last one all that are higher. Of a range the least used goes
 * first: its entries are dropped up to a bar, and the bar is the least count that was met in the last
 * round through the bin. */
#include "eviction/eviction.h"

#include "platform/random.h"

/* Counts from this on stand for twice as many uses each. */
#define EXACT_UP_TO 16

/* The least count of each of eight bins. */
static const unsigned char least_of[] = {1, 2, 3, 4, 6, 9, 13, 18};
#define BINS_MOST (sizeof least_of)

/* Ranks: the bin, 0 being the unused, and below it the time. */
#define BIN_SHIFT 56

static unsigned least_count(const struct ms_eviction *eviction, uint32_t bin)
{
    return least_of[bin * BINS_MOST / eviction->bins];
}

static uint32_t bin_of(const struct ms_eviction *eviction, unsigned count)
{
    uint32_t bin = eviction->bins - 1;

    while (bin != 0 && least_count(eviction, bin) > count)
        bin--;
    return bin;
}

void ms_eviction_count_use(struct ms_entry *entry, unsigned mark)
{
    const unsigned count = mark & MS_MARK_ACCESS;

    if (count == MS_MARK_ACCESS)
        return;
    if (count >= EXACT_UP_TO &&
        (ms_random_cheap() & (((uint64_t)EXACT_UP_TO << (count - EXACT_UP_TO)) - 1)) != 0)
        return;
    ms_entry_note_use(entry, mark, mark + 1);
}

/* What was in a bin when a round began has been seen when something younger comes up. */
static void begin_round_if_due(struct ms_eviction *eviction, const struct ms_segment *segment)
{
    struct ms_round *round = &eviction->rounds[(segment->rank >> BIN_SHIFT) - 1];

    if (segment->rank < round->end)
        return;
    if (round->has_met)
        round->bar = round->least_met;
    round->has_met = false;
    round->end = (segment->rank >> BIN_SHIFT << BIN_SHIFT) +
                 ms_load_relaxed(&eviction->arena->rank_clock) + 1;
}

static struct ms_segment *victim(struct ms_eviction *eviction)
{
    struct ms_segment *segment = ms_eviction_oldest(eviction, MS_LIST_MAIN);

    if (segment != NULL && segment->rank >> BIN_SHIFT != 0)
        begin_round_if_due(eviction, segment);
    return segment;
}

static bool is_least_used(struct ms_eviction *eviction, const struct ms_segment *victim,
                          unsigned count)
{
    if (victim->rank >> BIN_SHIFT == 0)
        return count == 0;

    const uint32_t bin = (uint32_t)(victim->rank >> BIN_SHIFT) - 1;
    struct ms_round *round = &eviction->rounds[bin];
    if (!round->has_met || count < round->least_met)
        round->least_met = count;
    round->has_met = true;
    const unsigned least = least_count(eviction, bin);
    return count <= (round->bar > least ? round->bar : least);
}

static struct ms_verdict judge(struct ms_eviction *eviction, const struct ms_segment *victim,
                               const struct ms_subject *entry)
{
    if (is_least_used(eviction, victim, entry->access))
        return (struct ms_verdict){.keep = false};

    const uint64_t bin = bin_of(eviction, entry->access);
    return (struct ms_verdict){
        .keep = true,
        .queue = (enum ms_queue)(MS_QUEUE_BIN0 + bin),
        .access = entry->access,
        .rank = ((bin + 1) << BIN_SHIFT) + ms_add_relaxed(&eviction->arena->rank_clock, 1) + 1,
    };
}

const struct ms_policy ms_policy_lfu = {
    .touch = MS_TOUCH_FREQUENCY,
    .victim = victim,
    .judge = judge,
    .bins = MS_BINS_MOST,
    .segments_a_bin = 64,
    .sorts = true,
};
