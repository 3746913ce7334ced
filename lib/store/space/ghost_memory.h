/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of the ghost, which remembers what was evicted: had while some is free, and saved up for in a store that
 * is full. */
#ifndef MS_STORE_SPACE_GHOST_MEMORY_H
#define MS_STORE_SPACE_GHOST_MEMORY_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

/* A segment was opened: have the ghost's table while the last of the memory is still free. No lock held. */
void ms_ghost_memory_ready(memstore *store);

/* The reclaim lock is held for the others. */

/* Let the ghost hold as many keys as the policy wants it to, of so many entries. True when there is no memory for
 * that: a segment more is to be emptied, and ms_ghost_memory_save_locked() called. */
bool ms_ghost_memory_fit_locked(memstore *store, uint64_t entries);
/* Keep what has come free by that from others. */
void ms_ghost_memory_save_locked(memstore *store);
/* What was saved is for others. False when nothing was. */
bool ms_ghost_memory_give_back_locked(memstore *store);

#endif
