/* SPDX-License-Identifier: Apache-2.0 */
/* The batches that callers fill. */
#ifndef MS_STORE_BATCH_OBJECT_H
#define MS_STORE_BATCH_OBJECT_H

#include "store/batch/commit.h"

#include <memstore/memstore.h>
#include <stddef.h>

memstore_batch *ms_batch_new(memstore *store);
memstore *ms_batch_store(const memstore_batch *batch);
int ms_batch_add(memstore_batch *batch, const struct ms_op *op);
int ms_batch_commit(memstore_batch *batch);
/* As memstore_batch_refused(). */
int ms_batch_refused(const memstore_batch *batch, size_t *number, memstore_key *key);
void ms_batch_free(memstore_batch *batch);

#endif
