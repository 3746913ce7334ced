/* SPDX-License-Identifier: Apache-2.0 */
/* Reading many keys at once. */
#ifndef MS_STORE_READ_MANY_H
#define MS_STORE_READ_MANY_H

#include <memstore/memstore.h>
#include <stddef.h>

int ms_store_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                      size_t *found);
/* The same; but where more than `most` are found, nothing is read, or counted, and all views are empty. */
int ms_store_get_many_up_to(memstore *store, const memstore_key *keys, size_t n, size_t most,
                            memstore_view *out, size_t *found);
int ms_store_has_many(memstore *store, const memstore_key *keys, size_t n, unsigned char *out,
                      size_t *found);

#endif
