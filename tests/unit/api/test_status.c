/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <limits.h>
#include <memstore/status.h>
#include <string.h>

/* One below the last status. */
#define FIRST_UNKNOWN (MEMSTORE_ERR_CANCELLED - 1)

Test(status, every_status_has_its_own_sentence_and_name)
{
    for (int a = MEMSTORE_OK; a > FIRST_UNKNOWN; a--) {
        cr_expect_neq(memstore_strerror(a)[0], '\0');
        cr_expect_neq(strcmp(memstore_status_name(a), "MEMSTORE_ERR_UNKNOWN"), 0, "status %d", a);
        for (int b = a - 1; b >= FIRST_UNKNOWN; b--) {
            cr_expect_str_neq(memstore_strerror(a), memstore_strerror(b));
            cr_expect_str_neq(memstore_status_name(a), memstore_status_name(b));
        }
    }
}

Test(status, names_are_the_identifiers)
{
    cr_assert_str_eq(memstore_status_name(MEMSTORE_OK), "MEMSTORE_OK");
    cr_assert_str_eq(memstore_status_name(-1), "MEMSTORE_ERR_KEY_NOT_FOUND");
    cr_assert_str_eq(memstore_status_name(-24), "MEMSTORE_ERR_UNSUPPORTED");
}

Test(status, any_int_is_explained)
{
    static const int unknown[] = {1, FIRST_UNKNOWN, INT_MIN, INT_MAX};

    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        cr_expect_str_eq(memstore_status_name(unknown[i]), "MEMSTORE_ERR_UNKNOWN");
        cr_expect_str_eq(memstore_strerror(unknown[i]), "a status that this version does not know");
    }
}
