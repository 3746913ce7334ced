/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_STORE_WRITE_DELETE_H
#define MS_STORE_WRITE_DELETE_H

#include <memstore/memstore.h>
#include <stddef.h>

int ms_store_delete(memstore *store, const void *key, size_t key_size);

#endif
