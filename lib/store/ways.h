/* SPDX-License-Identifier: Apache-2.0 */
/* Who says in a store's word `hot` (hot.h) which way its reads go. */
#ifndef MS_STORE_WAYS_H
#define MS_STORE_WAYS_H

#include "store/read/admission.h"

#include <memstore/memstore.h>
#include <stdbool.h>

/* The last step of opening, because it lets readers in. */
void ms_ways_open(memstore *store);
/* Whether calls are diverted for one of MS_DIVERT_MEASURED and MS_DIVERT_TRACKED. The settings lock
 * is held, or nobody else knows the store yet. */
void ms_ways_divert(memstore *store, enum ms_diverts why, bool wanted);
/* No read goes the quick way from now on. */
void ms_ways_shut(memstore *store);

#endif
