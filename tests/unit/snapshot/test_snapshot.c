/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/reader.h"
#include "snapshot/writer.h"
#include "support/folder.h"

#include <criterion/criterion.h>
#include <memstore/status.h>
#include <stdio.h>
#include <stdlib.h>

#define expect(call, wanted) cr_assert_eq(call, wanted)
#define expect_ok(call) expect(call, MEMSTORE_OK)

#define SAVED_AT INT64_C(1700000000000)

TestSuite(snapshot, .fini = test_folder_remove);

static const struct ms_snapshot_options plain = {.saved_at = SAVED_AT};

static struct ms_snapshot_entry entry_of(const char *key, const char *value, unsigned heat)
{
    return (struct ms_snapshot_entry){.key = key,
                                      .value = value,
                                      .key_size = (uint32_t)strlen(key),
                                      .value_size = (uint32_t)strlen(value),
                                      .expires_at = heat == 0 ? 0 : SAVED_AT + heat,
                                      .created_at = SAVED_AT - heat,
                                      .heat = heat};
}

/* A file of some small entries and a large one. */
static const char *write_file(const struct ms_snapshot_options *options, size_t large)
{
    const char *const path = test_path("file");
    struct ms_snapshot_writer writer;

    expect_ok(ms_snapshot_begin(&writer, path, options));
    for (unsigned i = 0; i < 8; i++) {
        char key[32];

        snprintf(key, sizeof key, "key/%u", i);
        const struct ms_snapshot_entry entry = entry_of(key, "value value value value", i);
        expect_ok(ms_snapshot_add(&writer, &entry));
    }
    if (large != 0) {
        char *const value = calloc(1, large);
        const struct ms_snapshot_entry entry = {
            .key = "large", .key_size = 5, .value = value, .value_size = (uint32_t)large};

        cr_assert_not(ms_snapshot_is_small(&writer, &entry));
        expect_ok(ms_snapshot_add_large(&writer, &entry));
        free(value);
    }
    expect_ok(ms_snapshot_commit(&writer));
    return path;
}

static bool go_on(void *context, uint32_t entries)
{
    *(uint64_t *)context += entries;
    return true;
}

/* Open and verify: the number of entries, or a status. */
static int64_t verify(const char *path)
{
    struct ms_snapshot_reader reader;
    uint64_t entries = 0;
    int status = ms_snapshot_open(&reader, path, false);

    if (status != MEMSTORE_OK)
        return status;
    status = ms_snapshot_verify(&reader, go_on, &entries);
    ms_snapshot_close(&reader);
    return status == MEMSTORE_OK ? (int64_t)entries : status;
}

static void expect_entries(const char *path, bool created, size_t large)
{
    struct ms_snapshot_reader reader;
    struct ms_snapshot_entry entry;
    uint64_t entries = 0, found = 0;

    expect_ok(ms_snapshot_open(&reader, path, false));
    expect_ok(ms_snapshot_verify(&reader, go_on, &entries));
    for (uint64_t i = 0; i < reader.count; i++) {
        expect_ok(ms_snapshot_read(&reader, i));
        while (ms_snapshot_next(&reader, &entry)) {
            found++;
            if (memcmp(entry.key, "large", 5) == 0) {
                cr_assert_eq(entry.value_size, large);
                continue;
            }
            const unsigned heat = (unsigned)(entry.key[4] - '0');
            cr_assert_eq(entry.heat, heat);
            cr_assert_eq(entry.expires_at, heat == 0 ? 0 : SAVED_AT + heat);
            cr_assert_eq(entry.created_at, created ? SAVED_AT - heat : 0);
            cr_assert_eq(memcmp(entry.value, "value value value value", entry.value_size), 0);
        }
    }
    ms_snapshot_close(&reader);
    cr_assert_eq(found, large != 0 ? 9 : 8);
    cr_assert_eq(entries, found);
}

Test(snapshot, what_is_written_is_read)
{
    const struct ms_snapshot_options created = {.saved_at = SAVED_AT, .keeps_created = true};

    expect_entries(write_file(&plain, 0), false, 0);
    expect_entries(write_file(&created, 300000), true, 300000);
}

Test(snapshot, a_large_entry_has_all_that_is_kept_of_it)
{
    const struct ms_snapshot_options all = {
        .saved_at = SAVED_AT, .keeps_created = true, .keeps_ttl = true};

    cr_assert_eq(ms_snapshot_entry_head(true, true), MS_SNAPSHOT_ENTRY_HEAD_MOST);
    expect_entries(write_file(&all, 300000), true, 300000);
}

Test(snapshot, packed_blocks_are_smaller_and_say_the_same)
{
    const struct ms_snapshot_options packed = {.saved_at = SAVED_AT, .packs = true};
    size_t plain_size, packed_size;

    if (!ms_packing_is_supported())
        cr_skip("built without libzstd");
    free(test_file_read(write_file(&plain, 1000000), &plain_size));
    const char *const path = write_file(&packed, 1000000);
    free(test_file_read(path, &packed_size));
    cr_assert_lt(packed_size, plain_size / 100);
    expect_entries(path, false, 1000000);
}

Test(snapshot, nothing_is_a_snapshot_too)
{
    struct ms_snapshot_writer writer;
    const char *const path = test_path("file");

    expect_ok(ms_snapshot_begin(&writer, path, &plain));
    expect_ok(ms_snapshot_commit(&writer));
    cr_assert_eq(verify(path), 0);
}

/* ---- Damage ---- */

static void expect_every_flip_found(const char *path)
{
    size_t size;
    char *const data = test_file_read(path, &size);

    cr_assert_geq(verify(path), 8);
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit += size > 4096 ? 8 : 1) {
            data[i] ^= (char)(1u << bit);
            test_file_write(path, data, size);
            cr_assert_eq(verify(path), MEMSTORE_ERR_CORRUPT_SNAPSHOT, "byte %zu, bit %u", i, bit);
            data[i] ^= (char)(1u << bit);
        }
    }
    free(data);
}

Test(snapshot, every_bit_that_is_flipped_is_found)
{
    const struct ms_snapshot_options packed = {
        .saved_at = SAVED_AT, .packs = ms_packing_is_supported(), .keeps_created = true};

    expect_every_flip_found(write_file(&plain, 0));
    expect_every_flip_found(write_file(&packed, 0));
}

Test(snapshot, a_file_cut_off_anywhere_is_refused)
{
    const char *const path = write_file(&plain, 0);
    size_t size;
    char *const data = test_file_read(path, &size);

    for (size_t cut = 0; cut < size; cut++) {
        test_file_write(path, data, cut);
        cr_assert_eq(verify(path), MEMSTORE_ERR_CORRUPT_SNAPSHOT, "cut at %zu", cut);
    }
    free(data);
}

Test(snapshot, bytes_after_the_end_are_refused)
{
    const char *const path = write_file(&plain, 0);
    size_t size;
    char *const data = test_file_read(path, &size);

    data[size] = 0;
    test_file_write(path, data, size + 1);
    cr_assert_eq(verify(path), MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    free(data);
}

/* Let the header say something else, with a checksum that fits. */
static void forge_header(const char *path, size_t offset, uint64_t value, size_t size)
{
    size_t file_size;
    char *const data = test_file_read(path, &file_size);

    memcpy(data + offset, &value, size);
    ms_put_u64(data + 56, XXH3_64bits(data, 56));
    test_file_write(path, data, file_size);
    free(data);
}

Test(snapshot, a_later_version_is_told_from_damage)
{
    const char *const path = write_file(&plain, 0);
    struct ms_snapshot_reader reader;

    forge_header(path, 8, 7, 4);
    expect(ms_snapshot_open(&reader, path, false), MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(reader.summary.version, 7);
}

Test(snapshot, a_header_that_promises_too_much_is_refused)
{
    static const struct {
        size_t offset;
        uint64_t value;
        size_t size;
    } forgeries[] = {
        {8, 0, 4},                       /* version */
        {12, 4, 4},                      /* flags */
        {16, UINT64_MAX, 8},             /* saved at */
        {24, 9, 8},                      /* entries */
        {24, UINT64_MAX, 8}, {32, 1, 8}, /* blocks */
        {32, UINT64_MAX, 8}, {32, UINT64_MAX / 24, 8},
        {40, UINT64_MAX, 8}, /* bytes */
        {48, 1, 8},
    };

    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        const char *const path = write_file(&plain, 0);

        forge_header(path, forgeries[i].offset, forgeries[i].value, forgeries[i].size);
        cr_assert_eq(verify(path), MEMSTORE_ERR_CORRUPT_SNAPSHOT, "forgery %zu", i);
    }
}

/* Who opens it may ask for memory by that number. */
Test(snapshot, more_entries_than_fit_the_blocks_or_the_file_are_refused_before_these_are_read)
{
    for (int packs = 0; packs <= ms_packing_is_supported(); packs++) {
        const struct ms_snapshot_options options = {.saved_at = SAVED_AT, .packs = packs != 0};
        const char *const path = write_file(&options, 0);
        struct ms_snapshot_reader reader;

        forge_header(path, 24, UINT64_C(1) << 32, 8);
        expect(ms_snapshot_open(&reader, path, false), MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    }
}

Test(snapshot, what_is_no_file_is_not_waited_for)
{
    struct ms_snapshot_reader reader;

    expect(ms_snapshot_open(&reader, test_folder(), false), MEMSTORE_ERR_IO);
    expect(ms_snapshot_open(&reader, test_path("absent"), false), MEMSTORE_ERR_IO);
    expect(ms_snapshot_open(&reader, "/dev/zero", false), MEMSTORE_ERR_IO);
}

/* A file that is verified, and its bytes, to be changed. */
static char *verify_and_read(const char *path, struct ms_snapshot_reader *reader, size_t *size)
{
    uint64_t entries = 0;

    expect_ok(ms_snapshot_open(reader, path, false));
    expect_ok(ms_snapshot_verify(reader, go_on, &entries));
    return test_file_read(path, size);
}

Test(snapshot, a_block_that_changed_after_it_was_verified_is_refused)
{
    const char *const path = write_file(&plain, 0);
    struct ms_snapshot_reader reader;
    size_t size;
    char *const data = verify_and_read(path, &reader, &size);

    /* Two whole blocks of one size change places. */
    const size_t block = (size_t)(reader.spots[1].offset - reader.spots[0].offset);
    char *const first = data + reader.spots[0].offset;
    char *const copy = malloc(block);
    memcpy(copy, first, block);
    memcpy(first, first + block, block);
    memcpy(first + block, copy, block);
    test_file_write(path, data, size);
    expect(ms_snapshot_read(&reader, 0), MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    ms_snapshot_close(&reader);
    cr_assert_eq(verify(path), MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    free(copy);
    free(data);
}

/* Whoever writes to the file can work checksums out. */
Test(snapshot, a_block_that_changed_and_has_the_right_checksum_is_read_no_further_than_its_end)
{
    const char *const path = write_file(&plain, 0);
    struct ms_snapshot_reader reader;
    size_t size;
    char *const data = verify_and_read(path, &reader, &size);

    char *const head = data + reader.spots[0].offset;
    char *const payload = head + MS_SNAPSHOT_BLOCK_HEAD_SIZE;
    ms_put_u32(payload + 12, 1 << 20); /* the first value's size */
    reader.spots[0].checksum =
        XXH3_64bits_withSeed(payload, ms_take_u32(head + 12), ms_snapshot_seed(head));
    ms_put_u64(head + 24, reader.spots[0].checksum);
    test_file_write(path, data, size);
    expect(ms_snapshot_read(&reader, 0), MEMSTORE_ERR_CORRUPT_SNAPSHOT);
    ms_snapshot_close(&reader);
    free(data);
}

/* ---- Files ---- */

Test(snapshot, two_do_not_write_one_file_at_once)
{
    struct ms_snapshot_writer first, second;
    const char *const path = test_path("file");

    expect_ok(ms_snapshot_begin(&first, path, &plain));
    expect(ms_snapshot_begin(&second, path, &plain), MEMSTORE_ERR_LOCK_TIMEOUT);
    expect_ok(ms_snapshot_commit(&first));
    expect_ok(ms_snapshot_begin(&second, path, &plain));
    ms_snapshot_abandon(&second);
    cr_assert_eq(verify(path), 0);
    cr_assert_not(test_file_exists(test_path("file.tmp")));
}

Test(snapshot, a_file_that_cannot_be_written_is_io)
{
    struct ms_snapshot_writer writer;

    expect(ms_snapshot_begin(&writer, test_path("no/such/folder"), &plain), MEMSTORE_ERR_IO);
}

Test(snapshot, a_leftover_of_a_process_that_was_killed_is_used_again)
{
    test_file_write(test_path("file.tmp"), "something else, and longer than what is written", 48);
    expect_entries(write_file(&plain, 0), false, 0);
    cr_assert_not(test_file_exists(test_path("file.tmp")));
}
