/* SPDX-License-Identifier: Apache-2.0 */
/* All that a store tells of itself, as text. */
#ifndef MS_STORE_METRICS_H
#define MS_STORE_METRICS_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>

enum ms_metrics_form {
    MS_METRICS_OPENMETRICS,
    MS_METRICS_PROMETHEUS, /* 0.0.4, which node_exporter collects from files */
};

struct ms_metrics_text {
    enum ms_metrics_form form;
    const char *store_name; /* a label of all samples; NULL or "" = none */
    char *data;             /* for ms_mem_free() */
    size_t size, room;
    bool failed; /* there was no memory */
};

/* OK, or MEMORY_EXHAUSTED. The caller frees `out->data` either way. */
int ms_metrics_write(memstore *store, struct ms_metrics_text *out);

#endif
