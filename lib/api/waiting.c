/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/wait.h"

#include <memstore/memstore.h>

int memstore_bound_waits(int64_t wait_ms, const int64_t *stop)
{
    const bool was_cut = ms_wait_was_cut();

    ms_wait_bind(wait_ms < 0 || wait_ms > MS_WAIT_UNBOUNDED / 1000 / 2 ? MS_WAIT_UNBOUNDED
                                                                       : wait_ms * 1000,
                 stop);
    return was_cut;
}
