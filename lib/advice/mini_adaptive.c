/* SPDX-License-Identifier: Apache-2.0 */
/* A simulation of adaptive: eviction/adapt.h decides, as it does in the store. */
#include "advice/mini_rules.h"

#include "util/hash.h"

static struct ms_sizing sizing_of(const struct ms_mini *mini)
{
    return (struct ms_sizing){mini->goal, mini->held != 0 ? mini->held_bytes / mini->held : 0};
}

static enum ms_mini_where place(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    struct ms_mini_link *link = &mini->links[key];
    const struct ms_sizing sizing = sizing_of(mini);
    const bool is_known = link->where == MS_MINI_RECENT || link->where == MS_MINI_GHOST;
    const enum ms_ghost_kind kind =
        is_known ? (enum ms_ghost_kind)link->dropped_from : MS_GHOST_NONE;

    if (ms_mini_has(mini, key))
        return (enum ms_mini_where)link->where;
    if (!mini->has_evicted)
        return MS_MINI_MAIN;
    if (link->where == MS_MINI_RECENT)
        ms_add_relaxed(&mini->learned.returned[kind], 1);
    if (!ms_adapt_is_main(&sizing, kind, size))
        return MS_MINI_SMALL;
    link->uses = (uint8_t)ms_adapt_credit(&sizing, size);
    return MS_MINI_MAIN;
}

static void take_from(struct ms_mini *mini, enum ms_mini_where where)
{
    const uint32_t key = mini->lists[where].oldest;
    struct ms_mini_link *link = &mini->links[key];
    const struct ms_subject entry = {ms_mix64(key), link->size, link->uses};
    const struct ms_sizing sizing = sizing_of(mini);
    const bool small = where == MS_MINI_SMALL;
    unsigned access;

    if (small ? ms_adapt_keeps_small(&mini->learned, &sizing, &entry, &access)
              : ms_adapt_keeps_main(&sizing, &entry, &access)) {
        link->uses = (uint8_t)access;
        ms_mini_move(mini, key, MS_MINI_MAIN);
        return;
    }
    const uint64_t most = (uint64_t)(mini->held - 1) * MS_ADAPT_GHOST_PERCENT / 100;
    const enum ms_ghost_kind kind = ms_adapt_kind(small, link->uses);
    link->dropped_from = (uint8_t)kind;
    mini->learned.dropped[kind]++;
    ms_mini_drop(mini, key, (uint32_t)most,
                 (uint32_t)(most * MS_GHOST_RECENT / (MS_GHOST_CELLS - 1)));
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

const struct ms_mini_rules ms_mini_adaptive = {place, ms_mini_count_use, make_room};
