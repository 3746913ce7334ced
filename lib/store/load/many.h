/* SPDX-License-Identifier: Apache-2.0 */
/* Loading many keys at once. */
#ifndef MS_STORE_LOAD_MANY_H
#define MS_STORE_LOAD_MANY_H

#include <memstore/memstore.h>
#include <stddef.h>

/* What became of keys that were asked for together. */
struct ms_load_outcome {
    int *statuses;  /* one for each key; set by the caller, to an array or NULL */
    size_t refused; /* values that were given out though the store could not take them, */
    int refusal;    /* and why it could not the first */
};
int ms_load_get_many(memstore *store, const memstore_key *keys, size_t n,
                     const memstore_loader *loader, memstore_view *out, size_t *found,
                     struct ms_load_outcome *outcome);

#endif
