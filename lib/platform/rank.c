/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/rank.h"

#ifndef NDEBUG

#include "platform/rcu.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What a thread holds, by rank: a fork holds tens of thousands of locks, so that they are counted
 * instead of listed. `highest` stands until all of the rank are given back: locks of one rank are
 * taken in one run. */
struct held {
    uint32_t count;
    const void *highest;
};

static __thread struct held held[MS_RANKS];

static const char *name_of(enum ms_rank rank)
{
    switch (rank) {
    case MS_RANK_REGISTRY:
        return "registry";
    case MS_RANK_SETTINGS:
        return "settings";
    case MS_RANK_APPLY:
        return "apply";
    case MS_RANK_RECLAIM:
        return "reclaim";
    case MS_RANK_SHARD:
        return "shard";
    case MS_RANK_GRACE_PERIOD:
        return "grace period";
    case MS_RANK_OPEN_SLOT:
        return "open slot";
    case MS_RANK_POOL:
        return "pool";
    case MS_RANK_PAGES:
        return "pages";
    case MS_RANK_DUE:
        return "due";
    case MS_RANK_RETIRED:
        return "retired";
    case MS_RANK_COUNTERS:
        return "counters";
    case MS_RANK_MONITOR:
        return "monitor";
    case MS_RANK_TRACK:
        return "sample";
    case MS_RANK_PASSES:
        return "passes";
    case MS_RANK_GATE:
        return "gate";
    case MS_RANK_QUEUE:
        return "queue";
    case MS_RANK_EVENTS:
        return "events";
    case MS_RANK_BREAKERS:
        return "breakers";
    case MS_RANK_FLIGHTS:
        return "flights";
    case MS_RANK_WAITS:
        return "waits";
    case MS_RANK_LOG:
        return "log";
    case MS_RANK_CAPTURES:
        return "captures";
    case MS_RANK_MAINTENANCE:
        return "maintenance";
    case MS_RANK_NUMBERS:
        return "numbers";
    case MS_RANKS:
        break;
    }
    return "?";
}

static _Noreturn void refuse(enum ms_rank wanted, const char *problem)
{
    fprintf(stderr, "memstore: locks out of order: waiting for %s %s; held:", name_of(wanted),
            problem);
    for (int rank = 0; rank < MS_RANKS; rank++) {
        if (held[rank].count != 0)
            fprintf(stderr, " %s (%u)", name_of((enum ms_rank)rank), (unsigned)held[rank].count);
    }
    fputc('\n', stderr);
    abort();
}

/* Whether another lock of a rank may be waited for while some of it are held (RA-2). */
static bool may_have_another(enum ms_rank rank, const void *lock)
{
    if (held[MS_RANK_REGISTRY].count != 0)
        return rank != MS_RANK_REGISTRY;
    return rank == MS_RANK_SHARD && (uintptr_t)lock > (uintptr_t)held[rank].highest;
}

void ms_rank_before_wait(enum ms_rank rank, const void *lock)
{
    for (int higher = rank + 1; higher < MS_RANKS; higher++) {
        if (held[higher].count != 0)
            refuse(rank, "while holding what comes after it");
    }
    if (held[rank].count != 0 && !may_have_another(rank, lock))
        refuse(rank, "while holding another of its kind");
    /* Readers may be asked only here: further down fork() holds what a thread needs that asks for
     * the first time. */
    if (rank <= MS_RANK_GRACE_PERIOD && ms_rcu_is_reading())
        refuse(rank, "in a read section");
}

void ms_rank_taken(enum ms_rank rank, const void *lock)
{
    struct held *of_rank = &held[rank];

    if (of_rank->count++ == 0 || (uintptr_t)lock > (uintptr_t)of_rank->highest)
        of_rank->highest = lock;
}

void ms_rank_given_back(enum ms_rank rank)
{
    if (held[rank].count-- == 0) {
        fprintf(stderr, "memstore: a thread gives back a lock (%s) that it does not hold\n",
                name_of(rank));
        abort();
    }
}

#else

/* ISO C asks for a declaration in every file. */
typedef int ms_rank_is_not_checked;

#endif
