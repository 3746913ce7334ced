/* SPDX-License-Identifier: Apache-2.0 */
#include "api/arguments.h"

#include "store/store.h"

int ms_refuse_argument(const memstore *store)
{
    return store != NULL && ms_store_is_closed(store) ? MEMSTORE_ERR_CACHE_CLOSED
                                                      : MEMSTORE_ERR_INVALID_ARGUMENT;
}
