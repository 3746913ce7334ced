/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/reader.h"

#include "platform/mem.h"

#include <errno.h>
#include <memstore/status.h>

static int read_exactly(struct ms_snapshot_reader *reader, uint64_t offset, void *data, size_t size)
{
    size_t got;
    const int error = ms_file_read_at(&reader->file, offset, data, size, &got);

    if (error != 0) {
        errno = error;
        return MEMSTORE_ERR_IO;
    }
    return got == size ? MEMSTORE_OK : MEMSTORE_ERR_CORRUPT_SNAPSHOT;
}

static bool reserve(char **buffer, size_t *cap, size_t size, bool wipes)
{
    if (size <= *cap)
        return true;
    if (size < MS_SNAPSHOT_BLOCK_SIZE)
        size = MS_SNAPSHOT_BLOCK_SIZE;
    /* Its content is not needed any more. */
    ms_mem_free_wiped(*buffer, wipes);
    *buffer = ms_mem_resize(NULL, size);
    *cap = *buffer != NULL ? size : 0;
    return *buffer != NULL;
}

/* ---- Header ---- */

/* Whether so many blocks, in a file of that size, may hold so many entries. */
static bool may_hold_entries(const struct ms_snapshot_summary *summary)
{
    const size_t least = ms_snapshot_entry_head(summary->has_created, summary->has_ttl) + 1;

    return summary->entries <= summary->blocks * (MS_SNAPSHOT_BLOCK_SIZE / least) &&
           (summary->may_be_packed || summary->entries <= summary->file_size / least);
}

static int take_header(struct ms_snapshot_reader *reader, const char *header)
{
    struct ms_snapshot_summary *summary = &reader->summary;

    if (memcmp(header, MS_SNAPSHOT_MAGIC, 8) != 0 ||
        ms_take_u64(header + 56) != XXH3_64bits(header, 56))
        return MEMSTORE_ERR_CORRUPT_SNAPSHOT;
    const uint32_t flags = ms_take_u32(header + 12);
    *summary = (struct ms_snapshot_summary){
        .version = ms_take_u32(header + 8),
        .has_created = (flags & MS_SNAPSHOT_HAS_CREATED) != 0,
        .has_ttl = (flags & MS_SNAPSHOT_HAS_TTL) != 0,
        .may_be_packed = (flags & MS_SNAPSHOT_MAY_BE_PACKED) != 0,
        .saved_at = (int64_t)ms_take_u64(header + 16),
        .entries = ms_take_u64(header + 24),
        .blocks = ms_take_u64(header + 32),
        .file_size = ms_take_u64(header + 40),
    };
    if (summary->version > MS_SNAPSHOT_VERSION)
        return MEMSTORE_ERR_UNSUPPORTED;
    if (summary->version == 0 || (flags & ~MS_SNAPSHOT_FLAGS) != 0 ||
        ms_take_u64(header + 48) != 0 || summary->saved_at < 0 ||
        summary->file_size != reader->file.size ||
        /* Each block takes a head, so that what follows is bounded by the size of the file. */
        summary->blocks > summary->file_size / MS_SNAPSHOT_BLOCK_HEAD_SIZE ||
        !may_hold_entries(summary))
        return MEMSTORE_ERR_CORRUPT_SNAPSHOT;
    return summary->may_be_packed && !ms_packing_is_supported() ? MEMSTORE_ERR_UNSUPPORTED
                                                                : MEMSTORE_OK;
}

int ms_snapshot_open(struct ms_snapshot_reader *reader, const char *path, bool wipes)
{
    char header[MS_SNAPSHOT_HEADER_SIZE];

    *reader = (struct ms_snapshot_reader){.wipes = wipes};
    const int error = ms_file_open(&reader->file, path);
    if (error != 0) {
        errno = error;
        return MEMSTORE_ERR_IO;
    }
    int status = read_exactly(reader, 0, header, sizeof header);
    if (status == MEMSTORE_OK)
        status = take_header(reader, header);
    if (status == MEMSTORE_OK && reader->summary.may_be_packed) {
        reader->packing = ms_packing_new();
        if (reader->packing == NULL)
            status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    if (status != MEMSTORE_OK)
        ms_snapshot_close(reader);
    return status;
}

void ms_snapshot_close(struct ms_snapshot_reader *reader)
{
    const int error = errno;

    ms_packing_free(reader->packing);
    ms_mem_free_wiped(reader->stored, reader->wipes);
    ms_mem_free_wiped(reader->plain, reader->wipes);
    ms_mem_free(reader->spots);
    ms_file_close(&reader->file);
    errno = error;
}

/* ---- Blocks ---- */

/* Whether a block's head is possible at all, with so many bytes of the file behind it. */
static bool is_possible(const struct ms_snapshot_reader *reader,
                        const struct ms_snapshot_head *head, uint64_t left)
{
    if (head->stored > left)
        return false;
    if (head->kind == MS_SNAPSHOT_END)
        return head->encoding == MS_SNAPSHOT_PLAIN && head->heat == 0 && head->entries == 0 &&
               head->size == MS_SNAPSHOT_END_SIZE && head->stored == head->size;
    if (head->kind != MS_SNAPSHOT_ENTRIES || head->heat >= MS_SNAPSHOT_HEATS ||
        head->entries == 0 || (head->entries > 1 && head->size > MS_SNAPSHOT_BLOCK_SIZE))
        return false;
    switch (head->encoding) {
    case MS_SNAPSHOT_PLAIN:
        return head->stored == head->size;
    case MS_SNAPSHOT_ZSTD:
        return reader->summary.may_be_packed && head->size <= MS_SNAPSHOT_PACKED_MOST;
    default:
        return false;
    }
}

/* Read a block's head and payload and compare the checksum. */
static int read_block(struct ms_snapshot_reader *reader, uint64_t offset,
                      struct ms_snapshot_head *head)
{
    char bytes[MS_SNAPSHOT_BLOCK_HEAD_SIZE];
    const uint64_t payload = offset + sizeof bytes;
    int status = read_exactly(reader, offset, bytes, sizeof bytes);

    if (status != MEMSTORE_OK)
        return status;
    ms_snapshot_take_head(bytes, head);
    if (bytes[3] != 0 || payload > reader->file.size ||
        !is_possible(reader, head, reader->file.size - payload))
        return MEMSTORE_ERR_CORRUPT_SNAPSHOT;
    if (!reserve(&reader->stored, &reader->stored_cap, head->stored, reader->wipes))
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    status = read_exactly(reader, payload, reader->stored, head->stored);
    if (status != MEMSTORE_OK)
        return status;
    return XXH3_64bits_withSeed(reader->stored, head->stored, ms_snapshot_seed(bytes)) ==
                   head->checksum
               ? MEMSTORE_OK
               : MEMSTORE_ERR_CORRUPT_SNAPSHOT;
}

/* Take the entry at `at`; NULL when it does not lie within the block. */
static const char *take_entry(const struct ms_snapshot_reader *reader,
                              struct ms_snapshot_entry *entry)
{
    const struct ms_snapshot_summary *summary = &reader->summary;
    const size_t head = ms_snapshot_entry_head(summary->has_created, summary->has_ttl);
    const char *at = reader->at;

    if ((size_t)(reader->end - at) < head)
        return NULL;
    entry->expires_at = (int64_t)ms_take_u64(at);
    entry->created_at = summary->has_created ? (int64_t)ms_take_u64(at + 8) : 0;
    at += head;
    entry->ttl = summary->has_ttl ? (int64_t)ms_take_u64(at - 16) : 0;
    entry->key_size = ms_take_u32(at - 8);
    entry->value_size = ms_take_u32(at - 4);
    if (entry->expires_at < 0 || entry->created_at < 0 || entry->ttl < 0 || entry->key_size == 0 ||
        (uint64_t)(reader->end - at) < (uint64_t)entry->key_size + entry->value_size)
        return NULL;
    entry->key = at;
    entry->value = at + entry->key_size;
    entry->heat = reader->heat;
    return entry->value + entry->value_size;
}

bool ms_snapshot_next(struct ms_snapshot_reader *reader, struct ms_snapshot_entry *entry)
{
    if (reader->at == reader->end)
        return false;
    reader->at = take_entry(reader, entry);
    return true;
}

/* Whether the block that was read is entries and nothing else. */
static bool has_entries(struct ms_snapshot_reader *reader, uint32_t count)
{
    const char *const first = reader->at;
    struct ms_snapshot_entry entry;

    while (count > 0 && reader->at != reader->end) {
        reader->at = take_entry(reader, &entry);
        if (reader->at == NULL)
            return false;
        count--;
    }
    const bool is_whole = count == 0 && reader->at == reader->end;
    reader->at = first;
    return is_whole;
}

/* Let ms_snapshot_next() begin with the block that was read, each time that it is: checksums that can be worked
 * out do not keep who writes to the file from making it another. */
static int unpack(struct ms_snapshot_reader *reader, const struct ms_snapshot_head *head)
{
    const char *plain = reader->stored;

    if (head->encoding == MS_SNAPSHOT_ZSTD) {
        if (!reserve(&reader->plain, &reader->plain_cap, head->size, reader->wipes))
            return MEMSTORE_ERR_MEMORY_EXHAUSTED;
        if (!ms_packing_unpack(reader->packing, reader->stored, head->stored, reader->plain,
                               head->size))
            return MEMSTORE_ERR_CORRUPT_SNAPSHOT;
        plain = reader->plain;
    }
    reader->at = plain;
    reader->end = plain + head->size;
    reader->heat = head->heat;
    return has_entries(reader, head->entries) ? MEMSTORE_OK : MEMSTORE_ERR_CORRUPT_SNAPSHOT;
}

int ms_snapshot_read(struct ms_snapshot_reader *reader, uint64_t number)
{
    const struct ms_snapshot_spot *spot = &reader->spots[number];
    struct ms_snapshot_head head;
    int status = read_block(reader, spot->offset, &head);

    /* A block that is whole may still be another, if somebody writes to the file. */
    if (status == MEMSTORE_OK && (head.checksum != spot->checksum || head.number != number))
        status = MEMSTORE_ERR_CORRUPT_SNAPSHOT;
    return status == MEMSTORE_OK ? unpack(reader, &head) : status;
}

/* ---- Verifying ---- */

/* How far it has come. */
struct verifying {
    uint64_t offset, number, entries, bytes, chain;
};

static int verify_end(const struct ms_snapshot_reader *reader, const struct verifying *verifying,
                      const struct ms_snapshot_head *head)
{
    const char *const totals = reader->stored;
    const uint64_t end = verifying->offset + MS_SNAPSHOT_BLOCK_HEAD_SIZE + MS_SNAPSHOT_END_SIZE;
    const bool fits =
        head->number == verifying->number && reader->summary.blocks == verifying->number &&
        reader->summary.entries == verifying->entries &&
        ms_take_u64(totals) == verifying->entries && ms_take_u64(totals + 8) == verifying->number &&
        ms_take_u64(totals + 16) == verifying->bytes &&
        ms_take_u64(totals + 24) == verifying->chain && end == reader->file.size;

    return fits ? MEMSTORE_OK : MEMSTORE_ERR_CORRUPT_SNAPSHOT;
}

static int verify_block(struct ms_snapshot_reader *reader, struct verifying *verifying,
                        const struct ms_snapshot_head *head)
{
    if (head->number != verifying->number || verifying->number >= reader->summary.blocks)
        return MEMSTORE_ERR_CORRUPT_SNAPSHOT;
    const int status = unpack(reader, head);
    if (status != MEMSTORE_OK)
        return status;
    reader->spots[verifying->number++] =
        (struct ms_snapshot_spot){verifying->offset, head->checksum, head->entries, head->heat};
    verifying->offset += MS_SNAPSHOT_BLOCK_HEAD_SIZE + head->stored;
    verifying->entries += head->entries;
    verifying->bytes += head->size;
    verifying->chain = ms_snapshot_chain(verifying->chain, head->checksum);
    return MEMSTORE_OK;
}

int ms_snapshot_verify(struct ms_snapshot_reader *reader, ms_snapshot_step fn, void *context)
{
    struct verifying verifying = {.offset = MS_SNAPSHOT_HEADER_SIZE};

    reader->spots = ms_mem_resize(NULL, (reader->summary.blocks + 1) * sizeof *reader->spots);
    if (reader->spots == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    for (;;) {
        struct ms_snapshot_head head;
        int status = read_block(reader, verifying.offset, &head);

        if (status != MEMSTORE_OK)
            return status;
        if (head.kind == MS_SNAPSHOT_END) {
            reader->count = verifying.number;
            reader->bytes = verifying.bytes;
            return verify_end(reader, &verifying, &head);
        }
        status = verify_block(reader, &verifying, &head);
        if (status != MEMSTORE_OK)
            return status;
        if (!fn(context, head.entries))
            return MEMSTORE_ERR_CANCELLED;
    }
}
