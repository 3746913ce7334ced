/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots that somebody made up. Input: one byte, the rest is the file; if the byte is odd, its
 * checksums are made to fit first, so that what lies behind them is reached. */
#include "snapshot/reader.h"
#include "snapshot/writer.h"

#include "fuzz.h"

#include <memstore/status.h>
#include <sys/mman.h>
#include <unistd.h>

static bool go_on(void *context, uint32_t entries)
{
    *(uint64_t *)context += entries;
    return true;
}

static void mend_header(char *data)
{
    ms_put_u64(data + 56, XXH3_64bits(data, 56));
}

/* Make checksums and chain fit, as far as the sizes lead. */
static void mend(char *data, size_t size)
{
    uint64_t chain = 0;
    size_t offset = MS_SNAPSHOT_HEADER_SIZE;

    if (size < MS_SNAPSHOT_HEADER_SIZE)
        return;
    ms_put_u64(data + 40, size);
    mend_header(data);
    while (size - offset >= MS_SNAPSHOT_BLOCK_HEAD_SIZE) {
        char *const at = data + offset;
        char *const payload = at + MS_SNAPSHOT_BLOCK_HEAD_SIZE;
        struct ms_snapshot_head head;

        ms_snapshot_take_head(at, &head);
        offset += MS_SNAPSHOT_BLOCK_HEAD_SIZE;
        if (head.stored > size - offset)
            return;
        if (head.kind == MS_SNAPSHOT_END && head.stored >= MS_SNAPSHOT_END_SIZE)
            ms_put_u64(payload + 24, chain);
        const uint64_t checksum = XXH3_64bits_withSeed(payload, head.stored, ms_snapshot_seed(at));
        ms_put_u64(at + MS_SNAPSHOT_BLOCK_HEAD_SIZE - 8, checksum);
        chain = ms_snapshot_chain(chain, checksum);
        offset += head.stored;
    }
}

/* What was verified is read as it was promised. */
static void read_all(struct ms_snapshot_reader *reader, uint64_t entries)
{
    struct ms_snapshot_entry entry;
    volatile char last = 0;

    for (uint64_t i = 0; i < reader->count; i++) {
        FUZZ_CHECK(ms_snapshot_read(reader, i) == MEMSTORE_OK);
        while (ms_snapshot_next(reader, &entry)) {
            FUZZ_CHECK(entry.key_size > 0 && entry.heat < MS_SNAPSHOT_HEATS);
            last = entry.key[entry.key_size - 1];
            if (entry.value_size != 0)
                last = entry.value[entry.value_size - 1];
            entries--;
        }
    }
    (void)last;
    FUZZ_CHECK(entries == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_snapshot_reader reader;
    uint64_t entries = 0;
    char path[64];

    if (size < 2)
        return 0;
    char *const copy = malloc(size - 1);
    memcpy(copy, data + 1, size - 1);
    if (data[0] % 2 == 1)
        mend(copy, size - 1);
    const int file = memfd_create("snapshot", MFD_CLOEXEC);
    FUZZ_CHECK(file >= 0 && write(file, copy, size - 1) == (ssize_t)(size - 1));
    free(copy);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);

    int status = ms_snapshot_open(&reader, path, false);
    if (status == MEMSTORE_OK) {
        status = ms_snapshot_verify(&reader, go_on, &entries);
        if (status == MEMSTORE_OK)
            read_all(&reader, entries);
        ms_snapshot_close(&reader);
    }
    FUZZ_CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_CORRUPT_SNAPSHOT ||
               status == MEMSTORE_ERR_UNSUPPORTED);
    close(file);
    return 0;
}

/* Put an entry of random sizes at `at`; returns its bytes. */
static size_t put_entry(struct fuzz_random *random, char *at)
{
    const uint32_t key = 1 + (uint32_t)fuzz_below(random, 20);
    const uint32_t value = (uint32_t)fuzz_below(random, 60);

    ms_put_u64(at, fuzz_next(random) >> 1);
    ms_put_u32(at + 8, key);
    ms_put_u32(at + 12, value);
    memset(at + 16, 'x', key + value);
    return 16 + key + value;
}

/* Pack what lies at `payload`, half of the time and where it gets smaller; returns its bytes then. */
static size_t pack(struct fuzz_random *random, struct ms_packing *packing, char *payload,
                   size_t size)
{
    char packed[1024];

    if (packing == NULL || fuzz_below(random, 2) == 0 || ms_packing_bound(size) > sizeof packed)
        return 0;
    const size_t stored = ms_packing_pack(packing, payload, size, packed, sizeof packed);
    memcpy(payload, packed, stored);
    return stored;
}

static size_t put_block(struct fuzz_random *random, struct ms_packing *packing, char *at,
                        uint64_t number, struct ms_snapshot_head *head)
{
    const uint32_t count = 1 + (uint32_t)fuzz_below(random, 4);
    size_t size = 0;

    for (uint32_t i = 0; i < count; i++)
        size += put_entry(random, at + MS_SNAPSHOT_BLOCK_HEAD_SIZE + size);
    const size_t packed = pack(random, packing, at + MS_SNAPSHOT_BLOCK_HEAD_SIZE, size);
    *head =
        (struct ms_snapshot_head){.kind = MS_SNAPSHOT_ENTRIES,
                                  .encoding = packed != 0 ? MS_SNAPSHOT_ZSTD : MS_SNAPSHOT_PLAIN,
                                  .heat = (uint8_t)fuzz_below(random, MS_SNAPSHOT_HEATS),
                                  .entries = count,
                                  .size = (uint32_t)size,
                                  .stored = (uint32_t)(packed != 0 ? packed : size),
                                  .number = number};
    ms_snapshot_put_head(at, head);
    return MS_SNAPSHOT_BLOCK_HEAD_SIZE + head->stored;
}

/* A whole file, then perhaps some bytes of it changed. */
size_t fuzz_generate(struct fuzz_random *random, uint8_t *out, size_t cap)
{
    char *const file = (char *)out + 1;
    const uint64_t blocks = fuzz_below(random, 4);
    uint64_t entries = 0, bytes = 0;
    size_t size = MS_SNAPSHOT_HEADER_SIZE;

    if (cap < 4096)
        return 0;
    struct ms_packing *const packing = ms_packing_new();
    memset(out, 0, 4096);
    out[0] = fuzz_below(random, 8) != 0;
    for (uint64_t i = 0; i < blocks; i++) {
        struct ms_snapshot_head head;

        size += put_block(random, packing, file + size, i, &head);
        entries += head.entries;
        bytes += head.size;
    }
    ms_packing_free(packing);
    const struct ms_snapshot_head end = {.kind = MS_SNAPSHOT_END,
                                         .size = MS_SNAPSHOT_END_SIZE,
                                         .stored = MS_SNAPSHOT_END_SIZE,
                                         .number = blocks};
    ms_snapshot_put_head(file + size, &end);
    ms_put_u64(file + size + 32, entries);
    ms_put_u64(file + size + 40, blocks);
    ms_put_u64(file + size + 48, bytes);
    size += MS_SNAPSHOT_BLOCK_HEAD_SIZE + MS_SNAPSHOT_END_SIZE;
    memcpy(file, MS_SNAPSHOT_MAGIC, 8);
    ms_put_u32(file + 8, MS_SNAPSHOT_VERSION);
    ms_put_u32(file + 12, ms_packing_is_supported() ? MS_SNAPSHOT_MAY_BE_PACKED : 0);
    ms_put_u64(file + 24, entries);
    ms_put_u64(file + 32, blocks);
    for (uint64_t i = fuzz_below(random, 4); i > 0; i--)
        file[fuzz_below(random, size)] ^= (char)(1u << fuzz_below(random, 8));
    return 1 + size - (fuzz_below(random, 16) == 0 ? fuzz_below(random, size) : 0);
}
