/* SPDX-License-Identifier: Apache-2.0 */
/* A simulation of adaptive: eviction/adapt.h decides, as it does in the store. */
#include "advice/mini_rules.h"

#include "util/hash.h"

static struct ms_sizing sizing_of(const struct ms_mini *mini)
{
    return (struct ms_sizing){mini->goal, mini->held != 0 ? mini->held_bytes / mini->held : 0};
}

/* A ghost's age counts full parts of what it may hold that were dropped since. */
static uint8_t ghost_clock(const struct ms_mini *mini)
{
    return (uint8_t)(mini->ghost_parts >> MS_MINI_PART_BITS);
}

static struct ms_ghost_trace trace_of(const struct ms_mini *mini, const struct ms_mini_link *link)
{
    struct ms_ghost_trace trace = {MS_GHOST_NONE, 0};

    if (link->where == MS_MINI_GHOST) {
        const unsigned age = (uint8_t)(ghost_clock(mini) - link->dropped_at);

        trace.kind = (enum ms_ghost_kind)link->dropped_from;
        trace.age = age < MS_GHOST_AGES ? age : MS_GHOST_AGES - 1;
    }
    return trace;
}

static enum ms_mini_where place(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    struct ms_mini_link *link = ms_mini_link_of(mini, key);
    const struct ms_sizing sizing = sizing_of(mini);
    const struct ms_ghost_trace trace = trace_of(mini, link);

    if (ms_mini_has(mini, key))
        return (enum ms_mini_where)link->where;
    if (!mini->has_evicted)
        return MS_MINI_MAIN;
    ms_learned_note(&mini->learned, &trace);
    if (!ms_adapt_is_main(&mini->learned, &sizing, &trace, size))
        return MS_MINI_SMALL;
    link->uses = (uint8_t)ms_adapt_credit(&sizing, size);
    return MS_MINI_MAIN;
}

static void take_from(struct ms_mini *mini, enum ms_mini_where where)
{
    const uint32_t key = mini->lists[where].oldest;
    struct ms_mini_link *link = ms_mini_link_of(mini, key);
    const struct ms_subject entry = {ms_mix64(key), link->size, link->uses};
    const struct ms_sizing sizing = sizing_of(mini);
    const bool small = where == MS_MINI_SMALL;
    const uint64_t beside = mini->lists[MS_MINI_SMALL].bytes - (small ? link->size : 0);
    unsigned access;

    ms_learned_weigh(&mini->learned, beside, mini->held_bytes);
    if (small ? ms_adapt_keeps_small(&mini->learned, &sizing, &entry, &access)
              : ms_adapt_keeps_main(&mini->learned, &sizing, &entry, &access)) {
        link->uses = (uint8_t)access;
        ms_mini_move(mini, key, MS_MINI_MAIN);
        return;
    }
    const uint64_t most = (uint64_t)(mini->held - 1) * MS_ADAPT_GHOST_PERCENT / 100;
    const enum ms_ghost_kind kind = ms_adapt_kind(small, link->uses);
    link->dropped_from = (uint8_t)kind;
    link->dropped_at = ghost_clock(mini);
    mini->ghost_parts += ((uint64_t)MS_GHOST_AGES << MS_MINI_PART_BITS) / (most != 0 ? most : 1);
    mini->learned.dropped[kind]++;
    ms_mini_drop(mini, key, (uint32_t)most);
}

static void make_room(struct ms_mini *mini)
{
    const struct ms_mini_list *small = &mini->lists[MS_MINI_SMALL];

    mini->has_evicted = true;
    ms_learned_look(&mini->learned, mini->held, mini->miss_count);
    const bool small_first =
        (double)small->bytes > mini->learned.small_share * (double)mini->held_bytes;
    if (small->count != 0 && (small_first || mini->lists[MS_MINI_MAIN].count == 0))
        take_from(mini, MS_MINI_SMALL);
    else
        take_from(mini, MS_MINI_MAIN);
}

const struct ms_mini_rules ms_mini_adaptive = {place, make_room};
