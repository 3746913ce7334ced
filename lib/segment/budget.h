/* SPDX-License-Identifier: Apache-2.0 */
/* The byte limit: one counter that everything a store maps is charged to before it is touched.
 *
 * BU-1  charged <= limit at all times, except after the limit was lowered, until reclaiming has
 *       caught up.
 * BU-2  Whoever charges bytes gives back the same number when it returns the memory to the
 *       system. */
#ifndef MS_SEGMENT_BUDGET_H
#define MS_SEGMENT_BUDGET_H

#include "platform/atomic.h"

#include <stdbool.h>
#include <stdint.h>

struct ms_budget {
    atomic_uint_least64_t limit; /* the store's reclaim lock to change */
    atomic_uint_least64_t charged;
    atomic_uint_least64_t refusals; /* requests that the limit allowed and the system refused */
    atomic_uint_least64_t releases; /* times that bytes were given back */
};

/* Where a budget stood when somebody asked it for bytes. */
struct ms_budget_mark {
    uint64_t refusals;
    uint64_t releases;
};

static inline uint64_t ms_budget_limit(const struct ms_budget *budget)
{
    return ms_load_relaxed(&budget->limit);
}

/* Charge `bytes`, provided that `spare` more would fit after them. */
static inline bool ms_budget_charge(struct ms_budget *budget, uint64_t bytes, uint64_t spare)
{
    uint64_t now = ms_load_relaxed(&budget->charged);

    do {
        if (now + bytes + spare > ms_budget_limit(budget))
            return false;
    } while (!ms_cas_relaxed(&budget->charged, &now, now + bytes));
    return true;
}

static inline void ms_budget_uncharge(struct ms_budget *budget, uint64_t bytes)
{
    ms_sub_relaxed(&budget->charged, bytes);
    ms_add_relaxed(&budget->releases, 1);
}

/* Note that the system refused memory: reclaiming some of our own will not help then. */
static inline void ms_budget_note_refusal(struct ms_budget *budget)
{
    ms_add_relaxed(&budget->refusals, 1);
}

static inline struct ms_budget_mark ms_budget_mark(struct ms_budget *budget)
{
    return (struct ms_budget_mark){ms_load_relaxed(&budget->refusals),
                                   ms_load_relaxed(&budget->releases)};
}

/* Whether the system has refused memory since the mark. */
static inline bool ms_budget_was_refused(struct ms_budget *budget,
                                         const struct ms_budget_mark *since)
{
    return ms_load_relaxed(&budget->refusals) != since->refusals;
}

/* Whether bytes have been given back since the mark. */
static inline bool ms_budget_was_released(struct ms_budget *budget,
                                          const struct ms_budget_mark *since)
{
    return ms_load_relaxed(&budget->releases) != since->releases;
}

static inline uint64_t ms_budget_charged(const struct ms_budget *budget)
{
    return ms_load_relaxed(&budget->charged);
}

#endif
