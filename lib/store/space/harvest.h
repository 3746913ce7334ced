/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for a grace period. The reclaim lock is held but where told. */
#ifndef MS_STORE_SPACE_HARVEST_H
#define MS_STORE_SPACE_HARVEST_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of pages that waits for a grace period: an index table or a ghost table. */
struct ms_retired {
    struct ms_retired *next;
    void *memory;
    size_t size;
};

/* Let `node`'s memory wait. No lock needed. */
void ms_harvest_retire(memstore *store, struct ms_retired *node);
/* Growing tables have left much behind: have it freed, unless somebody is at it. No lock held. */
void ms_harvest_if_much(memstore *store);
/* Free all that waits. False when nothing came free, or readers that stand still did not let the
 * period end by the deadline. */
bool ms_harvest_locked(memstore *store, int64_t deadline_us);
/* Begin a grace period for all that waits, unless one is on its way. False when nothing waits, or
 * there is no maintenance thread to let it pass. */
bool ms_harvest_begin_locked(memstore *store);
/* Free what it was begun for once it has passed, which is waited for until the deadline, and begin
 * the next. False when nothing came free. The maintenance thread does not wait. */
#define MS_HARVEST_NO_WAIT 0
bool ms_harvest_ripe_locked(memstore *store, int64_t deadline_us);

#endif
