/* SPDX-License-Identifier: Apache-2.0 */
/* Is memory short? What the kernel's files tell of the process's control groups and of the machine.
 *
 *     cgroup   what the group with the least room has in use, against its limit
 *     psi      the share of the last ten seconds in which somebody waited for memory
 *
 * A group's limit is the smaller of memory.max and memory.high (version 1: memory.limit_in_bytes), and
 * binds all groups below it, so that all groups up the hierarchy are looked at. In use is what the
 * kernel could not simply drop: memory.current less the file pages that were not used of late, which
 * is what Kubernetes judges by too.
 *
 * Stalls are those of the nearest group up the hierarchy that has a limit, of the machine where none
 * has: neighbours that are at their own limit stall too, and a cache that shrinks is of no use to them. Where
 * that group does not tell, as version 1 does not, nothing is known.
 * The averages are read; no trigger is set, for which the kernel wants privileges. */
#ifndef MS_PRESSURE_SENSOR_H
#define MS_PRESSURE_SENSOR_H

#include "pressure/groups.h"

#include <stdint.h>

enum ms_pressure_source { MS_PRESSURE_OFF, MS_PRESSURE_CGROUP, MS_PRESSURE_PSI };

enum ms_pressure_outcome {
    MS_PRESSURE_READ,      /* the source's part of a reading is filled */
    MS_PRESSURE_UNBOUNDED, /* no group has a limit */
    MS_PRESSURE_UNKNOWN,   /* `why` */
};

struct ms_pressure_reading {
    enum ms_pressure_source source;
    enum ms_pressure_outcome outcome;
    uint64_t used, bound; /* bytes, of MS_PRESSURE_CGROUP */
    uint32_t stalled;     /* "some avg10" of MS_PRESSURE_PSI, in hundredths of a percent */
    const char *why;      /* static: the end of a sentence about `file` */
};

/* Memory is short in a group when less than this is left of its limit: a tenth, which leaves time to act
 * before the kernel does, but no more than what a program takes in a moment. */
#define MS_PRESSURE_MARGIN_DIVISOR 10
#define MS_PRESSURE_MARGIN_MOST (UINT64_C(1) << 30)

static inline uint64_t ms_pressure_margin(uint64_t bound)
{
    const uint64_t part = bound / MS_PRESSURE_MARGIN_DIVISOR;

    return part < MS_PRESSURE_MARGIN_MOST ? part : MS_PRESSURE_MARGIN_MOST;
}

/* What is left of a group's limit beyond that; negative when memory is short. */
static inline int64_t ms_pressure_room(const struct ms_pressure_reading *reading)
{
    return (int64_t)(reading->bound - ms_pressure_margin(reading->bound)) - (int64_t)reading->used;
}

#define MS_PRESSURE_FILE_SIZE 256

struct ms_pressure_sensor {
    struct ms_groups groups;
    char file[MS_PRESSURE_FILE_SIZE]; /* what the last reading is of, its end if it is long */
};

/* Look. Reads some small files, which may wait for the kernel but for nobody else. */
struct ms_pressure_reading ms_pressure_read(struct ms_pressure_sensor *sensor,
                                            enum ms_pressure_source source);
void ms_pressure_forget(struct ms_pressure_sensor *sensor);

#endif
