/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/packing.h"

#include "platform/mem.h"

#ifdef MS_HAVE_ZSTD

#include <zstd.h>

/* A snapshot should take about as long to write as without: level 1 packs as fast as most disks
 * write. */
#define LEVEL 1

struct ms_packing {
    ZSTD_CCtx *packs;
    ZSTD_DCtx *unpacks;
};

bool ms_packing_is_supported(void)
{
    return true;
}

struct ms_packing *ms_packing_new(void)
{
    struct ms_packing *packing = ms_mem_alloc(sizeof *packing);

    if (packing == NULL)
        return NULL;
    packing->packs = ZSTD_createCCtx();
    packing->unpacks = ZSTD_createDCtx();
    if (packing->packs == NULL || packing->unpacks == NULL) {
        ms_packing_free(packing);
        return NULL;
    }
    return packing;
}

void ms_packing_free(struct ms_packing *packing)
{
    if (packing == NULL)
        return;
    ZSTD_freeCCtx(packing->packs);
    ZSTD_freeDCtx(packing->unpacks);
    ms_mem_free(packing);
}

size_t ms_packing_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

size_t ms_packing_pack(struct ms_packing *packing, const void *from, size_t size, void *to,
                       size_t cap)
{
    const size_t packed = ZSTD_compressCCtx(packing->packs, to, cap, from, size, LEVEL);

    return ZSTD_isError(packed) || packed >= size ? 0 : packed;
}

bool ms_packing_unpack(struct ms_packing *packing, const void *from, size_t stored, void *to,
                       size_t size)
{
    return ZSTD_decompressDCtx(packing->unpacks, to, size, from, stored) == size;
}

#else

bool ms_packing_is_supported(void)
{
    return false;
}

struct ms_packing *ms_packing_new(void)
{
    return NULL;
}

void ms_packing_free(struct ms_packing *packing)
{
    (void)packing;
}

size_t ms_packing_bound(size_t size)
{
    return size;
}

size_t ms_packing_pack(struct ms_packing *packing, const void *from, size_t size, void *to,
                       size_t cap)
{
    (void)packing;
    (void)from;
    (void)size;
    (void)to;
    (void)cap;
    return 0;
}

bool ms_packing_unpack(struct ms_packing *packing, const void *from, size_t stored, void *to,
                       size_t size)
{
    (void)packing;
    (void)from;
    (void)stored;
    (void)to;
    (void)size;
    return false;
}

#endif
