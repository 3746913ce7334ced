/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool reader_is_full(const struct reader *reader)
{
    return reader->options->max_requests &&
           reader->workload->count >= reader->options->max_requests;
}

static bool fail(struct reader *reader, const char *place, uint64_t number, const char *format,
                 va_list arguments)
{
    int n = snprintf(reader->error, reader->error_cap, "%s%s%" PRIu64 ": ",
                     input_name(reader->input), place, number);

    if (n > 0 && (size_t)n < reader->error_cap)
        vsnprintf(reader->error + n, reader->error_cap - (size_t)n, format, arguments);
    return false;
}

bool reader_fail_at_offset(struct reader *reader, uint64_t offset, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fail(reader, ": offset ", offset, format, arguments);
    va_end(arguments);
    return false;
}

bool reader_fail_at_line(struct reader *reader, uint64_t line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fail(reader, ":", line, format, arguments);
    va_end(arguments);
    return false;
}

uint32_t reader_value_size(const struct reader *reader, uint64_t size, uint32_t key_size)
{
    if (reader->options->size_includes_key)
        size = size > key_size ? size - key_size : 0;
    return (uint32_t)size;
}

static bool ends_in_csv(const char *name)
{
    size_t n = strlen(name);

    if (n >= 4 && strcmp(name + n - 4, ".zst") == 0)
        n -= 4;
    return n >= 4 && memcmp(name + n - 4, ".csv", 4) == 0;
}

static bool read_in_format(struct reader *reader, struct progress *progress)
{
    enum trace_format format = reader->options->format;
    size_t available;
    const unsigned char *head = input_peek(reader->input, 8, &available);
    bool is_trace = available >= 8 && memcmp(head, "MSTRACE1", 8) == 0;
    bool is_ttl = available >= 8 && memcmp(head, "MSTTTL01", 8) == 0;

    if (format == TRACE_BINARY && !is_trace && !is_ttl)
        return reader_fail_at_offset(reader, 0,
                                     "neither MSTRACE1 nor MSTTTL01 stands at the start");
    if (format == TRACE_AUTO && is_trace)
        format = TRACE_BINARY;
    if (format == TRACE_AUTO && is_ttl)
        format = TRACE_BINARY;
    if (format == TRACE_BINARY)
        return is_trace ? reader_read_trace(reader, progress) : reader_read_ttl(reader, progress);
    if (format == TRACE_CSV || (format == TRACE_AUTO && ends_in_csv(input_name(reader->input))))
        return reader_read_csv(reader, progress);
    return reader_read_text(reader, progress);
}

bool reader_load(const char *path, const struct reader_options *options, struct progress *progress,
                 struct workload *workload, char *error, size_t error_cap)
{
    struct reader reader = {
        .options = options, .workload = workload, .error = error, .error_cap = error_cap};
    bool ok;

    workload_init(workload);
    reader.input = input_open(path, error, error_cap);
    if (!reader.input)
        return false;
    ok = read_in_format(&reader, progress);
    if (input_error(reader.input))
        ok = reader_fail_at_offset(&reader, input_offset(reader.input), "%s",
                                   input_error(reader.input));
    if (ok && workload->count == 0)
        ok = reader_fail_at_offset(&reader, input_offset(reader.input),
                                   "the trace holds no request");
    if (ok && !workload_summarize(workload)) {
        snprintf(error, error_cap, "%s: no memory to count the keys", path);
        ok = false;
    }
    progress_finish(progress);
    input_close(reader.input);
    if (!ok)
        workload_fini(workload);
    return ok;
}
