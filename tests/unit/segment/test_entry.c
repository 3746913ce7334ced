/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/entry.h"

#include "unit/random.h"

#include <criterion/criterion.h>

#define BASE INT64_C(1000000) /* a segment's time base */

static _Alignas(8) char memory[512 * 1024];

static struct ms_entry *entry(void)
{
    return (struct ms_entry *)memory;
}

/* Write an entry of a shape, and see that each part is read as it was written. */
static struct ms_entry_parts write_and_read(const struct ms_entry_shape *shape, bool keeps_created)
{
    const bool is_long = ms_shape_is_long(shape, BASE);
    char *key = ms_entry_write_head(entry(), shape, is_long, BASE, keeps_created, 3);
    const struct ms_entry_parts parts = ms_entry_parts(entry(), keeps_created);

    cr_assert_eq(ms_entry_is_long(entry()), is_long);
    cr_assert_eq(parts.key, key);
    cr_assert_eq(parts.key - memory, ms_entry_head_size(is_long, keeps_created));
    cr_assert_eq(parts.value, key + shape->key_size);
    cr_assert_eq(parts.key_size, shape->key_size);
    cr_assert_eq(parts.value_size, shape->value_size);
    cr_assert_eq(parts.size, ms_shape_size(shape, is_long, keeps_created));
    cr_assert_eq(entry()->key_size == 0, is_long, "EN-2");
    return parts;
}

Test(entry, costs_eight_bytes_beside_key_and_value)
{
    const struct ms_entry_shape shape = {
        .key_size = 20, .value_size = 100, .expiry = BASE + 3600000};

    cr_assert_not(ms_shape_is_long(&shape, BASE));
    cr_assert_eq(write_and_read(&shape, false).size, 8 + 20 + 100);
}

Test(entry, is_written_in_the_short_form_up_to_its_bounds_and_in_the_long_form_beyond)
{
    const struct {
        struct ms_entry_shape shape;
        bool is_long;
    } cases[] = {
        {{.key_size = 1, .value_size = 0, .expiry = MS_NEVER}, false},
        {{.key_size = MS_ENTRY_MAX_SHORT_KEY, .value_size = 5, .expiry = MS_NEVER}, false},
        {{.key_size = MS_ENTRY_MAX_SHORT_KEY + 1, .value_size = 5, .expiry = MS_NEVER}, true},
        {{.key_size = 5, .value_size = MS_ENTRY_MAX_SHORT_VALUE, .expiry = MS_NEVER}, false},
        {{.key_size = 5, .value_size = MS_ENTRY_MAX_SHORT_VALUE + 1, .expiry = MS_NEVER}, true},
        {{.key_size = 5, .value_size = 300000, .expiry = MS_NEVER}, true},
        {{.key_size = 5, .value_size = 5, .version = 1, .expiry = MS_NEVER}, true},
        {{.key_size = 5, .value_size = 5, .expiry = BASE + MS_EXPIRY_MAX}, false},
        {{.key_size = 5, .value_size = 5, .expiry = BASE + MS_EXPIRY_MAX + 1}, true},
        {{.key_size = 5, .value_size = 5, .expiry = BASE - 5}, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(ms_shape_is_long(&cases[i].shape, BASE), cases[i].is_long, "case %zu", i);
        write_and_read(&cases[i].shape, false);
        write_and_read(&cases[i].shape, true);
    }
}

Test(entry, is_pending_and_has_its_access_bits_when_it_is_written)
{
    const struct ms_entry_shape shape = {.key_size = 5, .value_size = 5, .expiry = MS_NEVER};

    for (unsigned access = 0; access <= MS_MARK_ACCESS; access++) {
        ms_entry_write_head(entry(), &shape, false, BASE, false, access);
        cr_assert_eq(ms_load_relaxed(&entry()->mark), access | MS_MARK_PENDING);
    }
    /* What does not fit does not spill into other bits. */
    ms_entry_write_head(entry(), &shape, false, BASE, false, 0xff);
    cr_assert_eq(ms_load_relaxed(&entry()->mark), MS_MARK_ACCESS | MS_MARK_PENDING);
}

Test(entry, keeps_when_it_was_written_in_either_form)
{
    struct ms_entry_shape shape = {
        .key_size = 5, .value_size = 5, .expiry = MS_NEVER, .created = INT64_C(-123456789012345)};

    cr_assert_eq(write_and_read(&shape, true).size, 8 + 8 + 10);
    cr_assert_eq(ms_entry_created(entry()), shape.created);
    shape.version = 7;
    cr_assert_eq(write_and_read(&shape, true).size, 8 + 24 + 8 + 10);
    cr_assert_eq(ms_entry_created(entry()), shape.created);
}

Test(entry, keeps_the_version_it_is_given)
{
    const uint64_t version = UINT64_C(0xfedcba9876543210);
    const struct ms_entry_shape shape = {
        .key_size = 5, .value_size = 5, .version = version, .expiry = MS_NEVER};

    write_and_read(&shape, false);
    cr_assert_eq(ms_u64_of_halves(ms_entry_long_form(entry())->version), version);
}

/* ---- Expiry ---- */

static int64_t through_an_entry(int64_t expiry)
{
    const struct ms_entry_shape shape = {.key_size = 5, .value_size = 5, .expiry = expiry};

    write_and_read(&shape, false);
    return ms_entry_expiry(entry(), BASE);
}

Test(entry, tells_its_expiry_to_the_millisecond)
{
    static const int64_t expiries[] = {BASE,
                                       BASE + 1,
                                       BASE + 86400000,
                                       BASE + MS_EXPIRY_MAX - 1,
                                       BASE + MS_EXPIRY_MAX,
                                       BASE + MS_EXPIRY_MAX + 1,
                                       BASE + UINT32_MAX,
                                       BASE + (INT64_C(1) << 40),
                                       INT64_MAX - 1,
                                       MS_NEVER};

    for (size_t i = 0; i < sizeof expiries / sizeof *expiries; i++)
        cr_expect_eq(through_an_entry(expiries[i]), expiries[i], "%lld gave %lld",
                     (long long)expiries[i], (long long)through_an_entry(expiries[i]));
}

Test(entry, that_expires_before_its_segments_time_base_has_expired_at_it)
{
    cr_assert_eq(through_an_entry(BASE - 1), BASE);
    cr_assert_eq(through_an_entry(0), BASE);
    cr_assert_eq(through_an_entry(-BASE), BASE);
}

Test(entry, expiries_are_encoded_in_order)
{
    struct unit_random random = unit_random_start("entry");
    int64_t last = 0;
    uint32_t last_encoded = 0;

    for (int i = 0; i < 20000; i++) {
        const int64_t expiry = last + (int64_t)unit_random_below(&random, 600000);
        const uint32_t encoded = ms_expiry_encode(expiry, BASE);

        cr_assert_geq(encoded, last_encoded);
        last = expiry;
        last_encoded = encoded;
    }
    cr_assert_eq(last_encoded, MS_EXPIRY_FAR, "the whole range was walked");
    cr_assert_lt(MS_EXPIRY_FAR, ms_expiry_encode(MS_NEVER, BASE));
}

Test(entry, a_changed_expiry_is_read_back)
{
    const struct ms_entry_shape shape = {.key_size = 5, .value_size = 5, .expiry = BASE + 10};

    write_and_read(&shape, false);
    ms_store_relaxed(&entry()->expiry, ms_expiry_encode(BASE + 77, BASE));
    cr_assert_eq(ms_entry_expiry(entry(), BASE), BASE + 77);
    ms_store_relaxed(&entry()->expiry, ms_expiry_encode(MS_NEVER, BASE));
    cr_assert_eq(ms_entry_expiry(entry(), BASE), MS_NEVER);
}

Test(entry, random_shapes_come_back_as_they_went)
{
    struct unit_random random = unit_random_start("entry");

    for (int i = 0; i < 20000; i++) {
        const struct ms_entry_shape shape = {
            .key_size = 1 + (uint32_t)unit_random_below(&random, 400),
            .value_size = (uint32_t)unit_random_below(&random, 100000),
            .version = unit_random_below(&random, 4) == 0 ? unit_random_next(&random) : 0,
            .expiry = unit_random_below(&random, 3) == 0
                          ? MS_NEVER
                          : BASE + (int64_t)(unit_random_next(&random) >>
                                             (1 + unit_random_below(&random, 62))) %
                                       (INT64_MAX - BASE),
            .created = (int64_t)unit_random_next(&random),
        };

        write_and_read(&shape, true);
        cr_assert_eq(ms_entry_expiry(entry(), BASE), shape.expiry);
        cr_assert_eq(ms_entry_created(entry()), shape.created);
        if (shape.version != 0)
            cr_assert_eq(ms_u64_of_halves(ms_entry_long_form(entry())->version), shape.version);
    }
}
