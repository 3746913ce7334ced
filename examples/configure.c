/* SPDX-License-Identifier: Apache-2.0 */
/* A store set up from a file, the environment and a call, each over what was before it; and
 * settings that change while it runs.
 *
 *     configure [FILE]        FILE is wes.yaml when it is left out */
#include <memstore/memstore.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An example shows what holds; when it does not hold, it says so and fails. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The file first; then what the environment says, because this program wants it to; then what this
 * program insists on. */
static memstore_config *read_settings(const char *path)
{
    memstore_config *config = memstore_config_new();

    EXPECT(config != NULL);
    if (memstore_config_load_file(config, path) == MEMSTORE_OK &&
        memstore_config_load_environment(config) == MEMSTORE_OK &&
        memstore_config_set(config, "performance.memory_limit", "256MB") == MEMSTORE_OK)
        return config;
    fprintf(stderr, "%s\n", memstore_config_error(config));
    memstore_config_free(config);
    return NULL;
}

static memstore *open_from(const char *path)
{
    memstore_config *config = read_settings(path);
    memstore *store = NULL;

    if (config != NULL && memstore_open(config, &store) != MEMSTORE_OK)
        fprintf(stderr, "%s\n", memstore_config_error(config));
    memstore_config_free(config);
    return store;
}

/* What a service does when it is told that its file has changed, by SIGHUP for example: all of it
 * counts from now on, or nothing does and the reason is in its log. */
static void reload(memstore *store, const char *path)
{
    memstore_config *config = read_settings(path);
    char why[512] = "";

    if (config != NULL && memstore_reconfigure_all(store, config, why, sizeof why) != MEMSTORE_OK)
        fprintf(stderr, "the settings stay as they were: %s\n", why);
    memstore_config_free(config);
}

/* What is wrong is named with its place, and nothing of it is applied. */
static void show_mistake(void)
{
    static const char text[] = "storage:\n"
                               "  memory:\n"
                               "    shards: 64\n"
                               "    ttl:\n"
                               "      defualt_ttl: 1h\n";
    memstore_config *config = memstore_config_new();
    char shards[32];

    EXPECT(config != NULL);
    EXPECT(memstore_config_load_yaml(config, text, strlen(text)) == MEMSTORE_ERR_INVALID_CONFIG);
    printf("%s\n", memstore_config_error(config));
    EXPECT(memstore_config_get(config, "shards", shards, sizeof shards, NULL) == MEMSTORE_OK);
    EXPECT(strcmp(shards, "1024") == 0);
    memstore_config_free(config);
}

static void change_while_running(memstore *store)
{
    char why[512];
    int64_t left;

    EXPECT(memstore_reconfigure(store, "ttl.default_ttl", "5m") == MEMSTORE_OK);
    EXPECT(memstore_set(store, "k", 1, "v", 1, MEMSTORE_TTL_DEFAULT) == MEMSTORE_OK);
    EXPECT(memstore_get_ttl(store, "k", 1, &left) == MEMSTORE_OK && left <= 301000);

    EXPECT(memstore_reconfigure(store, "performance.memory_limit", "128MB") == MEMSTORE_OK);
    printf("the limit is now %" PRIu64 " bytes\n", memstore_capacity(store));

    EXPECT(memstore_reconfigure_explained(store, "shards", "64", why, sizeof why) ==
           MEMSTORE_ERR_UNSUPPORTED);
    printf("%s\n", why);
}

int main(int argc, char **argv)
{
    const char *const path = argc > 1 ? argv[1] : "wes.yaml";
    memstore *store = open_from(path);
    char limit[32];

    if (store == NULL)
        return 1;
    show_mistake();
    change_while_running(store);
    reload(store, path);
    EXPECT(memstore_get_setting(store, "performance.memory_limit", limit, sizeof limit, NULL) ==
           MEMSTORE_OK);
    printf("as the program wants it again: %s\n", limit);
    memstore_destroy(store);
    return 0;
}
