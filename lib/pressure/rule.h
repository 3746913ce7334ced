/* SPDX-License-Identifier: Apache-2.0 */
/* Which limit a store is to have when memory is short, and when there is enough again.
 *
 * Short: less than a tenth of the group's limit is left (sensor.h), or waits for memory took a tenth of
 * the last ten seconds and are not getting fewer. Then the limit goes down by a sixteenth of the
 * configured one, or by what is lacking, which may be a quarter; and not from where it is but from what
 * is in use, if that is less: what is not used was no help to others. It never goes below the floor.
 *
 * Enough: twice that margin and a step are left, or the waits are under a hundredth. When that has
 * lasted, the limit goes up by a step at a time. If memory is short again soon after, the next wait is
 * twice as long.
 *
 * PR-1  floor <= what is judged <= configured, if floor <= now <= configured.
 * PR-2  Whatever a single step up is used for, memory is not short by it alone. */
#ifndef MS_PRESSURE_RULE_H
#define MS_PRESSURE_RULE_H

#include "pressure/sensor.h"

/* Parts of the configured limit. */
#define MS_PRESSURE_STEP_DIVISOR 16
#define MS_PRESSURE_LARGEST_STEP_DIVISOR 4
#define MS_PRESSURE_FLOOR_DIVISOR 4

/* Between looks. */
struct ms_pressure_state {
    bool has_begun;
    int64_t short_ms;   /* when memory was short last, */
    int64_t changed_ms; /* the limit was changed, */
    int64_t judged_ms;  /* and stalls were compared with `stalled` */
    int64_t raised_ms;
    int64_t calm_ms; /* how long memory has to be enough before the limit goes up */
    uint32_t stalled;
};

/* Bytes. */
struct ms_pressure_limits {
    uint64_t configured, floor, now, charged;
};

/* The limit that is to hold from now on, `limits->now` if it is to stay. `now_ms` never goes back. */
uint64_t ms_pressure_judge(struct ms_pressure_state *state,
                           const struct ms_pressure_reading *reading,
                           const struct ms_pressure_limits *limits, int64_t now_ms);

#endif
