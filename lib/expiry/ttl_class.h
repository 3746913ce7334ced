/* SPDX-License-Identifier: Apache-2.0 */
/* TTL classes: entries of one class go to the same segments, so that a segment's entries die
 * about together. */
#ifndef MS_EXPIRY_TTL_CLASS_H
#define MS_EXPIRY_TTL_CLASS_H

#include "segment/arena.h"

#include <stdint.h>

/* From one second to a day TTLs span 17 doublings; above and below, the outermost class serves. */
#define MS_TTL_OCTAVES 17

/* Class 0 never expires; the others divide the doublings from one second on evenly among
 * `classes` - 1. */
static inline uint32_t ms_ttl_class(int64_t expiry, int64_t now, uint32_t classes)
{
    if (expiry == MS_NEVER)
        return 0;

    const uint64_t seconds = expiry > now ? (uint64_t)(expiry - now) / 1000 : 0;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(seconds | 1);

    if (octave >= MS_TTL_OCTAVES)
        octave = MS_TTL_OCTAVES - 1;
    return 1 + octave * (classes - 1) / MS_TTL_OCTAVES;
}

/* The same where only so many of the classes are used: neighbours share the first of them. */
static inline uint32_t ms_ttl_class_merged(uint32_t ttl_class, uint32_t classes, uint32_t used)
{
    if (ttl_class == 0)
        return 0;
    const uint32_t group = (ttl_class - 1) * (used - 1) / (classes - 1);

    return 1 + (group * (classes - 1) + used - 2) / (used - 1);
}

/* The class that entries go to now. */
static inline uint32_t ms_ttl_class_in(const struct ms_arena *arena, int64_t expiry, int64_t now)
{
    const uint32_t ttl_class = ms_ttl_class(expiry, now, arena->ttl_classes);
    const uint32_t used = ms_load_relaxed(&arena->classes_used);

    return ms_likely(used == arena->ttl_classes)
               ? ttl_class
               : ms_ttl_class_merged(ttl_class, arena->ttl_classes, used);
}

/* The shortest TTL of a class, in milliseconds; 0 of the first that expires, and of class 0. */
static inline int64_t ms_ttl_class_from_ms(uint32_t ttl_class, uint32_t classes)
{
    if (ttl_class <= 1)
        return 0;
    const uint32_t octave = ((ttl_class - 1) * MS_TTL_OCTAVES + classes - 2) / (classes - 1);

    return INT64_C(1000) << octave;
}

#endif
