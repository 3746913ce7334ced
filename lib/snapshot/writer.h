/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a snapshot. Entries are gathered in memory, in a block for each heat, by
 * ms_snapshot_add(), which never waits for the disk; ms_snapshot_write_full() writes the blocks that
 * are full. One thread. */
#ifndef MS_SNAPSHOT_WRITER_H
#define MS_SNAPSHOT_WRITER_H

#include "platform/file.h"
#include "snapshot/format.h"
#include "snapshot/packing.h"

struct ms_snapshot_options {
    int64_t saved_at; /* Unix milliseconds */
    bool keeps_created;
    bool keeps_ttl;
    bool packs;
    bool sync;  /* do not end before the disk has all of it */
    bool wipes; /* memory is overwritten before it is given back */
};

/* A block being gathered: its head and its payload. */
struct ms_snapshot_block {
    struct ms_snapshot_block *next;
    struct ms_snapshot_head head;
    char bytes[MS_SNAPSHOT_BLOCK_HEAD_SIZE + MS_SNAPSHOT_BLOCK_SIZE];
};

struct ms_snapshot_writer {
    struct ms_file_out file;
    struct ms_snapshot_options options;
    struct ms_snapshot_block *gathered[MS_SNAPSHOT_HEATS];
    struct ms_snapshot_block *full;
    struct ms_snapshot_block *spare;
    struct ms_packing *packing;
    char *packed; /* room for a packed block and its head */
    uint64_t entries, blocks, bytes, chain;
    uint64_t file_size;
};

/* Each returns OK, IO, MEMORY_EXHAUSTED, UNSUPPORTED (packing without libzstd) or LOCK_TIMEOUT
 * (somebody else is writing this file). After a failure only ms_snapshot_abandon() may follow. */
int ms_snapshot_begin(struct ms_snapshot_writer *writer, const char *path,
                      const struct ms_snapshot_options *options);
/* Whether an entry fits a block with others. */
bool ms_snapshot_is_small(const struct ms_snapshot_writer *writer,
                          const struct ms_snapshot_entry *entry);
int ms_snapshot_add(struct ms_snapshot_writer *writer, const struct ms_snapshot_entry *entry);
/* Write an entry that is not small. */
int ms_snapshot_add_large(struct ms_snapshot_writer *writer, const struct ms_snapshot_entry *entry);
int ms_snapshot_write_full(struct ms_snapshot_writer *writer);
/* Write what is left and put the file into its place. */
int ms_snapshot_commit(struct ms_snapshot_writer *writer);
void ms_snapshot_abandon(struct ms_snapshot_writer *writer);

#endif
