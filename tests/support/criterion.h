/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions on statuses, for tests that run under Criterion. */
#ifndef TEST_CRITERION_H
#define TEST_CRITERION_H

#include "support/support.h"

#include <criterion/criterion.h>

#define assert_status(call, wanted)                                                                \
    do {                                                                                           \
        const int assert_got = (call);                                                             \
        cr_assert(assert_got == (wanted), "%s gave %s, expected %s", #call,                        \
                  memstore_status_name(assert_got), memstore_status_name(wanted));                 \
    } while (0)

#define assert_ok(call) assert_status(call, MEMSTORE_OK)

/* The value under a key, as a C string; NULL asks for absence. */
#define assert_holds(store, key, value)                                                            \
    cr_assert(test_holds(store, key, value), "%s does not hold %s", key, #value)

#endif
