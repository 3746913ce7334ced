/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of scenarios, as short as can be. */
#ifndef EXPLORE_STEPS_H
#define EXPLORE_STEPS_H

#include "explore.h"

#define ONE(k, ...) .keys = 1u << (k), .parts = {[k] = {__VA_ARGS__}}
#define BOTH(...) .keys = 3, .parts = {__VA_ARGS__}
#define STORES(v) .effect = HISTORY_STORES, .value = (v)

#define GET(k)                                                                                     \
    {                                                                                              \
        .op = {.kind = HISTORY_GET, ONE(k, 0)}                                                     \
    }
#define VIEW(k)                                                                                    \
    {                                                                                              \
        .op = {.kind = HISTORY_GET, ONE(k, 0), .by_view = true}                                    \
    }
#define SCAN_FOR(k)                                                                                \
    {                                                                                              \
        .op = {.kind = HISTORY_HAS, ONE(k, 0), .by_scan = true}                                    \
    }
#define SET(k, v)                                                                                  \
    {                                                                                              \
        .op = {.kind = HISTORY_SET, ONE(k, STORES(v))}                                             \
    }
#define SET_FOR(k, v, ms)                                                                          \
    {                                                                                              \
        .op = {.kind = HISTORY_SET, ONE(k, STORES(v), .ttl = (ms))}                                \
    }
#define ADD(k, v)                                                                                  \
    {                                                                                              \
        .op = {.kind = HISTORY_ADD, ONE(k, STORES(v), .expect = HISTORY_ABSENT)}                   \
    }
#define REPLACE(k, v)                                                                              \
    {                                                                                              \
        .op = {.kind = HISTORY_REPLACE, ONE(k, STORES(v), .expect = HISTORY_PRESENT)}              \
    }
#define CAS(k, v)                                                                                  \
    {                                                                                              \
        .op = {.kind = HISTORY_COMPARE_AND_SET, ONE(k, STORES(v), .expect = HISTORY_VERSION)}      \
    }
#define INCREMENT(k, by)                                                                           \
    {.op = {.kind = HISTORY_INCREMENT, ONE(k, STORES(0)), .delta = (by), .initial = 100}}
#define RETIME(k, ms)                                                                              \
    {                                                                                              \
        .op = {.kind = HISTORY_RETIME,                                                             \
               ONE(k, .effect = HISTORY_RETIMES, .expect = HISTORY_PRESENT, .ttl = (ms))}          \
    }
#define DELETE(k)                                                                                  \
    {                                                                                              \
        .op = {.kind = HISTORY_DELETE,                                                             \
               ONE(k, .effect = HISTORY_REMOVES, .expect = HISTORY_PRESENT)}                       \
    }
#define GET_BOTH {.op = {.kind = HISTORY_GET_MANY, .keys = 3}}
#define SET_BOTH(v)                                                                                \
    {                                                                                              \
        .op = {.kind = HISTORY_SET_MANY, BOTH({STORES(v)}, {STORES((v) + 1)})}                     \
    }
#define SET_BOTH_FOR(v, ms)                                                                        \
    {                                                                                              \
        .op = {.kind = HISTORY_SET_MANY,                                                           \
               BOTH({STORES(v), .ttl = (ms)}, {STORES((v) + 1), .ttl = (ms)})}                     \
    }
#define DELETE_BOTH                                                                                \
    {                                                                                              \
        .op = {.kind = HISTORY_DELETE_MANY,                                                        \
               BOTH({.effect = HISTORY_REMOVES}, {.effect = HISTORY_REMOVES})}                     \
    }
#define MOVE_0_TO_1(v)                                                                             \
    {                                                                                              \
        .op = {.kind = HISTORY_COMMIT, BOTH({.effect = HISTORY_REMOVES}, {STORES(v)})}             \
    }
#define CLOCK_ON {.op = {.kind = HISTORY_CLOCK, .clock = 1001000}}
#define OTHER(f) {.other = f}

#define ONE_SHARD                                                                                  \
    {"performance.memory_limit=256KiB", "shards=1", "eviction=fifo", "maintenance=manual"}
/* Large enough for rows of pins, and for small tables not to share pages with those of other sizes: what
 * is freed reads as zero then, and whoever still reads there is seen. */
#define LARGER {"performance.memory_limit=4MiB", "shards=1", "eviction=fifo", "maintenance=manual"}
#define LRU {"performance.memory_limit=256KiB", "shards=1", "eviction=lru", "maintenance=manual"}
#define TWO_SHARDS                                                                                 \
    {"performance.memory_limit=256KiB", "shards=2", "eviction=fifo", "maintenance=manual"}

#endif
