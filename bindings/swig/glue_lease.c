/* SPDX-License-Identifier: Apache-2.0 */
/* Leases. Compiled as glue.c is, after it and glue_many.c. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#include "glue.h"
#endif

static inline int64_t glue_lease_acquire(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const void *key, size_t key_size, void *buf, size_t cap,
                                         memstore_lease **lease, void **kept)
{
    memstore_view view;

    *kept = NULL;
    const int status =
        GLUE_WAITING(wait_ms, stop, memstore_lease_acquire(store, key, key_size, 0, lease, &view));

    if (status != MEMSTORE_OK)
        return status;
    if (view.data == NULL)
        return GLUE_NO_VALUE;
    const int64_t size = glue_hand_over(&view, buf, cap, kept);

    memstore_view_release(&view);
    /* Without memory for the old value the lease is as good for a load that is waited for. */
    return size < 0 && *lease != NULL ? GLUE_NO_VALUE : size;
}

static inline int glue_lease_is_current(memstore_lease *lease)
{
    return memstore_lease_is_current(lease);
}

static inline int glue_lease_fill(memstore_lease *lease, const void *value, size_t value_size,
                                  int64_t ttl_ms)
{
    return memstore_lease_fill(lease, value, value_size, ttl_ms, NULL);
}

static inline int64_t glue_lease_fail(memstore_lease *lease, int result, void **kept)
{
    memstore_view view;
    const int status = memstore_lease_fail(lease, result, &view);
    const size_t size = view.size;

    *kept = status == MEMSTORE_OK ? malloc(size + 1) : NULL;
    if (*kept != NULL)
        glue_copy_views(&view, 1, *kept);
    memstore_view_release(&view);
    if (status != MEMSTORE_OK)
        return status;
    return *kept != NULL ? (int64_t)size : MEMSTORE_ERR_LOADER_FAILED;
}
