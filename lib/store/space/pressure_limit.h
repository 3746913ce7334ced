/* SPDX-License-Identifier: Apache-2.0 */
/* memory_pressure: the store's limit gives way while the process's control group or the machine is
 * short of memory, and comes back when there is enough.
 *
 * Who does the store's upkeep looks every half second (pressure/sensor.h), judges (pressure/rule.h) and
 * brings the limit about (resize.c), a round's time at a time. The limit in force is the budget's, the
 * one configured that of the settings: it is lowered exactly while the former is below the latter. What
 * cannot be had back is left, and asked for again at the next look if memory is still short.
 *
 * PL-1  floor <= budget.limit <= settings.limit, but for a change of the settings in progress.
 * PL-2  Whoever has set `busy` alone uses what is not atomic. He brings a limit about under the settings
 *       lock, and only tries it: who holds it may be waiting for the maintenance thread. */
#ifndef MS_STORE_SPACE_PRESSURE_LIMIT_H
#define MS_STORE_SPACE_PRESSURE_LIMIT_H

#include "config/settings.h"
#include "platform/atomic.h"
#include "pressure/rule.h"
#include "store/space/descent.h"

#include <memstore/memstore.h>
#include <stdbool.h>

struct ms_pressure_limit {
    atomic_bool busy;             /* ORDER: acquire to set it, release to clear it */
    atomic_int_least64_t look_ms; /* when to look next; relaxed */
    atomic_int watched;           /* the setting that it looks for; relaxed */
    atomic_bool moving; /* the limit is on its way; settings lock to write, else a relaxed hint */
    struct ms_pressure_sensor sensor;
    const char *told; /* what was said of the readings; static, NULL = nothing yet */
    struct ms_pressure_state state;
    /* of the limit on its way */
    uint64_t before, target;
    struct ms_descent descent;
};

/* Look if it is time, unless somebody does, and go on with what was begun until it is there or until
 * `until_us`. False when there is more to do at once. No lock is held. */
bool ms_pressure_limit_run(memstore *store, int64_t until_us);
/* When it is time, in ms_clock_real_us(); INT64_MAX while it is off. */
int64_t ms_pressure_limit_when(memstore *store, int64_t now_us);
/* The limit that these settings bring about: what a lowered one was lowered to holds on, within them. The
 * settings lock is held. */
uint64_t ms_pressure_limit_for(memstore *store, const struct ms_settings *next);
/* It was brought about, and what was on its way is not to be any more. The settings lock is held. */
void ms_pressure_limit_give_up(memstore *store);
/* The setting is another: the next look begins anew, and says what it reads. The settings lock is held. */
void ms_pressure_limit_switched(memstore *store);
/* The store is closed and nobody is in it. */
void ms_pressure_limit_close(memstore *store);
/* In the child of a fork(), while it has one thread. */
void ms_pressure_limit_forget_parent(memstore *store);

#endif
