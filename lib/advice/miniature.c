/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/miniature.h"

/* As in eviction/s3fifo.c. */
#define SMALL_SHARE 10 /* a tenth */
#define PROMOTION_COUNT 2
#define USES_MAX 3

void ms_mini_init(struct ms_mini *mini, enum ms_mini_policy policy, struct ms_mini_link *links)
{
    *mini = (struct ms_mini){.policy = policy, .links = links};
    for (int i = 0; i < MS_MINI_LISTS; i++)
        mini->lists[i].oldest = mini->lists[i].newest = MS_MINI_NONE;
}

/* ---- Lists ---- */

static void take_out(struct ms_mini *mini, uint32_t key)
{
    struct ms_mini_link *link = &mini->links[key];
    struct ms_mini_list *list = &mini->lists[link->where];

    if (link->older != MS_MINI_NONE)
        mini->links[link->older].newer = link->newer;
    else
        list->oldest = link->newer;
    if (link->newer != MS_MINI_NONE)
        mini->links[link->newer].older = link->older;
    else
        list->newest = link->older;
    list->count--;
    list->bytes -= link->size;
    link->where = MS_MINI_NOWHERE;
}

static void put_in(struct ms_mini *mini, uint32_t key, enum ms_mini_where where)
{
    struct ms_mini_link *link = &mini->links[key];
    struct ms_mini_list *list = &mini->lists[where];

    link->where = (uint8_t)where;
    link->older = list->newest;
    link->newer = MS_MINI_NONE;
    if (list->newest != MS_MINI_NONE)
        mini->links[list->newest].newer = key;
    else
        list->oldest = key;
    list->newest = key;
    list->count++;
    list->bytes += link->size;
}

static void move(struct ms_mini *mini, uint32_t key, enum ms_mini_where where)
{
    take_out(mini, key);
    put_in(mini, key, where);
}

/* ---- Evicting ---- */

static uint64_t used(const struct ms_mini *mini)
{
    return mini->lists[MS_MINI_SMALL].bytes + mini->lists[MS_MINI_MAIN].bytes;
}

static void bound_ghost(struct ms_mini *mini)
{
    const uint32_t entries = mini->lists[MS_MINI_SMALL].count + mini->lists[MS_MINI_MAIN].count;

    while (mini->lists[MS_MINI_GHOST].count > entries)
        take_out(mini, mini->lists[MS_MINI_GHOST].oldest);
}

static void take_from_small(struct ms_mini *mini)
{
    const uint32_t key = mini->lists[MS_MINI_SMALL].oldest;
    const bool promoted = mini->links[key].uses >= PROMOTION_COUNT;

    mini->links[key].uses = 0;
    move(mini, key, promoted ? MS_MINI_MAIN : MS_MINI_GHOST);
}

static void take_from_main(struct ms_mini *mini)
{
    const uint32_t key = mini->lists[MS_MINI_MAIN].oldest;

    if (mini->links[key].uses > 0) {
        mini->links[key].uses--;
        move(mini, key, MS_MINI_MAIN);
    } else {
        take_out(mini, key);
    }
}

static void evict(struct ms_mini *mini)
{
    while (used(mini) > mini->capacity) {
        const struct ms_mini_list *small = &mini->lists[MS_MINI_SMALL];

        if (small->count != 0 &&
            (small->bytes * SMALL_SHARE > used(mini) || mini->lists[MS_MINI_MAIN].count == 0))
            take_from_small(mini);
        else
            take_from_main(mini);
    }
    bound_ghost(mini);
}

void ms_mini_resize(struct ms_mini *mini, uint64_t capacity)
{
    mini->capacity = capacity;
    evict(mini);
}

/* ---- References ---- */

static bool is_there(const struct ms_mini_link *link)
{
    return link->where == MS_MINI_SMALL || link->where == MS_MINI_MAIN;
}

/* Store an entry: anew, or in the queue that the entry it replaces is in. What is larger than the
 * cache is not stored. */
static void store(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    struct ms_mini_link *link = &mini->links[key];
    enum ms_mini_where where = mini->policy == MS_MINI_S3FIFO ? MS_MINI_SMALL : MS_MINI_MAIN;

    if (is_there(link))
        where = (enum ms_mini_where)link->where;
    else if (link->where == MS_MINI_GHOST)
        where = MS_MINI_MAIN;
    if (!is_there(link))
        link->uses = 0;
    ms_mini_remove(mini, key);
    if (size > mini->capacity)
        return;
    link->size = size;
    put_in(mini, key, where);
    evict(mini);
}

static void count_miss(struct ms_mini *mini, double weight, uint32_t n)
{
    mini->missed.weight += weight;
    mini->missed.cross += weight * ms_curve_cross(n);
    mini->first_missed += n == 1 ? weight : 0;
}

void ms_mini_read(struct ms_mini *mini, uint32_t key, uint32_t size, double weight, uint32_t n)
{
    struct ms_mini_link *link = &mini->links[key];

    if (!is_there(link)) {
        count_miss(mini, weight, n);
        if (size != 0)
            store(mini, key, size);
        return;
    }
    if (mini->policy == MS_MINI_LRU)
        move(mini, key, MS_MINI_MAIN);
    else if (mini->policy == MS_MINI_S3FIFO)
        link->uses += link->uses < USES_MAX;
}

void ms_mini_write(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    store(mini, key, size);
}

void ms_mini_remove(struct ms_mini *mini, uint32_t key)
{
    if (mini->links[key].where != MS_MINI_NOWHERE)
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
