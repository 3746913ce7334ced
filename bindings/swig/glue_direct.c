/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a store without calling it, memstore/direct.h. Compiled as glue.c is, after it. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#include "glue.h"
#endif

static inline int glue_claim_lanes(uint32_t count, uint64_t *out)
{
    memstore_lanes lanes;
    const int status = memstore_claim_lanes(count, &lanes);

    if (status == MEMSTORE_OK) {
        out[0] = (uint64_t)(uintptr_t)lanes.turns;
        out[1] = lanes.stride;
        out[2] = lanes.count;
        out[3] = lanes.first;
    }
    return status;
}

static inline int glue_get_layout(memstore *store, const uint64_t *lanes, uint64_t *out)
{
    const memstore_lanes claimed = {(uint64_t *)(uintptr_t)lanes[0], (size_t)lanes[1],
                                    (uint32_t)lanes[2], (uint32_t)lanes[3]};
    memstore_layout layout = {.struct_size = sizeof layout};
    const int status = memstore_get_layout(store, &claimed, &layout);

    if (status == MEMSTORE_OK) {
        _Static_assert(sizeof layout == sizeof(size_t) + GLUE_LAYOUT_MEMBERS * sizeof(uint64_t),
                       "all members are words");
        memcpy(out, (const char *)&layout + sizeof(size_t), GLUE_LAYOUT_MEMBERS * sizeof(uint64_t));
    }
    return status;
}
