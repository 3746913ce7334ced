/* SPDX-License-Identifier: Apache-2.0 */
/* A file as a stream of bytes, decompressed on the way when it is zstd, whatever its name. */
#ifndef REPLAY_INPUT_H
#define REPLAY_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input;

/* Open a file, "-" for the standard input. NULL on failure, with a message in error. */
struct input *input_open(const char *path, char *error, size_t error_cap);
void input_close(struct input *input);

/* The next `wanted` bytes (at most 64 KiB) without consuming them; *available is less only at
 * the end of the file or after a failure. The pointer is valid until the next call. */
const unsigned char *input_peek(struct input *input, size_t wanted, size_t *available);
void input_skip(struct input *input, size_t n);

/* Uncompressed bytes consumed so far, and compressed bytes read with the file's size (0 =
 * unknown), for progress. */
uint64_t input_offset(const struct input *input);
uint64_t input_raw_offset(const struct input *input);
uint64_t input_raw_size(const struct input *input);

/* What went wrong while reading; NULL when nothing did. */
const char *input_error(const struct input *input);
const char *input_name(const struct input *input);

#endif
