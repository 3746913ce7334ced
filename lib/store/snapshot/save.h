/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_STORE_SNAPSHOT_SAVE_H
#define MS_STORE_SNAPSHOT_SAVE_H

#include <memstore/snapshot.h>

int ms_store_save(memstore *store, const char *path, memstore_progress_fn fn, void *context);

#endif
