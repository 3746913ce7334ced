/* SPDX-License-Identifier: Apache-2.0 */
/* A set of settings that a program builds by name and text, before a store is opened from it.
 *
 * The rows of config/schema.h say what keys there are; the values live in one struct
 * ms_settings, parsed. A value is checked by itself when it is set. What several settings must
 * agree on is checked by ms_config_resolve(), because settings arrive one at a time and in any
 * order.
 *
 * CF-1  A refused change changes nothing but the error text; a refused file, text or environment
 *       is refused as a whole.
 * CF-2  What ms_config_get() writes, ms_config_set() accepts and reads as the same value.
 *
 * Not locked: one thread at a time uses a configuration. */
#ifndef MS_CONFIG_CONFIG_H
#define MS_CONFIG_CONFIG_H

#include "config/schema.h"
#include "config/settings.h"
#include "log/log.h"

#include <memstore/config.h>
#include <memstore/status.h>
#include <stddef.h>

/* The longest sentence: where (a file's path, cut, line and column), a key, a value (both quoted,
 * cut), what is wrong and what was expected. */
#define MS_CONFIG_TEXT_SIZE 768

/* A configuration with the built-in defaults; NULL when there is no memory. */
memstore_config *ms_config_create(void);
void ms_config_destroy(memstore_config *config);

/* The settings a store has when it is opened without a configuration. */
void ms_config_defaults(struct ms_settings *out);

/* As the public functions of the same name; pointers are checked by the caller. */
int ms_config_set(memstore_config *config, const char *key, const char *value);
int ms_config_get(const memstore_config *config, const char *key, char *buf, size_t cap,
                  size_t *size);

/* Settings that contradict each other. */
struct ms_config_conflict {
    const char *one, *other; /* their paths */
    char text[MS_CONFIG_TEXT_SIZE];
};

/* Compute what follows from several settings, which is the limit, and check that they agree.
 * False, with the reason in `conflict`, when they contradict each other. */
bool ms_config_settle(struct ms_settings *settings, struct ms_config_conflict *conflict);
/* Whether what is set aside for events is less than the limit of settled settings. Only asked of all
 * settings there are: a text may leave the limit to what comes after it. */
bool ms_config_memory_agrees(const struct ms_settings *settings,
                             struct ms_config_conflict *conflict);
/* Both. */
bool ms_config_settle_all(struct ms_settings *settings, struct ms_config_conflict *conflict);

/* Change one setting of a running store, given as text, in a copy of its settings: OK,
 * INVALID_CONFIG, or UNSUPPORTED for one that a running store cannot change. `*setting` is its
 * row. On failure the reason is in `why`. */
int ms_config_change(struct ms_settings *settings, const char *key, const char *value,
                     const struct ms_setting **setting, char why[static MS_CONFIG_TEXT_SIZE]);

/* Which settings of a running store are others in `next`, and how many: OK, or UNSUPPORTED with the
 * reason in `why` when there is one among them that a running store cannot change. */
int ms_config_compare(const struct ms_settings *now, const struct ms_settings *next,
                      const struct ms_setting *changed[static MS_SETTINGS_MAX], size_t *count,
                      char why[static MS_CONFIG_TEXT_SIZE]);

/* The text of a setting: see memstore_config_get(). */
int ms_config_text(const struct ms_settings *settings, const char *key, char *buf, size_t cap,
                   size_t *size, char why[static MS_CONFIG_TEXT_SIZE]);

/* Check that the settings agree with each other, and copy them to `out`. `config` may be NULL,
 * which means the defaults.
 *
 * MEMSTORE_ERR_INVALID_CONFIG, with the reason in the configuration and `out` untouched, when
 * they contradict each other. */
int ms_config_resolve(const memstore_config *config, struct ms_settings *out);

/* The same functions of config/yaml.c and config/environment.c. */
int ms_config_load_file(memstore_config *config, const char *path);
int ms_config_load_yaml(memstore_config *config, const char *text, size_t size);
int ms_config_load_environment(memstore_config *config);

/* Why the last call failed; "" when it did not. `config` may be NULL. */
const char *ms_config_error(const memstore_config *config);

/* What is to be changed as a whole is changed in a copy: take one, and put it back. */
void ms_config_copy_settings(const memstore_config *config, struct ms_settings *out);
void ms_config_replace_settings(memstore_config *config, const struct ms_settings *settings);

/* Where a text gave the value of a setting, counted from 1; line 0 = it did not. */
struct ms_config_place {
    size_t line, column;
};

/* Remember where the settings in force were given, by row of the schema, in the text of a name. What another text or
 * call has given since is nowhere. */
void ms_config_note_places(memstore_config *config, const char *name,
                           const struct ms_config_place places[static MS_SETTINGS_MAX]);
/* Have the sentence `why`, which begins with the path of a setting, be what the last call failed with; after the place of
 * that setting, or else of the one at `other` (may be NULL), if it is known. */
void ms_config_refuse(const memstore_config *config, const char *why, const char *other);

/* Whom memstore_set_logger() has named. */
struct ms_logger *ms_config_logger(memstore_config *config);
extern const struct ms_logger ms_config_default_logger;
/* Where a configuration was refused its logger is told why. Returns `status`. `config` may be NULL,
 * and its log is not part of the settings: see ms_config_set_error(). */
int ms_config_told(const memstore_config *config, int status);

/* Text of the caller's, safe to show: in quotes, cut when long, without bytes that a terminal, a
 * log or a decoder of another language could stumble over. Returns `buf`. */
#define MS_QUOTED_SIZE 68
const char *ms_config_quote(const char *text, char buf[static MS_QUOTED_SIZE]);

/* Parse a value for a setting. False, with "path: what is wrong; what was expected" in `why`. */
bool ms_config_parse(const struct ms_setting *setting, const char *text, uint64_t *value,
                     char why[static MS_CONFIG_TEXT_SIZE]);

/* Say why an operation on this configuration failed. The error text is not part of the settings:
 * it may be written through a const configuration, which is never in read-only memory. `config`
 * may be NULL, which does nothing. */
void ms_config_set_error(const memstore_config *config, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
