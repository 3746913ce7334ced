/* SPDX-License-Identifier: Apache-2.0 */
/* Changing when an entry expires. */
#ifndef MS_STORE_WRITE_RETIME_H
#define MS_STORE_WRITE_RETIME_H

#include <memstore/memstore.h>
#include <stddef.h>
#include <stdint.h>

struct ms_found;

int ms_store_update_ttl(memstore *store, const void *key, size_t key_size, int64_t ttl_ms);
/* An expiry asked for, bounded by the age that the entry may reach. */
int64_t ms_ttl_bound_by_age(const memstore *store, const struct ms_found *found, int64_t expiry);

#endif
