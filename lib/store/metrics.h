/* SPDX-License-Identifier: Apache-2.0 */
/* All that a store tells of itself, in OpenMetrics' text form. */
#ifndef MS_STORE_METRICS_H
#define MS_STORE_METRICS_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>

struct ms_metrics_text {
    char *data; /* for ms_mem_free() */
    size_t size, room;
    bool failed; /* there was no memory */
};

/* OK, or MEMORY_EXHAUSTED. The caller frees `out->data` either way. */
int ms_metrics_write(memstore *store, struct ms_metrics_text *out);

#endif
