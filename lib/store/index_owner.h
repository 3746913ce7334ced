/* SPDX-License-Identifier: Apache-2.0 */
/* What the index asks of its owner: memory, and what is at a place. */
#ifndef MS_STORE_INDEX_OWNER_H
#define MS_STORE_INDEX_OWNER_H

#include <memstore/memstore.h>

/* Begin a store's index, of which the arena is there. */
void ms_index_owner_init(memstore *store);

#endif
