/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/miniature.h"

#include "advice/mini_rules.h"

void ms_mini_init(struct ms_mini *mini, enum ms_mini_policy policy, enum ms_goal goal,
                  struct ms_mini_key *keys)
{
    static const struct ms_mini_rules *const rules[MS_MINI_POLICIES] = {
        [MS_MINI_FIFO] = &ms_mini_fifo,
        [MS_MINI_S3FIFO] = &ms_mini_s3fifo,
        [MS_MINI_ADAPTIVE] = &ms_mini_adaptive,
    };

    *mini = (struct ms_mini){.rules = rules[policy], .goal = goal};
    if (policy >= MS_MINI_FIFO)
        mini->links = &keys->links[policy - MS_MINI_FIFO];
    ms_learned_init(&mini->learned);
    for (int i = 0; i < MS_MINI_LISTS; i++)
        mini->lists[i].oldest = mini->lists[i].newest = MS_MINI_NONE;
}

/* ---- Lists ---- */

static void take_out(struct ms_mini *mini, uint32_t key)
{
    struct ms_mini_link *link = ms_mini_link_of(mini, key);
    struct ms_mini_list *list = &mini->lists[link->where];

    if (link->older != MS_MINI_NONE)
        ms_mini_link_of(mini, link->older)->newer = link->newer;
    else
        list->oldest = link->newer;
    if (link->newer != MS_MINI_NONE)
        ms_mini_link_of(mini, link->newer)->older = link->older;
    else
        list->newest = link->older;
    list->count--;
    list->bytes -= link->size;
    if (link->where >= MS_MINI_SMALL) {
        mini->held--;
        mini->held_bytes -= link->size;
    }
    link->where = MS_MINI_NOWHERE;
}

static void put_in(struct ms_mini *mini, uint32_t key, enum ms_mini_where where)
{
    struct ms_mini_link *link = ms_mini_link_of(mini, key);
    struct ms_mini_list *list = &mini->lists[where];

    link->where = (uint8_t)where;
    link->older = list->newest;
    link->newer = MS_MINI_NONE;
    if (list->newest != MS_MINI_NONE)
        ms_mini_link_of(mini, list->newest)->newer = key;
    else
        list->oldest = key;
    list->newest = key;
    list->count++;
    list->bytes += link->size;
    if (where >= MS_MINI_SMALL) {
        mini->held++;
        mini->held_bytes += link->size;
    }
}

void ms_mini_move(struct ms_mini *mini, uint32_t key, enum ms_mini_where where)
{
    take_out(mini, key);
    put_in(mini, key, where);
}

void ms_mini_drop(struct ms_mini *mini, uint32_t key, uint32_t most)
{
    const struct ms_mini_list *ghost = &mini->lists[MS_MINI_GHOST];

    ms_mini_move(mini, key, MS_MINI_GHOST);
    while (ghost->count != 0 && ghost->count > most)
        take_out(mini, ghost->oldest);
}

/* ---- References ---- */

static void make_room(struct ms_mini *mini)
{
    while (mini->held_bytes > mini->capacity)
        mini->rules->make_room(mini);
}

void ms_mini_resize(struct ms_mini *mini, uint64_t capacity)
{
    mini->capacity = capacity;
    make_room(mini);
}

/* What is larger than the cache is not stored. */
void ms_mini_store(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    struct ms_mini_link *link = ms_mini_link_of(mini, key);

    if (!ms_mini_has(mini, key))
        link->uses = 0;
    const enum ms_mini_where where = mini->rules->place(mini, key, size);
    ms_mini_remove(mini, key);
    if (size > mini->capacity)
        return;
    link->size = size;
    put_in(mini, key, where);
    make_room(mini);
}

void ms_mini_miss(struct ms_mini *mini, double weight, uint32_t n)
{
    mini->missed.weight += weight;
    mini->missed.cross += weight * ms_curve_cross(n);
    mini->first_missed += n == 1 ? weight : 0;
    mini->miss_count++;
}

void ms_mini_remove(struct ms_mini *mini, uint32_t key)
{
    if (ms_mini_link_of(mini, key)->where != MS_MINI_NOWHERE)
        take_out(mini, key);
}

double ms_mini_miss_ratio(const struct ms_mini *mini, const struct ms_curve *curve,
                          double references)
{
    const double lacking = references - curve->total.weight;
    const double slope = ms_curve_slope(curve, mini->missed.cross, mini->first_missed);
    const double ratio = references > 0 ? (mini->missed.weight + slope * lacking) / references : 0;

    return ratio < 0 ? 0 : ratio < 1 ? ratio : 1;
}
