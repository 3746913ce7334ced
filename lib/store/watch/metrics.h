/* SPDX-License-Identifier: Apache-2.0 */
/* All that a store tells of itself, as text. */
#ifndef MS_STORE_WATCH_METRICS_H
#define MS_STORE_WATCH_METRICS_H

#include "util/text.h"

#include <memstore/memstore.h>

/* OK, or MEMORY_EXHAUSTED. The caller frees `out->data` either way. */
int ms_metrics_write(memstore *store, struct ms_text *out);

#endif
