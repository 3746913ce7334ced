/* SPDX-License-Identifier: Apache-2.0 */
/* One step towards more free memory. */
#ifndef MS_STORE_SPACE_FREEING_H
#define MS_STORE_SPACE_FREEING_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

/* Take the reclaim lock; the maintenance thread does not wait for it, since who holds it may be
 * waiting for a grace period from that thread. */
bool ms_freeing_lock(memstore *store, int64_t deadline_us);

/* Where nothing else is said the reclaim lock is held. */

/* Take one step: what has expired first, then what is dead, then what the policy gives up. False when nothing can
 * be done. */
bool ms_freeing_step_locked(memstore *store, int64_t deadline_us);
/* The same, for which nothing that lives goes. */
bool ms_freeing_spent_locked(memstore *store, int64_t deadline_us);
/* As ms_freeing_step_locked() for one who has taken so many steps, which is counted on: where readers use everything again
 * before its turn comes nothing would ever go, so after a turn of all segments what is used goes as well. */
bool ms_freeing_persist_locked(memstore *store, uint32_t *steps, int64_t deadline_us);
/* As ms_freeing_step_locked(), but what was emptied before is left to wait for its grace period. */
bool ms_freeing_empty_locked(memstore *store, int64_t deadline_us);
/* Evict, and give the memory back to the limit. False when nothing was won. */
bool ms_freeing_evict_locked(memstore *store, int64_t deadline_us);
/* Free what was emptied before. */
void ms_freeing_emptied_locked(memstore *store, int64_t deadline_us);
/* The same for one without the lock. */
void ms_freeing_emptied(memstore *store);

#endif
