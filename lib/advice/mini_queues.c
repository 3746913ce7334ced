/* SPDX-License-Identifier: Apache-2.0 */
/* Simulations of fifo, which has one queue, and of s3fifo, which has two. */
#include "advice/mini_rules.h"

/* As in eviction/s3fifo.c. */
#define SMALL_SHARE 10 /* a tenth */
#define PROMOTION_COUNT 2

/* ---- One queue ---- */

static enum ms_mini_where place_in_main(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    (void)mini;
    (void)key;
    (void)size;
    return MS_MINI_MAIN;
}

static void drop_oldest(struct ms_mini *mini)
{
    ms_mini_remove(mini, mini->lists[MS_MINI_MAIN].oldest);
}

const struct ms_mini_rules ms_mini_fifo = {place_in_main, drop_oldest};

/* ---- Two queues ---- */

static enum ms_mini_where place(struct ms_mini *mini, uint32_t key, uint32_t size)
{
    const enum ms_mini_where where = (enum ms_mini_where)ms_mini_link_of(mini, key)->where;

    (void)size;
    if (ms_mini_has(mini, key))
        return where;
    return where == MS_MINI_GHOST ? MS_MINI_MAIN : MS_MINI_SMALL;
}

static void take_from_small(struct ms_mini *mini)
{
    const uint32_t key = mini->lists[MS_MINI_SMALL].oldest;
    struct ms_mini_link *link = ms_mini_link_of(mini, key);
    const bool promoted = link->uses >= PROMOTION_COUNT;

    link->uses = 0;
    if (promoted)
        ms_mini_move(mini, key, MS_MINI_MAIN);
    else
        ms_mini_drop(mini, key, mini->held - 1);
}

static void take_from_main(struct ms_mini *mini)
{
    const uint32_t key = mini->lists[MS_MINI_MAIN].oldest;
    struct ms_mini_link *link = ms_mini_link_of(mini, key);

    if (link->uses > 0) {
        link->uses--;
        ms_mini_move(mini, key, MS_MINI_MAIN);
    } else {
        ms_mini_remove(mini, key);
    }
}

static void make_room(struct ms_mini *mini)
{
    const struct ms_mini_list *small = &mini->lists[MS_MINI_SMALL];

    if (small->count != 0 &&
        (small->bytes * SMALL_SHARE > mini->held_bytes || mini->lists[MS_MINI_MAIN].count == 0))
        take_from_small(mini);
    else
        take_from_main(mini);
}

const struct ms_mini_rules ms_mini_s3fifo = {place, make_room};
