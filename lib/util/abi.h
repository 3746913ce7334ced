/* SPDX-License-Identifier: Apache-2.0 */
/* Structs that may grow: the first member, `size_t struct_size`, is set by the caller to the size it
 * was compiled with. */
#ifndef MS_UTIL_ABI_H
#define MS_UTIL_ABI_H

#include <memstore/status.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A size without room for one field, or beyond what any version of a struct will have, was not
 * set by the caller: it is what the stack held before. */
#define MS_ABI_SMALLEST_STRUCT (sizeof(size_t) + sizeof(uint64_t))
#define MS_ABI_LARGEST_STRUCT ((size_t)4096)

static inline int ms_abi_is_size(size_t size)
{
    return size >= MS_ABI_SMALLEST_STRUCT && size <= MS_ABI_LARGEST_STRUCT;
}

/* Copy `ours` to the caller's struct, in the caller's size: what an older caller does not know
 * is left out, what a newer caller knows beyond us reads as zero. The caller's struct_size stays
 * as it is.
 *
 * MEMSTORE_ERR_INVALID_ARGUMENT, with nothing written, when the caller's size cannot be one. */
static inline int ms_abi_store(void *out, const void *ours, size_t our_size)
{
    size_t their_size;

    memcpy(&their_size, out, sizeof their_size);
    if (!ms_abi_is_size(their_size))
        return MEMSTORE_ERR_INVALID_ARGUMENT;

    const size_t shared = their_size < our_size ? their_size : our_size;
    memcpy((char *)out + sizeof(size_t), (const char *)ours + sizeof(size_t),
           shared - sizeof(size_t));
    memset((char *)out + shared, 0, their_size - shared);
    return MEMSTORE_OK;
}

/* Copy the caller's struct to `ours`, of which `first_size` bytes were there in its first version.
 * What an older caller does not know becomes zero. INVALID_ARGUMENT when the caller's size cannot be
 * one; UNSUPPORTED when a newer caller asks for something that we do not know. */
static inline int ms_abi_load(void *ours, size_t our_size, size_t first_size, const void *theirs)
{
    size_t their_size;

    memcpy(&their_size, theirs, sizeof their_size);
    if (their_size < first_size || their_size > MS_ABI_LARGEST_STRUCT)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    for (size_t i = our_size; i < their_size; i++) {
        if (((const char *)theirs)[i] != 0)
            return MEMSTORE_ERR_UNSUPPORTED;
    }
    memset(ours, 0, our_size);
    memcpy(ours, theirs, their_size < our_size ? their_size : our_size);
    return MEMSTORE_OK;
}

#endif
