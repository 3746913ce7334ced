/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

enum { BUFFER_SIZE = 256 * 1024, MAX_PEEK = 64 * 1024, RAW_SIZE = 128 * 1024 };

struct input {
    FILE *file;
    char *name;
    ZSTD_DStream *zstd;    /* NULL: the file is not compressed */
    ZSTD_inBuffer raw;     /* compressed bytes read and not yet decompressed */
    bool frame_open;       /* a zstd frame has begun and not ended */
    unsigned char *buffer; /* uncompressed bytes: [begin, end) is unread */
    size_t begin, end;
    uint64_t consumed, raw_consumed, raw_total;
    char error[256];
    unsigned char raw_bytes[RAW_SIZE];
};

static void fail(struct input *input, const char *what)
{
    if (input->error[0] == '\0')
        snprintf(input->error, sizeof input->error, "%s", what);
}

static size_t read_file(struct input *input, void *out, size_t cap)
{
    size_t n = fread(out, 1, cap, input->file);

    if (n == 0 && ferror(input->file))
        fail(input, strerror(errno));
    input->raw_consumed += n;
    return n;
}

static size_t read_zstd(struct input *input, void *out, size_t cap)
{
    ZSTD_outBuffer plain = {.dst = out, .size = cap};

    while (plain.pos == 0) {
        size_t result;

        if (input->raw.pos == input->raw.size) {
            input->raw.size = read_file(input, input->raw_bytes, RAW_SIZE);
            input->raw.pos = 0;
            if (input->raw.size == 0) {
                if (input->frame_open)
                    fail(input, "the zstd stream ends in the middle of a frame");
                return 0;
            }
        }
        result = ZSTD_decompressStream(input->zstd, &plain, &input->raw);
        if (ZSTD_isError(result)) {
            fail(input, ZSTD_getErrorName(result));
            return 0;
        }
        input->frame_open = result != 0;
    }
    return plain.pos;
}

static void start_decompression(struct input *input)
{
    static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    size_t n = read_file(input, input->raw_bytes, RAW_SIZE);

    if (n >= sizeof magic && memcmp(input->raw_bytes, magic, sizeof magic) == 0) {
        input->zstd = ZSTD_createDStream();
        input->raw = (ZSTD_inBuffer){.src = input->raw_bytes, .size = n};
        if (!input->zstd)
            fail(input, "no memory for zstd");
        return;
    }
    memcpy(input->buffer, input->raw_bytes, n);
    input->end = n;
}

static bool open_file(struct input *input, const char *path)
{
    struct stat status;

    input->name = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    input->buffer = malloc(BUFFER_SIZE);
    if (!input->name || !input->buffer)
        return false;
    input->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!input->file)
        return false;
    if (fstat(fileno(input->file), &status) == 0 && S_ISREG(status.st_mode))
        input->raw_total = (uint64_t)status.st_size;
    return true;
}

struct input *input_open(const char *path, char *error, size_t error_cap)
{
    struct input *input = calloc(1, sizeof *input);

    if (!input || !open_file(input, path)) {
        snprintf(error, error_cap, "%s: %s", path, strerror(errno));
        input_close(input);
        return NULL;
    }
    start_decompression(input);
    return input;
}

void input_close(struct input *input)
{
    if (!input)
        return;
    if (input->file && input->file != stdin)
        fclose(input->file);
    ZSTD_freeDStream(input->zstd);
    free(input->buffer);
    free(input->name);
    free(input);
}

const unsigned char *input_peek(struct input *input, size_t wanted, size_t *available)
{
    if (wanted > MAX_PEEK)
        wanted = MAX_PEEK;
    while (input->end - input->begin < wanted && input->error[0] == '\0') {
        size_t n, room;

        if (input->begin) {
            memmove(input->buffer, input->buffer + input->begin, input->end - input->begin);
            input->end -= input->begin;
            input->begin = 0;
        }
        room = BUFFER_SIZE - input->end;
        n = input->zstd ? read_zstd(input, input->buffer + input->end, room)
                        : read_file(input, input->buffer + input->end, room);
        if (n == 0)
            break;
        input->end += n;
    }
    *available = input->end - input->begin < wanted ? input->end - input->begin : wanted;
    return input->buffer + input->begin;
}

void input_skip(struct input *input, size_t n)
{
    input->begin += n;
    input->consumed += n;
}

uint64_t input_offset(const struct input *input)
{
    return input->consumed;
}

uint64_t input_raw_offset(const struct input *input)
{
    return input->raw_consumed;
}

uint64_t input_raw_size(const struct input *input)
{
    return input->raw_total;
}

const char *input_error(const struct input *input)
{
    return input->error[0] ? input->error : NULL;
}

const char *input_name(const struct input *input)
{
    return input->name;
}
