/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_STORE_VALIDATE_H
#define MS_STORE_VALIDATE_H

#include "platform/validate.h"
#include "store/store.h"

#if MS_VALIDATES
/* Check the index, the arena, the heap of what is due, and that they agree with each other. No
 * call is in progress, maintenance included; but subscriptions and leases may be given back meanwhile. */
const char *ms_store_validate(memstore *store);
#endif

/* In builds with asserts: end the program, saying why, unless the store is valid. */
#ifndef NDEBUG
void ms_store_assert_valid(memstore *store);
#else
static inline void ms_store_assert_valid(memstore *store)
{
    (void)store;
}
#endif

#endif
