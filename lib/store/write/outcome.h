/* SPDX-License-Identifier: Apache-2.0 */
/* What came of writes, for the counters. */
#ifndef MS_STORE_WRITE_OUTCOME_H
#define MS_STORE_WRITE_OUTCOME_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

/* What a write did. */
struct ms_write_outcome {
    uint32_t size;
    bool updated;          /* a live entry was replaced */
    bool replaced_expired; /* an expired one was, */
    bool replaced_unread;  /* which had never been read */
    uint64_t instance;     /* of the new entry, if it comes from a snapshot */
};

/* Count a write by how it ended. `outcome` is read where it was stored. */
void ms_store_count_write(memstore *store, int status, const struct ms_write_outcome *outcome);
/* Count an entry that was stored; returns how many the thread had counted before. Not for the policy, to which what a
 * snapshot brings back is no use of the store. */
uint64_t ms_store_count_stored(memstore *store, const struct ms_write_outcome *outcome);
/* Count a refusal, and tell of it where there was no room. */
void ms_store_count_refusal(memstore *store, int status);
/* Whether a call ends with this status for want of its caller's patience, where the store would have
 * let it wait. */
bool ms_store_gave_up(int status);

#endif
