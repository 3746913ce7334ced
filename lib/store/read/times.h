/* SPDX-License-Identifier: Apache-2.0 */
/* When entries expire and were made. */
#ifndef MS_STORE_READ_TIMES_H
#define MS_STORE_READ_TIMES_H

#include <memstore/memstore.h>
#include <stddef.h>
#include <stdint.h>

/* When an entry expires, and the time as of which that was read: OK, TTL_NOT_SET, TTL_EXPIRED, KEY_NOT_FOUND or
 * CACHE_CLOSED. */
int ms_store_get_expiry(memstore *store, const void *key, size_t key_size, int64_t *expiry,
                        int64_t *now);
/* When it was written, Unix time: OK, KEY_NOT_FOUND or CACHE_CLOSED. */
int ms_store_get_created(memstore *store, const void *key, size_t key_size, int64_t *unix_ms);

#endif
