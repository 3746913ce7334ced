/* SPDX-License-Identifier: Apache-2.0 */
/** @file config.h
 * Settings of a store, by the names of their YAML paths under `storage.memory`.
 *
 * Values are text with units: durations `250ms`, `10s`, `5m`, `1.5h`, `7d`, `0`, or a plain
 * number of milliseconds; sizes in plain bytes, `kB` `MB` `GB` (powers of 1000) or `KiB` `MiB`
 * `GiB` (of 1024); booleans `true` and `false`. docs/configuration.md has every setting.
 *
 * Settings come from calls, from YAML and from the environment, in the order of the calls: the
 * later one wins.
 *
 *     memstore_config *config = memstore_config_new();
 *     if (memstore_config_load_file(config, "wes.yaml") != MEMSTORE_OK ||
 *         memstore_config_load_environment(config) != MEMSTORE_OK ||
 *         memstore_open(config, &store) != MEMSTORE_OK)
 *         fprintf(stderr, "%s\n", memstore_config_error(config));
 *     memstore_config_free(config); */
#ifndef MEMSTORE_CONFIG_H
#define MEMSTORE_CONFIG_H

#include <memstore/export.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of settings. Not shared with the stores opened from it: it may be changed or freed
 * afterwards. */
typedef struct memstore_config memstore_config;

/** Create a configuration that holds the built-in defaults.
 * @return a new configuration for memstore_config_free(), or NULL when the system gave no memory
 * @threadsafety any
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API memstore_config *memstore_config_new(void);

/** Free a configuration. Stores opened from it are not affected.
 * @param[in] config may be NULL
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API void memstore_config_free(memstore_config *config);

/** Change one setting.
 * @param[in,out] config the configuration
 * @param[in] key the setting's path, for example "ttl.default_ttl"
 * @param[in] value the new value as text, for example "1h"
 * @retval MEMSTORE_OK the setting is changed
 * @retval MEMSTORE_ERR_INVALID_CONFIG unknown key, wrong unit or type, or out of range: nothing
 *     is changed and memstore_config_error() says what was expected
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_config_set(memstore_config *config, const char *key, const char *value);

/** Read one setting as text, in the form memstore_config_set() accepts.
 * @param[in] config the configuration
 * @param[in] key the setting's path
 * @param[out] buf receives the text and a terminating NUL; may be NULL when cap is 0
 * @param[in] cap bytes at buf
 * @param[out] size receives the length of the text without its NUL; may be NULL
 * @retval MEMSTORE_OK the text is in buf
 * @retval MEMSTORE_ERR_BUFFER_TOO_SMALL cap is below length + 1: *size is set and nothing is copied
 * @retval MEMSTORE_ERR_INVALID_CONFIG unknown key
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT config or key is NULL
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_config_get(const memstore_config *config, const char *key, char *buf,
                                     size_t cap, size_t *size);

/** Read settings from a YAML file, over those that the configuration has. They stand under
 * `storage.memory`, or at the top; beside `storage.memory` there may be sections of other
 * programs. The file is applied whole or not at all. Refused are: unknown keys, also misplaced
 * ones; values of a wrong type, unit or range; keys given twice; settings that contradict each
 * other; anchors, aliases and tags; a second document; text that is not UTF-8; more than 1 MiB.
 * @param[in,out] config the configuration
 * @param[in] path the file
 * @retval MEMSTORE_OK the settings are changed
 * @retval MEMSTORE_ERR_INVALID_CONFIG the file is refused and nothing is changed;
 *     memstore_config_error() says where and why: "wes.yaml:12:17: ttl.min_ttl: ...", with line
 *     and column from 1
 * @retval MEMSTORE_ERR_IO the file cannot be read; memstore_config_error() says why
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory to read it
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL
 * @progress Lock-free, but for reading the file.
 * @threadsafety object
 * @since 0.1 */
MEMSTORE_API int memstore_config_load_file(memstore_config *config, const char *path);

/** The same as memstore_config_load_file() from memory. Errors begin with "yaml:line:column: ".
 * @param[in,out] config the configuration
 * @param[in] yaml,yaml_size the text in UTF-8, with or without a NUL after it; may be NULL when
 *     yaml_size is 0
 * @retval MEMSTORE_OK the settings are changed
 * @retval MEMSTORE_ERR_INVALID_CONFIG the text is refused and nothing is changed;
 *     memstore_config_error() says where and why
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory to read it
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT config is NULL, or yaml is and yaml_size is not 0
 * @progress Lock-free.
 * @threadsafety object
 * @since 0.1 */
MEMSTORE_API int memstore_config_load_yaml(memstore_config *config, const char *yaml,
                                           size_t yaml_size);

/** Read settings from the environment, over those that the configuration has: a setting's
 * variable is `MEMSTORE_` and its path in capitals, dots as underscores, such as
 * `MEMSTORE_PERFORMANCE_MEMORY_LIMIT`. Applied whole or not at all. A variable that looks like a
 * misspelt one is refused; other variables that begin with `MEMSTORE_` are not looked at.
 *
 * The library reads no setting from the environment unless this is called: whether variables
 * may change what a program does is for the program to say.
 * @param[in,out] config the configuration
 * @retval MEMSTORE_OK the settings are changed
 * @retval MEMSTORE_ERR_INVALID_CONFIG a variable is refused and nothing is changed;
 *     memstore_config_error() says which and why
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT config is NULL
 * @progress Lock-free.
 * @threadsafety object (and no other thread changes the environment meanwhile)
 * @since 0.1 */
MEMSTORE_API int memstore_config_load_environment(memstore_config *config);

/** The path of each setting there is, to list them.
 * @param[in] number 0, 1, 2 and so on
 * @return the path, such as "ttl.max_ttl", valid for ever; NULL from the number of settings on
 * @progress Lock-free.
 * @threadsafety any
 * @since 0.1 */
MEMSTORE_API const char *memstore_config_key(size_t number);

/** Why the last call with this configuration failed: memstore_config_set(), _get(), _load_file(),
 * _load_yaml(), _load_environment() or memstore_open().
 * @param[in] config may be NULL
 * @return a sentence owned by the configuration, valid until its next call; "" when nothing failed
 * @threadsafety object
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API const char *memstore_config_error(const memstore_config *config);

#ifdef __cplusplus
}
#endif

#endif
