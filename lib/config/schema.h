/* SPDX-License-Identifier: Apache-2.0 */
/* What settings there are: one row per key. Everything else about a setting (parsing, range,
 * text form, defaults, suggestions for misspelt keys, its place in YAML and in the environment,
 * its documentation, whether a running store can change it) follows from its row.
 *
 * The rows and the search among them are in schema.c, the text forms of values in
 * schema_text.c. */
#ifndef MS_CONFIG_SCHEMA_H
#define MS_CONFIG_SCHEMA_H

#include "config/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_setting_type {
    MS_SETTING_DURATION,  /* stored in milliseconds */
    MS_SETTING_SIZE,      /* stored in bytes */
    MS_SETTING_MEGABYTES, /* an integer, in units of 2^20 bytes; stored in bytes */
    MS_SETTING_INTEGER,
    MS_SETTING_POWER_OF_TWO, /* an integer */
    MS_SETTING_RATIO,        /* a decimal fraction from 0 to 1; stored in millionths */
    MS_SETTING_BOOL,
    MS_SETTING_CHOICE, /* one of `choices`, by name */
    MS_SETTING_STRING, /* a text of `max` bytes at most; stored by ms_schema_keep() */
};

struct ms_setting_choice {
    const char *name; /* NULL ends the list */
    uint64_t value;
};

struct ms_setting {
    const char *path; /* under storage.memory */
    enum ms_setting_type type;
    size_t offset;       /* of its member in struct ms_settings */
    size_t size;         /* of that member: 1, 4 or 8 bytes */
    uint64_t min, max;   /* of the stored value, both allowed; unused for booleans and choices */
    const char *initial; /* the built-in default, as text */
    const char *doc;
    const struct ms_setting_choice *choices;
    bool flag_is_none; /* of a text: true and false stand for an empty one */
    /* A running store takes a new value; the member is read by ms_setting_of() alone. */
    bool live;
    const char *fixed; /* otherwise why not, as the end of a sentence; NULL for the usual reason */
};

/* All settings, ended by a row whose path is NULL; at most MS_SETTINGS_MAX. */
extern const struct ms_setting ms_schema[];
#define MS_SETTINGS_MAX 96

/* Why a running store cannot change a setting, as the end of a sentence; NULL when it can. */
const char *ms_schema_why_fixed(const struct ms_setting *setting);

/* What the path of a key is without "storage.memory.". */
const char *ms_schema_skip_prefix(const char *key);

/* The row of a key, given with or without "storage.memory." before it; NULL when there is none. */
const struct ms_setting *ms_schema_find(const char *key);

/* The row whose path or name (its last part) is the fewest edits away from a misspelt key. */
const struct ms_setting *ms_schema_nearest(const char *key);

/* Whether some key's path goes on after `name` and a dot. */
bool ms_schema_is_section(const char *name);

/* The fewest bytes to insert, delete or replace to make one text of the other, the beginnings of
 * long ones; upper and lower case count as equal. */
unsigned ms_schema_distance(const char *a, const char *b);

/* Read a member as a number, and write it. */
uint64_t ms_schema_load(const struct ms_setting *setting, const struct ms_settings *settings);
void ms_schema_store(const struct ms_setting *setting, struct ms_settings *settings,
                     uint64_t value);

/* Room for the text of any value but a string's, and a NUL. */
#define MS_SETTING_TEXT_SIZE 32

/* Parse a value and check it against the row. Returns NULL and sets `*value`, or returns what is
 * wrong with it as the end of a sentence, which may be in `problem`. */
#define MS_SETTING_PROBLEM_SIZE 128
const char *ms_schema_parse(const struct ms_setting *setting, const char *text, uint64_t *value,
                            char problem[static MS_SETTING_PROBLEM_SIZE]);

/* Keep a text for as long as the process lives, each once, so that settings can be copied, changed
 * and read without a lock like numbers. 0 when there is no memory. */
uint64_t ms_schema_keep(const char *text);

/* The text of a stored value, which ms_schema_parse() reads as that value. Returns `buf` or a
 * string that stays where it is. */
const char *ms_schema_format(const struct ms_setting *setting, uint64_t value,
                             char buf[static MS_SETTING_TEXT_SIZE]);

/* What values of the setting look like, for people: "a duration such as 250ms, ...". Written to
 * `buf`, which it returns. */
#define MS_SETTING_EXPECTED_SIZE 160
const char *ms_schema_expected(const struct ms_setting *setting,
                               char buf[static MS_SETTING_EXPECTED_SIZE]);

#endif
