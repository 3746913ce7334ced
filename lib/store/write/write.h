/* SPDX-License-Identifier: Apache-2.0 */
/* Single writes. */
#ifndef MS_STORE_WRITE_WRITE_H
#define MS_STORE_WRITE_WRITE_H

#include "store/write/outcome.h"
#include "store/write/ttl.h"

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_flight;
struct ms_news;
struct ms_segment;

enum ms_write_mode {
    MS_WRITE_SET,
    MS_WRITE_ADD,
    MS_WRITE_REPLACE,
    MS_WRITE_IF_VERSION, /* `version`; 0 = must be absent */
    /* the entry is the `instance` that the change was computed from; 0 = none is there */
    MS_WRITE_IF_SAME,
    /* the same, and it has the life still that it was `seen` with and which the write keeps, but for what
     * reads have renewed, which is kept, too */
    MS_WRITE_IF_UNCHANGED,
};

/* Not a status: what one of the two above was computed from is not there any more; compute it
 * again. */
#define MS_WRITE_AGAIN 1

struct ms_write {
    memstore_key key;
    const void *value;
    size_t value_size;
    struct ms_life life;
    enum ms_write_mode mode;
    uint64_t version;
    uint64_t instance;
    struct ms_life seen;
    uint64_t keep_version; /* store this version with the entry; 0 = a new one */
    /* Keep this creation time (monotonic, negative if it was before the machine started); 0 = now. */
    int64_t keep_created;
    /* What was loaded is stored unless a write has overtaken the load, then VERSION_MISMATCH; NULL
     * for all other writes, which overtake loads in turn. */
    const struct ms_flight *flight;
    /* Becomes a view of what was appended, stored or not; NULL = none is wanted. */
    memstore_view *pinned;
    /* It comes from a snapshot, where it was of this use plus one: it takes only room that there is,
     * else CACHE_FULL or SHARD_OVERFLOW. 0 = it does not. */
    unsigned heat_plus_one;
    /* It is stored unless that tells something newer, or the key is being loaded from elsewhere, or known not
     * to exist: then KEY_EXISTS. NULL for all that does not come from a snapshot. */
    const struct ms_news *news;
};

/* Store an entry. The caller has entered. Sizes are checked by ms_store_write(), for the others
 * by the caller. */
int ms_store_write(memstore *store, const struct ms_write *write);
/* The same without counting it. */
int ms_store_try_write(memstore *store, const struct ms_write *write, uint64_t hash,
                       struct ms_write_outcome *outcome);
/* What a write of this size is refused with whatever the store holds: OK or ENTRY_TOO_LARGE. */
int ms_store_check_size(memstore *store, size_t key_size, size_t value_size);
/* Whether so many bytes could be stored together if nothing else were. */
bool ms_store_could_fit(memstore *store, uint64_t bytes);
/* Tell the sweeper of an entry's expiry, after it is stored. */
void ms_store_note_expiry(memstore *store, struct ms_segment *segment, int64_t expiry,
                          int64_t since);

#endif
