/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that end by themselves: a time to live for each, asking for it, changing it, and
 * bounds for a whole store. */
#define _POSIX_C_SOURCE 200809L /* nanosleep() */
#include <memstore/memstore.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* An example shows what holds; when it does not hold, it says so and fails. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void sleep_ms(int64_t ms)
{
    struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&span, NULL);
}

static void live_and_expire(memstore *store)
{
    int64_t left;

    /* A session for 50 ms, a setting for ever. */
    EXPECT(memstore_set(store, "session/1", 9, "alice", 5, 50) == MEMSTORE_OK);
    EXPECT(memstore_set(store, "setting", 7, "on", 2, MEMSTORE_TTL_NONE) == MEMSTORE_OK);

    EXPECT(memstore_get_ttl(store, "setting", 7, &left) == MEMSTORE_ERR_TTL_NOT_SET);

    sleep_ms(60);
    EXPECT(memstore_has(store, "session/1", 9) == MEMSTORE_ERR_KEY_NOT_FOUND);
    EXPECT(memstore_has(store, "setting", 7) == MEMSTORE_OK);
    /* The count is exact: what has expired is not in it, whether or not its memory was taken
     * back yet. */
    EXPECT(memstore_size(store) == 1);

    /* What has expired cannot be given more time. */
    EXPECT(memstore_update_ttl(store, "session/1", 9, 1000) != MEMSTORE_OK);
    printf("the session is gone, the setting is there\n");
}

static void prolong(memstore *store)
{
    int64_t left, at;

    EXPECT(memstore_set(store, "lease", 5, "node-7", 6, 60000) == MEMSTORE_OK);
    EXPECT(memstore_update_ttl(store, "lease", 5, 3600000) == MEMSTORE_OK);
    EXPECT(memstore_get_ttl(store, "lease", 5, &left) == MEMSTORE_OK);
    EXPECT(left > 3500000 && left <= 3600000);

    EXPECT(memstore_get_expiration(store, "lease", 5, &at) == MEMSTORE_OK);
    EXPECT(at > (int64_t)time(NULL) * 1000);
    printf("the lease ends in %" PRId64 " s\n", left / 1000);

    /* An end can also be given as a point in time; one that has passed is refused and the entry
     * stays. */
    EXPECT(memstore_set_until(store, "lease", 5, "node-8", 6, 1000) == MEMSTORE_ERR_TTL_EXPIRED);
    EXPECT(memstore_get_ttl(store, "lease", 5, &left) == MEMSTORE_OK);
}

static void bounds(void)
{
    memstore_config *config = memstore_config_new();
    memstore *store;
    int64_t left;

    EXPECT(config != NULL);
    EXPECT(memstore_config_set(config, "ttl.default_ttl", "1h") == MEMSTORE_OK);
    EXPECT(memstore_config_set(config, "ttl.min_ttl", "1m") == MEMSTORE_OK);
    EXPECT(memstore_config_set(config, "ttl.max_ttl", "24h") == MEMSTORE_OK);
    EXPECT(memstore_open(config, &store) == MEMSTORE_OK);
    memstore_config_free(config);

    EXPECT(memstore_set(store, "k", 1, "v", 1, 500) == MEMSTORE_ERR_INVALID_TTL);
    EXPECT(memstore_set(store, "k", 1, "v", 1, MEMSTORE_TTL_DEFAULT) == MEMSTORE_OK);
    EXPECT(memstore_get_ttl(store, "k", 1, &left) == MEMSTORE_OK);
    EXPECT(left > 3500000 && left <= 3600000);
    memstore_destroy(store);
}

int main(void)
{
    memstore *store;

    EXPECT(memstore_open(NULL, &store) == MEMSTORE_OK);
    live_and_expire(store);
    prolong(store);
    memstore_destroy(store);
    bounds();
    return 0;
}
