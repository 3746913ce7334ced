/* SPDX-License-Identifier: Apache-2.0 */
/* Circuit breakers: a loader that has failed many times in a row is not called for a while.
 *
 *     closed    failures < threshold       every load is let through
 *     open      until `open_until`         none is
 *     half open from then on               one is, which sets `open_until` anew and so holds the
 *                                          others back; if it succeeds the breaker is forgotten,
 *                                          if it fails it is open again
 *
 * Breakers are told apart by a number that stands for the loader; 0 stands for all leases. Only
 * those that have failed since they last succeeded take a place. When all places are taken a loader
 * that fails gets that of the one that failed least recently, among those that are not open, or that
 * nobody has asked for since they might be tried again, for as long as they were open. When all are
 * open further loaders are let through.
 *
 * BR-1  A place is in use if and only if its failures are not 0; `failing` counts those. */
#ifndef MS_LOADER_BREAKER_H
#define MS_LOADER_BREAKER_H

#include "platform/atomic.h"
#include "platform/thread.h"

#include <stdbool.h>
#include <stdint.h>

#define MS_BREAKERS 32

/* From when on failures open a breaker, and for how long. */
struct ms_breaker_rule {
    uint32_t failures; /* in a row; 0 = never */
    int64_t open_ms;
};

enum ms_breaker_state { MS_BREAKER_CLOSED, MS_BREAKER_OPEN, MS_BREAKER_HALF_OPEN };

/* What a call has made of the breaker. */
enum ms_breaker_change {
    MS_BREAKER_STAYS,
    MS_BREAKER_OPENS,
    MS_BREAKER_HALF_OPENS, /* one is let through */
    MS_BREAKER_REOPENS,    /* that failed */
    MS_BREAKER_CLOSES,
};

struct ms_breaker {
    uint64_t loader;
    uint32_t failures;
    enum ms_breaker_state state; /* as the calls have left it */
    int64_t last_failure;        /* in ms_clock_exact_ms() */
    int64_t open_until;          /* likewise; counts once failures have reached the threshold */
};

struct ms_breakers {
    ms_mutex lock;
    struct ms_breaker table[MS_BREAKERS]; /* lock */
    atomic_uint failing;                  /* lock to write; read by every load */
};

void ms_breakers_init(struct ms_breakers *breakers);
void ms_breakers_fini(struct ms_breakers *breakers);
/* Whether a load may call its loader at this time; *change is MS_BREAKER_HALF_OPENS for the first that
 * may again. */
bool ms_breakers_let_through(struct ms_breakers *breakers, uint64_t loader,
                             const struct ms_breaker_rule *rule, int64_t now,
                             enum ms_breaker_change *change);
/* A loader has succeeded or failed. */
enum ms_breaker_change ms_breakers_succeeded(struct ms_breakers *breakers, uint64_t loader);
enum ms_breaker_change ms_breakers_failed(struct ms_breakers *breakers, uint64_t loader,
                                          const struct ms_breaker_rule *rule, int64_t now);

/* How many are open or half open, and how many of these are half open. One that nobody has asked for
 * since it might be tried again, for ten times as long as it was open, is not counted until somebody
 * does: what failed may be gone. */
struct ms_breakers_sum {
    uint32_t open, half_open;
};
struct ms_breakers_sum ms_breakers_sum_up(struct ms_breakers *breakers,
                                          const struct ms_breaker_rule *rule, int64_t now);
/* Whether a loader's breaker is as a change has left it, and not as a later one has; with the same sum, of the
 * same moment. */
bool ms_breakers_stand(struct ms_breakers *breakers, uint64_t loader, enum ms_breaker_change change,
                       const struct ms_breaker_rule *rule, int64_t now,
                       struct ms_breakers_sum *sum);

#endif
