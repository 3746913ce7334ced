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
static struct ms_entry_parts write_and_read(const struct ms_entry_shape *shape, unsigned kept)
{
    const bool is_long = ms_shape_is_long(shape, BASE);
    char *key = ms_entry_write_head(entry(), shape, is_long, BASE, kept, 3);
    const struct ms_entry_parts parts = ms_entry_parts(entry(), kept);

    cr_assert_eq(ms_entry_is_long(entry()), is_long);
    cr_assert_eq(parts.key, key);
    cr_assert_eq(parts.key - memory, ms_entry_head_size(is_long, kept));
    cr_assert_eq(parts.value, key + shape->key_size);
    cr_assert_eq(parts.key_size, shape->key_size);
    cr_assert_eq(parts.value_size, shape->value_size);
    cr_assert_eq(parts.size, ms_shape_size(shape, is_long, kept));
    cr_assert_eq(entry()->key_size == 0, is_long, "EN-2");
    return parts;
}

Test(entry, costs_eight_bytes_beside_key_and_value)
{
    const struct ms_entry_shape shape = {
        .key_size = 20, .value_size = 100, .expiry = BASE + 3600000};

    cr_assert_not(ms_shape_is_long(&shape, BASE));
    cr_assert_eq(write_and_read(&shape, 0).size, 8 + 20 + 100);
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
        write_and_read(&cases[i].shape, 0);
        write_and_read(&cases[i].shape, MS_KEPT_CREATED);
        write_and_read(&cases[i].shape, MS_KEPT_TTL);
        write_and_read(&cases[i].shape, MS_KEPT_CREATED | MS_KEPT_TTL);
    }
}

Test(entry, is_pending_and_has_its_access_bits_when_it_is_written)
{
    const struct ms_entry_shape shape = {.key_size = 5, .value_size = 5, .expiry = MS_NEVER};

    for (unsigned access = 0; access <= MS_MARK_ACCESS; access++) {
        ms_entry_write_head(entry(), &shape, false, BASE, 0, access);
        cr_assert_eq(ms_load_relaxed(&entry()->mark), access | MS_MARK_PENDING);
    }
    /* What does not fit does not spill into other bits. */
    ms_entry_write_head(entry(), &shape, false, BASE, 0, 0xff);
    cr_assert_eq(ms_load_relaxed(&entry()->mark), MS_MARK_ACCESS | MS_MARK_PENDING);
}

Test(entry, keeps_when_it_was_written_in_either_form)
{
    struct ms_entry_shape shape = {
        .key_size = 5, .value_size = 5, .expiry = MS_NEVER, .created = INT64_C(-123456789012345)};

    cr_assert_eq(write_and_read(&shape, MS_KEPT_CREATED).size, 8 + 8 + 10);
    cr_assert_eq(ms_entry_created(entry()), shape.created);
    shape.version = 7;
    cr_assert_eq(write_and_read(&shape, MS_KEPT_CREATED).size, 8 + 24 + 8 + 10);
    cr_assert_eq(ms_entry_created(entry()), shape.created);
}

Test(entry, keeps_the_version_it_is_given)
{
    const uint64_t version = UINT64_C(0xfedcba9876543210);
    const struct ms_entry_shape shape = {
        .key_size = 5, .value_size = 5, .version = version, .expiry = MS_NEVER};

    write_and_read(&shape, 0);
    cr_assert_eq(ms_u64_of_halves(ms_entry_long_form(entry())->version), version);
}

/* ---- Expiry ---- */

static int64_t through_an_entry(int64_t expiry)
{
    const struct ms_entry_shape shape = {.key_size = 5, .value_size = 5, .expiry = expiry};

    write_and_read(&shape, 0);
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

    write_and_read(&shape, 0);
    ms_store_relaxed(&entry()->expiry, ms_expiry_encode(BASE + 77, BASE));
    cr_assert_eq(ms_entry_expiry(entry(), BASE), BASE + 77);
    ms_store_relaxed(&entry()->expiry, ms_expiry_encode(MS_NEVER, BASE));
    cr_assert_eq(ms_entry_expiry(entry(), BASE), MS_NEVER);
}

Test(entry, keeps_its_ttl_in_either_form_beside_the_time_it_was_written)
{
    static const int64_t ttls[] = {0, 1, 1000, 86400000, MS_EXPIRY_MAX};
    const unsigned both = MS_KEPT_CREATED | MS_KEPT_TTL;

    for (size_t i = 0; i < sizeof ttls / sizeof *ttls; i++) {
        struct ms_entry_shape shape = {
            .key_size = 5, .value_size = 5, .expiry = BASE + 1, .created = -77, .ttl = ttls[i]};

        cr_expect_eq(write_and_read(&shape, MS_KEPT_TTL).size, 8 + 4 + 10);
        cr_expect_eq(ms_entry_ttl(entry(), MS_KEPT_TTL), ttls[i]);
        write_and_read(&shape, both);
        cr_expect(ms_entry_ttl(entry(), both) == ttls[i] && ms_entry_created(entry()) == -77);
        shape.version = 9;
        cr_expect_eq(write_and_read(&shape, both).size, 8 + 24 + 12 + 10);
        cr_expect(ms_entry_ttl(entry(), both) == ttls[i] && ms_entry_created(entry()) == -77);
    }
}

Test(entry, a_long_ttl_is_kept_to_a_few_seconds_and_one_of_centuries_not_at_all)
{
    struct ms_entry_shape shape = {.key_size = 5, .value_size = 5, .expiry = MS_NEVER};

    for (shape.ttl = MS_EXPIRY_MAX + INT64_C(1); shape.ttl < INT64_C(34) * 365 * 86400000;
         shape.ttl += shape.ttl / 7) {
        write_and_read(&shape, MS_KEPT_TTL);
        const int64_t ttl = ms_entry_ttl(entry(), MS_KEPT_TTL);
        cr_assert(ttl <= shape.ttl && ttl > shape.ttl - 4096);
    }
    shape.ttl = INT64_MAX / 2;
    write_and_read(&shape, MS_KEPT_TTL);
    cr_assert_eq(ms_entry_ttl(entry(), MS_KEPT_TTL), 0);
}

Test(entry, what_is_renewed_after_its_segment_has_grown_old_is_rounded_up)
{
    const struct ms_entry_shape shape = {.key_size = 5, .value_size = 5, .expiry = BASE + 10};

    write_and_read(&shape, MS_KEPT_TTL);
    for (int64_t age = MS_EXPIRY_MAX - 5; age < INT64_C(34) * 365 * 86400000; age += age / 50 + 1) {
        ms_store_relaxed(&entry()->expiry, ms_expiry_encode_coarse(BASE + age, BASE));
        const int64_t expiry = ms_entry_expiry(entry(), BASE);
        cr_assert(expiry >= BASE + age && expiry < BASE + age + 4096);
        cr_assert(expiry == BASE + age || age > (int64_t)MS_EXPIRY_MAX);
    }
    cr_assert_eq(ms_expiry_encode_coarse(INT64_MAX - 1, BASE), MS_EXPIRY_FAR);
    cr_assert_eq(ms_expiry_encode_coarse(MS_NEVER, BASE), MS_EXPIRY_NEVER);
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

        write_and_read(&shape, MS_KEPT_CREATED);
        cr_assert_eq(ms_entry_expiry(entry(), BASE), shape.expiry);
        cr_assert_eq(ms_entry_created(entry()), shape.created);
        if (shape.version != 0)
            cr_assert_eq(ms_u64_of_halves(ms_entry_long_form(entry())->version), shape.version);
    }
}
