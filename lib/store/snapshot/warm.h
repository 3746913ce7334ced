/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_STORE_SNAPSHOT_WARM_H
#define MS_STORE_SNAPSHOT_WARM_H

#include <memstore/snapshot.h>
#include <stddef.h>

int ms_store_warm(memstore *store, const memstore_key *keys, size_t n,
                  const memstore_loader *loader, memstore_progress_fn fn, void *context);

#endif
