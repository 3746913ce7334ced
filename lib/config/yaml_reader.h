/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as a sequence of events, and what is wrong with it as sentences that begin with a place.
 *
 * libyaml does the parsing. Anchors and aliases are refused as they are met, so that nothing is
 * ever expanded. The first failure is the last: its reader ends there. */
#ifndef MS_CONFIG_YAML_READER_H
#define MS_CONFIG_YAML_READER_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

/* Where something stands, counted from 1; line 0 is nowhere. Columns count characters. */
struct ms_yaml_mark {
    size_t line, column;
};

/* The place of what concerns all of a text. */
#define MS_YAML_WHOLE ((struct ms_yaml_mark){0})

struct ms_yaml {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    const char *name; /* of the text, in errors */
    const char *text;
    size_t size;
    int status; /* why it failed */
    char why[MS_CONFIG_TEXT_SIZE];
};

/* Begin to read a text, which stays in place. False when there is no memory. */
bool ms_yaml_open(struct ms_yaml *yaml, const char *name, const char *text, size_t size);
void ms_yaml_close(struct ms_yaml *yaml);

/* Fail with INVALID_CONFIG for the reason of a sentence about what stands at `at`. Returns false. */
bool ms_yaml_fail(struct ms_yaml *yaml, struct ms_yaml_mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Go on to the next event; false when it fails. */
bool ms_yaml_next(struct ms_yaml *yaml);
/* Pass over the value that begins with the event; its end is the event then. */
bool ms_yaml_skip_value(struct ms_yaml *yaml);

/* ---- The event ---- */

struct ms_yaml_mark ms_yaml_here(const struct ms_yaml *yaml);
bool ms_yaml_is_scalar(const struct ms_yaml *yaml);
const char *ms_yaml_scalar(const struct ms_yaml *yaml);
/* Whether there is a NUL in the scalar beside the one at its end, which is libyaml's. */
bool ms_yaml_has_nul(const struct ms_yaml *yaml);
/* A value left out, as in a section whose every line is a comment. */
bool ms_yaml_is_nothing(const struct ms_yaml *yaml);
bool ms_yaml_is_tagged(const struct ms_yaml *yaml);
/* "a mapping" or "a list". */
const char *ms_yaml_kind(const struct ms_yaml *yaml);

#endif
