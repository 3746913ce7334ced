/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON to a stream. The writer places commas, quotes and indentation; the caller opens
 * and closes in order. `name` is NULL for the members of an array and for the outermost value. */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *out;
    unsigned depth;
    bool has_members; /* the innermost open object or array is not empty */
};

void json_init(struct json *json, FILE *out);
void json_open_object(struct json *json, const char *name);
void json_close_object(struct json *json);
void json_open_array(struct json *json, const char *name);
void json_close_array(struct json *json);
void json_string(struct json *json, const char *name, const char *value);
void json_unsigned(struct json *json, const char *name, uint64_t value);
void json_number(struct json *json, const char *name, double value); /* null when not finite */
void json_bool(struct json *json, const char *name, bool value);

#endif
