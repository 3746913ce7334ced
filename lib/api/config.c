/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <memstore/memstore.h>

memstore_config *memstore_config_new(void)
{
    return ms_config_create();
}

void memstore_config_free(memstore_config *config)
{
    ms_config_destroy(config);
}

int memstore_config_set(memstore_config *config, const char *key, const char *value)
{
    if (config == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (key == NULL || value == NULL) {
        ms_config_set_error(config, "the %s is NULL", key == NULL ? "key" : "value");
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    return ms_config_set(config, key, value);
}

int memstore_config_get(const memstore_config *config, const char *key, char *buf, size_t cap,
                        size_t *size)
{
    if (config == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (key == NULL || (buf == NULL && cap != 0)) {
        ms_config_set_error(config, "the %s is NULL", key == NULL ? "key" : "buffer");
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    return ms_config_get(config, key, buf, cap, size);
}

int memstore_config_load_file(memstore_config *config, const char *path)
{
    if (config == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (path == NULL) {
        ms_config_set_error(config, "the path is NULL");
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    return ms_config_told(config, ms_config_load_file(config, path));
}

int memstore_config_load_yaml(memstore_config *config, const char *text, size_t size)
{
    if (config == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (text == NULL && size != 0) {
        ms_config_set_error(config, "the text is NULL");
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    return ms_config_told(config, ms_config_load_yaml(config, text, size));
}

int memstore_config_load_environment(memstore_config *config)
{
    return config != NULL ? ms_config_told(config, ms_config_load_environment(config))
                          : MEMSTORE_ERR_INVALID_ARGUMENT;
}

const char *memstore_config_key(size_t number)
{
    size_t count = 0;

    while (ms_schema[count].path != NULL)
        count++;
    return number < count ? ms_schema[number].path : NULL;
}

const char *memstore_config_error(const memstore_config *config)
{
    return ms_config_error(config);
}
