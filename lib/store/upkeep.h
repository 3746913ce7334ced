/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to be done for a store from time to time. */
#ifndef MS_STORE_UPKEEP_H
#define MS_STORE_UPKEEP_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

/* Do what there is to do for about `budget_us`, 0 = all of it: OK, or LOCK_TIMEOUT when
 * something is left, because the budget has ended or because somebody else reclaims: without a
 * budget he is waited for, as long as `performance.lock_timeout`. `exact`: remove all that has
 * expired, not only what is due to be swept. */
int ms_upkeep_run(memstore *store, int64_t budget_us, bool exact);
/* Remove all that has expired by now, a segment at a time. False when some may be left, because somebody
 * held a lock that it takes: a shard's, or the reclaim lock; or because there was more than could be
 * swept until the deadline. */
bool ms_upkeep_expire(memstore *store, int64_t deadline_us);

#endif
