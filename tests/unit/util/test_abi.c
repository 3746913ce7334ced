/* SPDX-License-Identifier: Apache-2.0 */
#include "util/abi.h"

#include <criterion/criterion.h>

/* One struct as three versions of a library know it. */
struct old {
    size_t struct_size;
    uint64_t a;
};
struct ours {
    size_t struct_size;
    uint64_t a, b;
};
struct newer {
    size_t struct_size;
    uint64_t a, b, c;
};

static const struct ours filled = {.struct_size = 12345, .a = 1, .b = 2};

Test(abi, a_caller_of_the_same_version_gets_every_field)
{
    struct ours out = {.struct_size = sizeof out};

    cr_assert_eq(ms_abi_store(&out, &filled, sizeof filled), MEMSTORE_OK);
    cr_assert_eq(out.struct_size, sizeof out);
    cr_assert_eq(out.a, 1);
    cr_assert_eq(out.b, 2);
}

Test(abi, an_older_caller_gets_the_fields_it_knows_and_not_a_byte_more)
{
    struct {
        struct old out;
        uint64_t after;
    } caller = {{.struct_size = sizeof(struct old)}, UINT64_C(0x5555555555555555)};

    cr_assert_eq(ms_abi_store(&caller.out, &filled, sizeof filled), MEMSTORE_OK);
    cr_assert_eq(caller.out.struct_size, sizeof(struct old));
    cr_assert_eq(caller.out.a, 1);
    cr_assert_eq(caller.after, UINT64_C(0x5555555555555555));
}

Test(abi, a_newer_caller_reads_zero_where_we_know_nothing)
{
    struct newer out = {.struct_size = sizeof out, .c = 99};

    cr_assert_eq(ms_abi_store(&out, &filled, sizeof filled), MEMSTORE_OK);
    cr_assert_eq(out.struct_size, sizeof out);
    cr_assert_eq(out.a, 1);
    cr_assert_eq(out.b, 2);
    cr_assert_eq(out.c, 0);
}

Test(abi, a_size_that_no_version_has_is_refused_and_nothing_is_written)
{
    static const size_t sizes[] = {
        0, 1, sizeof(size_t), sizeof(size_t) + 7, MS_ABI_LARGEST_STRUCT + 1, SIZE_MAX};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ours out = {.struct_size = sizes[i], .a = 77, .b = 88};

        cr_expect_eq(ms_abi_store(&out, &filled, sizeof filled), MEMSTORE_ERR_INVALID_ARGUMENT,
                     "size %zu", sizes[i]);
        cr_expect(out.struct_size == sizes[i] && out.a == 77 && out.b == 88, "size %zu", sizes[i]);
    }
}

Test(abi, a_size_in_the_middle_of_a_field_fills_up_to_there)
{
    struct ours out = {.struct_size = offsetof(struct ours, b) + 4, .b = UINT64_MAX};
    unsigned char tail[4];

    cr_assert_eq(ms_abi_store(&out, &filled, sizeof filled), MEMSTORE_OK);
    memcpy(tail, (const unsigned char *)&out.b + 4, sizeof tail);
    for (size_t i = 0; i < sizeof tail; i++)
        cr_assert_eq(tail[i], 0xff);
}

/* ---- Structs that come in ---- */

struct incoming {
    size_t struct_size;
    uint64_t first, second, third;
};

#define FIRST_SIZE offsetof(struct incoming, second)

Test(abi, what_an_older_caller_does_not_know_is_zero)
{
    const struct incoming theirs = {FIRST_SIZE, 1, 2, 3};
    struct incoming ours;

    cr_assert_eq(ms_abi_load(&ours, sizeof ours, FIRST_SIZE, &theirs), MEMSTORE_OK);
    cr_assert(ours.first == 1 && ours.second == 0 && ours.third == 0);
}

Test(abi, what_a_newer_caller_asks_for_is_refused_unless_it_is_nothing)
{
    struct incoming theirs = {sizeof theirs, 1, 2, 0}, ours;

    cr_assert_eq(ms_abi_load(&ours, offsetof(struct incoming, third), FIRST_SIZE, &theirs),
                 MEMSTORE_OK);
    cr_assert_eq(ours.second, 2);
    theirs.third = 3;
    cr_assert_eq(ms_abi_load(&ours, offsetof(struct incoming, third), FIRST_SIZE, &theirs),
                 MEMSTORE_ERR_UNSUPPORTED);
}

Test(abi, a_size_that_cannot_be_one_is_refused)
{
    struct incoming theirs = {FIRST_SIZE - 1, 1, 2, 3}, ours;

    cr_assert_eq(ms_abi_load(&ours, sizeof ours, FIRST_SIZE, &theirs),
                 MEMSTORE_ERR_INVALID_ARGUMENT);
    theirs.struct_size = 5000;
    cr_assert_eq(ms_abi_load(&ours, sizeof ours, FIRST_SIZE, &theirs),
                 MEMSTORE_ERR_INVALID_ARGUMENT);
}
