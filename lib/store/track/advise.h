/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of how a store is used, gathered for advice. */
#ifndef MS_STORE_TRACK_ADVISE_H
#define MS_STORE_TRACK_ADVISE_H

#include "advice/findings.h"

#include <memstore/memstore.h>

/* OK or MEMORY_EXHAUSTED; `out` is zeroed. The caller has entered. */
int ms_advise_gather(memstore *store, struct ms_findings *out);

#endif
