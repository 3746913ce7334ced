/* SPDX-License-Identifier: Apache-2.0 */
/* The hottest keys as metrics have them. */
#ifndef MS_STORE_WATCH_METRICS_KEYS_H
#define MS_STORE_WATCH_METRICS_KEYS_H

#include "advice/hot.h"

#include <memstore/memstore.h>

#define MS_METRICS_KEYS 10
/* A byte is at most \\xNN, a key that was cut ends in a character of three bytes. */
#define MS_METRICS_LABEL (MS_HOT_KEY_BYTES * 5 + 4)

struct ms_metrics_key {
    char label[MS_METRICS_LABEL]; /* the key, escaped as between the quotes of a label */
    double share;                 /* of all reads, at most; at least half of it */
};

/* The keys that are surely hot, most read first; none in a store that follows no keys. Keys that
 * look alike are one. Returns how many. */
uint32_t ms_metrics_hot_keys(memstore *store, struct ms_metrics_key out[MS_METRICS_KEYS]);

#endif
