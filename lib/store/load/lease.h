/* SPDX-License-Identifier: Apache-2.0 */
/* Loads that no thread leads. */
#ifndef MS_STORE_LOAD_LEASE_H
#define MS_STORE_LOAD_LEASE_H

#include <memstore/memstore.h>
#include <stdint.h>

struct ms_flight;

int ms_lease_acquire(memstore *store, const memstore_key *key, int64_t timeout_ms,
                     struct ms_flight **lease, memstore_view *out);
int ms_lease_fill(struct ms_flight *lease, const memstore_load_value *value, memstore_view *out);
int ms_lease_fail(struct ms_flight *lease, int result, memstore_view *out);

#endif
