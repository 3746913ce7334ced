/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which locks are waited for.
 *
 *     registry -> settings -> apply -> reclaim -> shard -> grace period -> open slot -> pool ->
 *     pages -> leaves
 *
 * Every lock has a rank. A thread that holds locks waits only for one of a higher rank, so no
 * circle of threads that wait for each other can close. Builds with asserts check each wait and
 * end the program, naming the locks, before it could hang: an inversion shows in the first run
 * that takes the two locks in the wrong order, not in the one that is unlucky. Builds without
 * asserts do not even store the rank.
 *
 * RA-1  A lock is waited for only while all locks held have lower ranks.
 * RA-2  Of one rank a thread holds several only if they are shards, taken in ascending order; or
 *       if it holds the registry too, as fork() does, which takes those of all stores.
 * RA-3  Waiting for readers counts as waiting for a lock: not in a read section, and under locks
 *       of lower ranks alone. In turn a reader in its section waits only for locks of higher
 *       ranks.
 *
 * Trying a lock never waits, so it may go against the order. What was got that way counts as held
 * for all later waits. */
#ifndef MS_PLATFORM_RANK_H
#define MS_PLATFORM_RANK_H

enum ms_rank {
    MS_RANK_REGISTRY,     /* the process' list of stores */
    MS_RANK_SETTINGS,     /* changing a setting */
    MS_RANK_APPLY,        /* applying asynchronous writes */
    MS_RANK_RECLAIM,      /* choosing and emptying a store's segments */
    MS_RANK_SHARD,        /* a shard's slots and table */
    MS_RANK_GRACE_PERIOD, /* not a lock: waiting until readers have left their sections */
    MS_RANK_OPEN_SLOT,    /* the segments that are being appended to */
    MS_RANK_POOL,         /* the lists of segments */
    MS_RANK_PAGES,        /* runs of pages and blocks */
    /* Leaves: whoever holds one waits for nothing. They have an order for fork(), which holds
     * all. */
    MS_RANK_DUE,         /* which segment is swept next */
    MS_RANK_RETIRED,     /* tables that wait for a grace period */
    MS_RANK_COUNTERS,    /* the counters' baseline */
    MS_RANK_MONITOR,     /* the windows of rates */
    MS_RANK_TRACK,       /* the sample of followed keys */
    MS_RANK_PASSES,      /* which passes are free */
    MS_RANK_GATE,        /* the line before a gate */
    MS_RANK_QUEUE,       /* the queue of asynchronous writes */
    MS_RANK_EVENTS,      /* the queues of events */
    MS_RANK_FLIGHTS,     /* the loads in flight */
    MS_RANK_BREAKERS,    /* which loaders fail */
    MS_RANK_WAITS,       /* which load waits for which */
    MS_RANK_LOG,         /* what the store has to say; alone waited for under other leaves */
    MS_RANK_CAPTURES,    /* what snapshots keep of what batches overwrite */
    MS_RANK_MAINTENANCE, /* the maintenance thread's state */
    MS_RANK_NUMBERS,     /* the numbers of threads */
    MS_RANKS
};

#ifndef NDEBUG

/* The caller is about to wait for a lock; ends the program if that is against the order. */
void ms_rank_before_wait(enum ms_rank rank, const void *lock);
/* The caller has got a lock, or is about to give one back. */
void ms_rank_taken(enum ms_rank rank, const void *lock);
void ms_rank_given_back(enum ms_rank rank);

#else

static inline void ms_rank_before_wait(enum ms_rank rank, const void *lock)
{
    (void)rank;
    (void)lock;
}
static inline void ms_rank_taken(enum ms_rank rank, const void *lock)
{
    (void)rank;
    (void)lock;
}
static inline void ms_rank_given_back(enum ms_rank rank)
{
    (void)rank;
}

#endif
#endif
