/* SPDX-License-Identifier: Apache-2.0 */
/* What a TTL means for an entry. */
#ifndef MS_STORE_WRITE_TTL_H
#define MS_STORE_WRITE_TTL_H

#include <memstore/memstore.h>
#include <stdint.h>

/* How long an entry is to live. */
struct ms_life {
    int64_t expiry; /* absolute monotonic milliseconds, or MS_NEVER */
    int64_t ttl;    /* what reads renew it by, in a store in which they do; 0 = they do not */
};

/* When a TTL that begins now ends, as precise as ends are. */
int64_t ms_ttl_end(const memstore *store, int64_t ttl_ms, int64_t now);
/* What a TTL given now asks for: OK or INVALID_TTL. */
int ms_ttl_to_life(const memstore *store, int64_t ttl_ms, struct ms_life *life);
/* The same for one given at `now`, in exact monotonic milliseconds; what is given one TTL at one moment
 * this way gets one jitter. */
int ms_ttl_to_life_at(const memstore *store, int64_t ttl_ms, int64_t now, struct ms_life *life);
/* The same for a Unix time, which is kept without jitter, and which reads do not move: OK,
 * TTL_EXPIRED or INVALID_TTL. */
int ms_ttl_until(const memstore *store, int64_t unix_ms, struct ms_life *life);

#endif
