/* SPDX-License-Identifier: Apache-2.0 */
/* Output structs that may grow: the first member, `size_t struct_size`, is set by the caller to
 * the size it was compiled with. */
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

#endif
