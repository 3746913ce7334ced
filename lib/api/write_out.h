/* SPDX-License-Identifier: Apache-2.0 */
/* Handing a text to a function of the caller's. */
#ifndef MS_API_WRITE_OUT_H
#define MS_API_WRITE_OUT_H

#include "store/calls.h"
#include "util/text.h"

#include <memstore/stats.h>

static inline int ms_write_out(memstore *store, const struct ms_text *text, memstore_write_fn fn,
                               void *context)
{
    struct ms_calling *calling;
    int status = ms_store_begin_callback(store, &calling);

    if (status != MEMSTORE_OK)
        return status;
    status = fn(text->data, text->size, context) == 0 ? MEMSTORE_OK : MEMSTORE_ERR_IO;
    ms_store_end_callback(calling);
    return status;
}

#endif
