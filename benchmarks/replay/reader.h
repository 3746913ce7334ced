/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a trace file into a workload.
 *
 * Formats, each also zstd-compressed:
 *   MSTRACE1  24-byte header (magic, u64 count, u32 flags: bit 0 = sizes present, u32 zero), packed records
 *             {u64 key, u32 size}, little-endian
 *   MSTTTL01  24-byte header (magic, u64 count, u32 record size 23, u32 cluster), packed records
 *             {u32 time_ms, u64 key, u16 key_size, u32 value_size, u32 ttl_s, u8 op}
 *   text      one request a line: key, then optionally value size and TTL (in seconds, or with a unit), separated by
 *             spaces or tabs
 *   CSV       the same with commas, quoted fields allowed; a first line that names a "key" column is a
 * header */
#ifndef REPLAY_READER_H
#define REPLAY_READER_H

#include "replay/input.h"
#include "replay/progress.h"
#include "replay/workload.h"

enum trace_format { TRACE_AUTO, TRACE_BINARY, TRACE_TEXT, TRACE_CSV };

struct reader_options {
    enum trace_format format;
    uint32_t value_size; /* for requests without a size of their own */
    int64_t ttl_ms;      /* for requests without a TTL of their own; 0 = never expires */
    /* a trace's sizes count key and value: the value gets what the key leaves */
    bool size_includes_key;
    uint64_t max_requests; /* read no more; 0 = all */
    /* CSV: "key=NAME,size=NAME,ttl=NAME", names or numbers from 1; NULL = by header */
    const char *columns;
};

/* One file being read: what the format readers share. */
struct reader {
    const struct reader_options *options;
    struct input *input;
    struct workload *workload;
    char *error;
    size_t error_cap;
};

/* Read and summarize a trace. On failure false, with a message in error that names file and line
 * or offset; the workload holds nothing then. */
bool reader_load(const char *path, const struct reader_options *options, struct progress *progress,
                 struct workload *workload, char *error, size_t error_cap);

/* ---- For the format readers (reader_binary.c, reader_text.c) ---- */

/* Whether enough was read: max_requests is reached. */
bool reader_is_full(const struct reader *reader);
/* Set the message: "<file>: offset <n>: ..." / "<file>:<line>: ...". Always false, to be
 * returned. */
bool reader_fail_at_offset(struct reader *reader, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool reader_fail_at_line(struct reader *reader, uint64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The value's size for a size that the trace gives. */
uint32_t reader_value_size(const struct reader *reader, uint64_t size, uint32_t key_size);

bool reader_read_trace(struct reader *reader, struct progress *progress);
bool reader_read_ttl(struct reader *reader, struct progress *progress);
bool reader_read_text(struct reader *reader, struct progress *progress);
bool reader_read_csv(struct reader *reader, struct progress *progress);

#endif
