/* SPDX-License-Identifier: Apache-2.0 */
/* The MSTRACE1 and MSTTTL01 formats. A header's count is checked against what follows, never
 * trusted for memory. */
#include "replay/reader.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

enum { HEADER_SIZE = 24, TRACE_RECORD_SIZE = 12, TTL_RECORD_SIZE = 23, PROGRESS_EVERY = 1 << 16 };

struct header {
    uint64_t count;
    uint32_t third;  /* MSTRACE1: flags; MSTTTL01: record size */
    uint32_t fourth; /* MSTRACE1: zero; MSTTTL01: cluster */
};

static uint64_t load64(const unsigned char *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return le64toh(value);
}

static uint32_t load32(const unsigned char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

static uint32_t load16(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

static bool read_header(struct reader *reader, struct header *header)
{
    size_t available;
    const unsigned char *bytes = input_peek(reader->input, HEADER_SIZE, &available);

    if (available < HEADER_SIZE)
        return reader_fail_at_offset(reader, available, "the header of %d bytes is cut off",
                                     HEADER_SIZE);
    *header = (struct header){load64(bytes + 8), load32(bytes + 16), load32(bytes + 20)};
    input_skip(reader->input, HEADER_SIZE);
    return true;
}

/* The next record, or NULL with the message set. */
static const unsigned char *next_record(struct reader *reader, size_t size, uint64_t number,
                                        uint64_t count)
{
    size_t available;
    const unsigned char *bytes = input_peek(reader->input, size, &available);

    if (available < size) {
        reader_fail_at_offset(reader, input_offset(reader->input),
                              "the trace ends in record %" PRIu64 " of the %" PRIu64
                              " its header announces",
                              number + 1, count);
        return NULL;
    }
    return bytes;
}

static bool check_end(struct reader *reader, uint64_t count)
{
    size_t available;

    input_peek(reader->input, 1, &available);
    if (available)
        return reader_fail_at_offset(reader, input_offset(reader->input),
                                     "bytes follow the %" PRIu64 " records the header announces",
                                     count);
    return true;
}

static bool add_request(struct reader *reader, const struct request *request, uint64_t offset)
{
    if (request->value_size > WORKLOAD_MAX_VALUE_SIZE)
        return reader_fail_at_offset(reader, offset,
                                     "a value of %" PRIu32 " bytes is above the %d replay can hold",
                                     request->value_size, WORKLOAD_MAX_VALUE_SIZE);
    if (!workload_add(reader->workload, request))
        return reader_fail_at_offset(reader, offset, "no memory for request %zu",
                                     reader->workload->count + 1);
    return true;
}

static void show_progress(struct reader *reader, struct progress *progress, uint64_t number)
{
    if (number % PROGRESS_EVERY == 0)
        progress_update(progress, input_raw_offset(reader->input), input_raw_size(reader->input));
}

bool reader_read_trace(struct reader *reader, struct progress *progress)
{
    struct header header;

    if (!read_header(reader, &header))
        return false;
    if (header.third > 1 || header.fourth != 0)
        return reader_fail_at_offset(
            reader, 16, "flags %" PRIu32 " and %" PRIu32 " are not of this format's version",
            header.third, header.fourth);
    for (uint64_t i = 0; i < header.count && !reader_is_full(reader); i++) {
        const unsigned char *record = next_record(reader, TRACE_RECORD_SIZE, i, header.count);
        struct request request = {.key_size = WORKLOAD_NUMERIC_KEY_SIZE, .op = OP_GET};

        if (!record)
            return false;
        request.key = load64(record);
        request.value_size = header.third & 1
                                 ? reader_value_size(reader, load32(record + 8), request.key_size)
                                 : reader->options->value_size;
        request.ttl_ms = reader->options->ttl_ms;
        if (!add_request(reader, &request, input_offset(reader->input)))
            return false;
        input_skip(reader->input, TRACE_RECORD_SIZE);
        show_progress(reader, progress, i);
    }
    return reader_is_full(reader) || check_end(reader, header.count);
}

bool reader_read_ttl(struct reader *reader, struct progress *progress)
{
    struct header header;

    if (!read_header(reader, &header))
        return false;
    if (header.third != TTL_RECORD_SIZE)
        return reader_fail_at_offset(reader, 16, "records of %" PRIu32 " bytes, this format has %d",
                                     header.third, TTL_RECORD_SIZE);
    for (uint64_t i = 0; i < header.count && !reader_is_full(reader); i++) {
        const unsigned char *record = next_record(reader, TTL_RECORD_SIZE, i, header.count);
        uint64_t offset = input_offset(reader->input);
        struct request request;

        if (!record)
            return false;
        request = (struct request){.time_ms = load32(record),
                                   .key = load64(record + 4),
                                   .key_size = load16(record + 12),
                                   .value_size = load32(record + 14),
                                   .ttl_ms = (int64_t)load32(record + 18) * 1000,
                                   .op = record[22]};
        if (request.op >= OP_COUNT)
            return reader_fail_at_offset(reader, offset + 22, "operation %u is none of 0 .. %d",
                                         request.op, OP_COUNT - 1);
        if (request.key_size == 0)
            return reader_fail_at_offset(reader, offset + 12, "a key of no bytes");
        if (!add_request(reader, &request, offset))
            return false;
        input_skip(reader->input, TTL_RECORD_SIZE);
        show_progress(reader, progress, i);
    }
    return reader_is_full(reader) || check_end(reader, header.count);
}
