/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a snapshot: opened, verified from the first byte to the last, and only then read block by
 * block, in any order. Nothing that a file says is believed before it is checked, and no more memory
 * is asked for than the file is long, 16 MiB aside. One thread. */
#ifndef MS_SNAPSHOT_READER_H
#define MS_SNAPSHOT_READER_H

#include "platform/file.h"
#include "snapshot/format.h"
#include "snapshot/packing.h"

/* What the header says. */
struct ms_snapshot_summary {
    uint32_t version;
    bool has_created;
    bool has_ttl;
    bool may_be_packed;
    int64_t saved_at;
    uint64_t entries;
    uint64_t blocks;
    uint64_t file_size;
};

/* Where a block is, as it was verified. */
struct ms_snapshot_spot {
    uint64_t offset;
    uint64_t checksum;
    uint32_t entries;
    uint32_t heat;
};

struct ms_snapshot_reader {
    struct ms_file_in file;
    struct ms_snapshot_summary summary;
    struct ms_snapshot_spot *spots; /* all blocks, once verified */
    uint64_t count;
    uint64_t bytes; /* of all entries, as they are written */
    struct ms_packing *packing;
    char *stored, *plain; /* the payload read last, as it lies in the file and unpacked */
    size_t stored_cap, plain_cap;
    const char *at, *end; /* of the block read last: what ms_snapshot_next() takes next */
    unsigned heat;
    bool wipes;
};

/* Open a file and read its header: OK, IO, CORRUPT_SNAPSHOT, MEMORY_EXHAUSTED, or UNSUPPORTED for one
 * of a later version, which the reader's summary tells, or packed where there is no libzstd. On
 * failure nothing is left open. `wipes`: memory is overwritten before it is given back. */
int ms_snapshot_open(struct ms_snapshot_reader *reader, const char *path, bool wipes);
/* Told of each block that has been verified; false ends it. */
typedef bool (*ms_snapshot_step)(void *context, uint32_t entries);
/* Verify the whole file: the same statuses, and CANCELLED when `fn` ended it. */
int ms_snapshot_verify(struct ms_snapshot_reader *reader, ms_snapshot_step fn, void *context);
/* Read a block again; CORRUPT_SNAPSHOT when it is not what was verified. */
int ms_snapshot_read(struct ms_snapshot_reader *reader, uint64_t number);
/* The next entry of that block, valid until another is read; false at the end. */
bool ms_snapshot_next(struct ms_snapshot_reader *reader, struct ms_snapshot_entry *entry);
/* Bytes of the entries that it has not given yet; in ms_snapshot_step of all that the block has. */
static inline size_t ms_snapshot_left(const struct ms_snapshot_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}
void ms_snapshot_close(struct ms_snapshot_reader *reader);

#endif
