/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/writer.h"

#include "platform/mem.h"

#include <assert.h>
#include <errno.h>
#include <memstore/status.h>

/* The status of an error number, which errno has of MEMSTORE_ERR_IO. */
static int status_of(int error)
{
    switch (error) {
    case 0:
        return MEMSTORE_OK;
    case ENOMEM:
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    case EWOULDBLOCK:
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    default:
        errno = error;
        return MEMSTORE_ERR_IO;
    }
}

static int append(struct ms_snapshot_writer *writer, const void *data, size_t size)
{
    writer->file_size += size;
    return status_of(ms_file_append(&writer->file, data, size));
}

/* ---- Blocks ---- */

static struct ms_snapshot_block *new_block(struct ms_snapshot_writer *writer, unsigned heat)
{
    struct ms_snapshot_block *block = writer->spare;

    if (block != NULL)
        writer->spare = block->next;
    else
        block = ms_mem_resize(NULL, sizeof *block);
    if (block != NULL) {
        block->next = NULL;
        block->head = (struct ms_snapshot_head){.kind = MS_SNAPSHOT_ENTRIES, .heat = (uint8_t)heat};
    }
    return block;
}

/* Give a block its number, and count it. */
static void number(struct ms_snapshot_writer *writer, struct ms_snapshot_head *head)
{
    head->number = writer->blocks++;
    writer->entries += head->entries;
    writer->bytes += head->size;
}

/* Complete the head of a block whose payload lies behind it, and write both. */
static int write_whole(struct ms_snapshot_writer *writer, const struct ms_snapshot_head *head,
                       char *bytes)
{
    ms_snapshot_put_head(bytes, head);
    const uint64_t checksum = XXH3_64bits_withSeed(bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE,
                                                   head->stored, ms_snapshot_seed(bytes));
    ms_put_u64(bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE - 8, checksum);
    writer->chain = ms_snapshot_chain(writer->chain, checksum);
    return append(writer, bytes, MS_SNAPSHOT_BLOCK_HEAD_SIZE + head->stored);
}

static int write_block(struct ms_snapshot_writer *writer, struct ms_snapshot_block *block)
{
    struct ms_snapshot_head *head = &block->head;
    char *bytes = block->bytes;

    number(writer, head);
    head->stored = head->size;
    if (writer->options.packs) {
        const size_t packed = ms_packing_pack(
            writer->packing, bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE, head->size,
            writer->packed + MS_SNAPSHOT_BLOCK_HEAD_SIZE, ms_packing_bound(MS_SNAPSHOT_BLOCK_SIZE));
        if (packed != 0) {
            head->encoding = MS_SNAPSHOT_ZSTD;
            head->stored = (uint32_t)packed;
            bytes = writer->packed;
        }
    }
    return write_whole(writer, head, bytes);
}

int ms_snapshot_write_full(struct ms_snapshot_writer *writer)
{
    int status = MEMSTORE_OK;

    while (status == MEMSTORE_OK && writer->full != NULL) {
        struct ms_snapshot_block *block = writer->full;

        status = write_block(writer, block);
        writer->full = block->next;
        block->next = writer->spare;
        writer->spare = block;
    }
    return status;
}

/* ---- Entries ---- */

static size_t size_of(const struct ms_snapshot_writer *writer,
                      const struct ms_snapshot_entry *entry)
{
    return ms_snapshot_entry_head(writer->options.keeps_created, writer->options.keeps_ttl) +
           entry->key_size + entry->value_size;
}

bool ms_snapshot_is_small(const struct ms_snapshot_writer *writer,
                          const struct ms_snapshot_entry *entry)
{
    return size_of(writer, entry) <= MS_SNAPSHOT_BLOCK_SIZE;
}

/* Write what stands before the key; returns where that goes. */
static char *put_entry_head(const struct ms_snapshot_writer *writer,
                            const struct ms_snapshot_entry *entry, char *at)
{
    ms_put_u64(at, (uint64_t)entry->expires_at);
    at += 8;
    if (writer->options.keeps_created) {
        ms_put_u64(at, (uint64_t)entry->created_at);
        at += 8;
    }
    if (writer->options.keeps_ttl) {
        ms_put_u64(at, (uint64_t)entry->ttl);
        at += 8;
    }
    ms_put_u32(at, entry->key_size);
    ms_put_u32(at + 4, entry->value_size);
    return at + 8;
}

static void put_entry(const struct ms_snapshot_writer *writer,
                      const struct ms_snapshot_entry *entry, char *at)
{
    char *const key = put_entry_head(writer, entry, at);

    memcpy(key, entry->key, entry->key_size);
    if (entry->value_size != 0)
        memcpy(key + entry->key_size, entry->value, entry->value_size);
}

static void set_full(struct ms_snapshot_writer *writer, unsigned heat)
{
    writer->gathered[heat]->next = writer->full;
    writer->full = writer->gathered[heat];
    writer->gathered[heat] = NULL;
}

int ms_snapshot_add(struct ms_snapshot_writer *writer, const struct ms_snapshot_entry *entry)
{
    struct ms_snapshot_block **block = &writer->gathered[entry->heat];
    const size_t size = size_of(writer, entry);

    if (*block != NULL && size > MS_SNAPSHOT_BLOCK_SIZE - (*block)->head.size)
        set_full(writer, entry->heat);
    if (*block == NULL)
        *block = new_block(writer, entry->heat);
    if (*block == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    put_entry(writer, entry, (*block)->bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE + (*block)->head.size);
    (*block)->head.size += (uint32_t)size;
    (*block)->head.entries++;
    return MEMSTORE_OK;
}

/* Pack a large entry; 0 when it did not get smaller. *bytes has room for its head, and is to be
 * freed. */
static int pack_large(struct ms_snapshot_writer *writer, const struct ms_snapshot_entry *entry,
                      size_t size, char **bytes, size_t *packed)
{
    const size_t bound = ms_packing_bound(size);
    char *const plain = ms_mem_resize(NULL, size);

    *packed = 0;
    *bytes = ms_mem_resize(NULL, MS_SNAPSHOT_BLOCK_HEAD_SIZE + bound);
    const bool has_memory = plain != NULL && *bytes != NULL;
    if (has_memory) {
        put_entry(writer, entry, plain);
        *packed = ms_packing_pack(writer->packing, plain, size,
                                  *bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE, bound);
    }
    ms_mem_free_wiped(plain, writer->options.wipes);
    return has_memory ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

/* Write a large entry from where it is. */
static int write_in_pieces(struct ms_snapshot_writer *writer, const struct ms_snapshot_head *head,
                           const struct ms_snapshot_entry *entry)
{
    char bytes[MS_SNAPSHOT_BLOCK_HEAD_SIZE + MS_SNAPSHOT_ENTRY_HEAD_MOST];
    XXH3_state_t state;

    ms_snapshot_put_head(bytes, head);
    const char *const end = put_entry_head(writer, entry, bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE);
    const size_t before_key = (size_t)(end - bytes) - MS_SNAPSHOT_BLOCK_HEAD_SIZE;
    assert((size_t)(end - bytes) <= sizeof bytes);

    XXH3_INITSTATE(&state);
    XXH3_64bits_reset_withSeed(&state, ms_snapshot_seed(bytes));
    XXH3_64bits_update(&state, bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE, before_key);
    XXH3_64bits_update(&state, entry->key, entry->key_size);
    XXH3_64bits_update(&state, entry->value, entry->value_size);
    const uint64_t checksum = XXH3_64bits_digest(&state);
    /* It keeps the end of the value. */
    if (writer->options.wipes)
        ms_mem_wipe(&state, sizeof state);
    ms_put_u64(bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE - 8, checksum);
    writer->chain = ms_snapshot_chain(writer->chain, checksum);

    int status = append(writer, bytes, (size_t)(end - bytes));
    if (status == MEMSTORE_OK)
        status = append(writer, entry->key, entry->key_size);
    return status == MEMSTORE_OK ? append(writer, entry->value, entry->value_size) : status;
}

int ms_snapshot_add_large(struct ms_snapshot_writer *writer, const struct ms_snapshot_entry *entry)
{
    const size_t size = size_of(writer, entry);
    struct ms_snapshot_head head = {.kind = MS_SNAPSHOT_ENTRIES,
                                    .heat = (uint8_t)entry->heat,
                                    .entries = 1,
                                    .size = (uint32_t)size,
                                    .stored = (uint32_t)size};
    char *bytes = NULL;
    size_t packed = 0;
    int status = MEMSTORE_OK;

    number(writer, &head);
    if (writer->options.packs && size <= MS_SNAPSHOT_PACKED_MOST)
        status = pack_large(writer, entry, size, &bytes, &packed);
    if (status == MEMSTORE_OK && packed != 0) {
        head.encoding = MS_SNAPSHOT_ZSTD;
        head.stored = (uint32_t)packed;
        status = write_whole(writer, &head, bytes);
    } else if (status == MEMSTORE_OK) {
        status = write_in_pieces(writer, &head, entry);
    }
    ms_mem_free_wiped(bytes, writer->options.wipes);
    return status;
}

/* ---- Beginning and end ---- */

static int write_header(struct ms_snapshot_writer *writer, bool is_last)
{
    char header[MS_SNAPSHOT_HEADER_SIZE] = {0};

    /* Until all else is there, what is in the file is nothing. */
    if (!is_last)
        return append(writer, header, sizeof header);
    memcpy(header, MS_SNAPSHOT_MAGIC, 8);
    ms_put_u32(header + 8, MS_SNAPSHOT_VERSION);
    ms_put_u32(header + 12, (writer->options.keeps_created ? MS_SNAPSHOT_HAS_CREATED : 0) |
                                (writer->options.keeps_ttl ? MS_SNAPSHOT_HAS_TTL : 0) |
                                (writer->options.packs ? MS_SNAPSHOT_MAY_BE_PACKED : 0));
    ms_put_u64(header + 16, (uint64_t)writer->options.saved_at);
    ms_put_u64(header + 24, writer->entries);
    ms_put_u64(header + 32, writer->blocks);
    ms_put_u64(header + 40, writer->file_size);
    ms_put_u64(header + 56, XXH3_64bits(header, 56));
    return status_of(ms_file_rewrite(&writer->file, 0, header, sizeof header));
}

static int write_end(struct ms_snapshot_writer *writer)
{
    char bytes[MS_SNAPSHOT_BLOCK_HEAD_SIZE + MS_SNAPSHOT_END_SIZE];
    char *const totals = bytes + MS_SNAPSHOT_BLOCK_HEAD_SIZE;
    const struct ms_snapshot_head head = {.kind = MS_SNAPSHOT_END,
                                          .size = MS_SNAPSHOT_END_SIZE,
                                          .stored = MS_SNAPSHOT_END_SIZE,
                                          .number = writer->blocks};

    ms_put_u64(totals, writer->entries);
    ms_put_u64(totals + 8, writer->blocks);
    ms_put_u64(totals + 16, writer->bytes);
    ms_put_u64(totals + 24, writer->chain);
    return write_whole(writer, &head, bytes);
}

static void free_blocks(struct ms_snapshot_block *block, bool wipes)
{
    while (block != NULL) {
        struct ms_snapshot_block *next = block->next;

        ms_mem_free_wiped(block, wipes);
        block = next;
    }
}

static void free_memory(struct ms_snapshot_writer *writer)
{
    for (unsigned heat = 0; heat < MS_SNAPSHOT_HEATS; heat++)
        free_blocks(writer->gathered[heat], writer->options.wipes);
    free_blocks(writer->full, writer->options.wipes);
    free_blocks(writer->spare, writer->options.wipes);
    ms_packing_free(writer->packing);
    ms_mem_free_wiped(writer->packed, writer->options.wipes);
}

int ms_snapshot_begin(struct ms_snapshot_writer *writer, const char *path,
                      const struct ms_snapshot_options *options)
{
    *writer = (struct ms_snapshot_writer){.options = *options};
    if (options->packs) {
        if (!ms_packing_is_supported())
            return MEMSTORE_ERR_UNSUPPORTED;
        writer->packing = ms_packing_new();
        writer->packed = ms_mem_resize(NULL, MS_SNAPSHOT_BLOCK_HEAD_SIZE +
                                                 ms_packing_bound(MS_SNAPSHOT_BLOCK_SIZE));
        if (writer->packing == NULL || writer->packed == NULL) {
            free_memory(writer);
            return MEMSTORE_ERR_MEMORY_EXHAUSTED;
        }
    }
    int status = status_of(ms_file_create(&writer->file, path, 0600));
    if (status != MEMSTORE_OK) {
        free_memory(writer);
        return status;
    }
    status = write_header(writer, false);
    if (status != MEMSTORE_OK)
        ms_snapshot_abandon(writer);
    return status;
}

int ms_snapshot_commit(struct ms_snapshot_writer *writer)
{
    int status;

    for (unsigned heat = 0; heat < MS_SNAPSHOT_HEATS; heat++) {
        if (writer->gathered[heat] != NULL)
            set_full(writer, heat);
    }
    status = ms_snapshot_write_full(writer);
    if (status == MEMSTORE_OK)
        status = write_end(writer);
    if (status == MEMSTORE_OK)
        status = write_header(writer, true);
    if (status != MEMSTORE_OK) {
        ms_snapshot_abandon(writer);
        return status;
    }
    free_memory(writer);
    return status_of(ms_file_commit(&writer->file, writer->options.sync));
}

void ms_snapshot_abandon(struct ms_snapshot_writer *writer)
{
    const int error = errno;

    free_memory(writer);
    ms_file_abandon(&writer->file);
    errno = error;
}
