/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that several public functions share. */
#ifndef MS_API_ARGUMENTS_H
#define MS_API_ARGUMENTS_H

#include <memstore/memstore.h>
#include <stdbool.h>

/* The status of a call that is given an argument that it cannot take: to a store that is closed nothing else
 * matters. Not of calls that a closed store answers. */
int ms_refuse_argument(const memstore *store);

static inline bool ms_is_key(const void *key, size_t key_size)
{
    return key != NULL && key_size != 0;
}

static inline bool ms_is_bytes(const void *data, size_t size)
{
    return data != NULL || size == 0;
}

/* Whether an array of n keys can be read, and each is a key. */
static inline bool ms_are_keys(const memstore_key *keys, size_t n)
{
    if (keys == NULL)
        return n == 0;
    for (size_t i = 0; i < n; i++) {
        if (!ms_is_key(keys[i].data, keys[i].size))
            return false;
    }
    return true;
}

#endif
