/* SPDX-License-Identifier: Apache-2.0 */
/* A simulation of adaptive: eviction/adapt.h decides, as it does in the store. */
#include "advice/mini_rules.h"

#include "util/hash.h"

static struct ms_sizing sizing_of(const struct ms_mini *mini)
{
    const uint64_t held = mini->held != 0 ? mini->held_bytes / mini->held : 0;

    return (struct ms_sizing){mini->goal, ms_learned_mean(&mini->learned, held)};
}

/* A ghost's age counts full parts of what it may hold that were dropped since. */
static uint8_t ghost_clock(const struct ms_mini *mini)
{
    return (uint8_t)(mini->ghost_parts >> MS_MINI_PART_BITS);
}

/* That of the main queue, whose turn has MS_ADAPT_ONE parts. */
static uint8_t main_clock(const struct ms_mini *mini)
{
    return (uint8_t)(mini->main_parts >> MS_MINI_PART_BITS);
}

static unsigned ghost_age(const struct ms_mini *mini, const struct ms_mini_link *link)
{
    return (uint8_t)(ghost_clock(mini) - link->at);
}

static struct ms_ghost_trace trace_of(const struct ms_mini *mini, const struct ms_mini_link *link)
{
    struct ms_ghost_trace trace = {MS_GHOST_NONE, 0};

    if (link->where == MS_MINI_GHOST) {
        trace.kind = (enum ms_ghost_kind)link->dropped_from;
        trace.age = ghost_age(mini, link);
    }
    return trace;
}

/* What came back has left a place that the ghost does not fill: it forgets by age. */
static void forget_old(struct ms_mini *mini)
{
    const struct ms_mini_list *ghost = &mini->lists[MS_MINI_GHOST];

    while (ghost->count != 0 &&
           ghost_age(mini, ms_mini_link_of(mini, ghost->oldest)) >= MS_GHOST_AGES)
        ms_mini_remove(mini, ghost->oldest);
}

/* An entry of this size is taken from its old end. */
static void pass_main(struct ms_mini *mini, uint32_t size)
{
    const double part = (double)size / (double)mini->lists[MS_MINI_MAIN].bytes;

    mini->main_parts +=
        (uint64_t)(part * MS_ADAPT_ONE * (double)(UINT64_C(1) << MS_MINI_PART_BITS));
}

/* The list of the main queue for what is kept; notes when it is due. */
static enum ms_mini_where main_list(const struct ms_mini *mini, struct ms_mini_link *link,
                                    uint32_t size)
{
    const struct ms_sizing sizing = sizing_of(mini);
    const unsigned life = ms_adapt_life(&sizing, size);

    if (life == MS_ADAPT_ONE)
        return MS_MINI_MAIN;
    link->at = (uint8_t)(main_clock(mini) + life);
    return MS_MINI_PART;
}

static bool is_due(const struct ms_mini *mini)
{
    const struct ms_mini_list *part = &mini->lists[MS_MINI_PART];

    return part->count != 0 &&
           (int8_t)(main_clock(mini) - ms_mini_link_of(mini, part->oldest)->at) >= 0;
}

static enum ms_mini_where place(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    struct ms_mini_link *link = ms_mini_link_of(mini, key);
    const struct ms_sizing sizing = sizing_of(mini);
    const struct ms_ghost_trace trace = trace_of(mini, link);

    if (ms_mini_has(mini, key))
        return link->where == MS_MINI_SMALL ? MS_MINI_SMALL : main_list(mini, link, size);
    if (!mini->has_evicted)
        return MS_MINI_MAIN;
    ms_learned_note(&mini->learned, &sizing, &trace, size);
    if (!ms_adapt_is_main(&mini->learned, &sizing, &trace, size))
        return MS_MINI_SMALL;
    link->uses = (uint8_t)ms_adapt_credit(&sizing, size);
    return main_list(mini, link, size);
}

static void drop_to_ghost(struct ms_mini *mini, uint32_t key, enum ms_ghost_kind kind)
{
    const uint64_t most = ms_ghost_keys(mini->held - 1, MS_ADAPT_GHOST_PERCENT, mini->capacity);
    struct ms_mini_link *link = ms_mini_link_of(mini, key);

    link->dropped_from = (uint8_t)kind;
    link->at = ghost_clock(mini);
    mini->ghost_parts += ((uint64_t)MS_GHOST_AGES << MS_MINI_PART_BITS) / (most != 0 ? most : 1);
    ms_mini_drop(mini, key, (uint32_t)most);
    forget_old(mini);
}

static void take_from(struct ms_mini *mini, enum ms_mini_where where)
{
    const uint32_t key = mini->lists[where].oldest;
    struct ms_mini_link *link = ms_mini_link_of(mini, key);
    const struct ms_subject entry = {
        .hash = ms_mix64(key), .size = link->size, .access = link->uses};
    const struct ms_sizing sizing = sizing_of(mini);
    const bool small = where == MS_MINI_SMALL;
    const uint64_t beside = mini->lists[MS_MINI_SMALL].bytes - (small ? link->size : 0);
    unsigned access;

    if (where == MS_MINI_MAIN)
        pass_main(mini, link->size);
    ms_learned_weigh(&mini->learned, beside, mini->held_bytes);
    if (small ? ms_adapt_keeps_small(&mini->learned, &sizing, &entry, &access)
              : ms_adapt_keeps_main(&mini->learned, &sizing, &entry, &access)) {
        link->uses = (uint8_t)access;
        ms_mini_move(mini, key, main_list(mini, link, link->size));
        return;
    }
    const enum ms_ghost_kind kind =
        ms_learned_drop(&mini->learned, &sizing, ms_adapt_kind(small, link->uses), &entry);
    if (kind == MS_GHOST_NONE)
        ms_mini_remove(mini, key);
    else
        drop_to_ghost(mini, key, kind);
}

static void make_room(struct ms_mini *mini)
{
    const struct ms_mini_list *small = &mini->lists[MS_MINI_SMALL];
    const uint32_t main = mini->lists[MS_MINI_MAIN].count;
    const uint32_t part = mini->lists[MS_MINI_PART].count;

    mini->has_evicted = true;
    ms_learned_look(&mini->learned, mini->held, mini->miss_count);
    const bool small_first =
        (double)small->bytes > mini->learned.small_share * (double)mini->held_bytes;
    if (small->count != 0 && (small_first || main + part == 0))
        take_from(mini, MS_MINI_SMALL);
    else
        take_from(mini, main == 0 || is_due(mini) ? MS_MINI_PART : MS_MINI_MAIN);
}

const struct ms_mini_rules ms_mini_adaptive = {place, make_room};
