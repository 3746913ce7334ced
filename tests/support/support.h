/* SPDX-License-Identifier: Apache-2.0 */
/* What tests share: random numbers from a printed seed, stores from lists of settings, checks
 * for plain programs. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Random numbers ---- */

struct test_rng {
    uint64_t state;
};

/* splitmix64: one word of state, so that a seed replays a run. */
static inline uint64_t test_random(struct test_rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [0, bound); bound is not 0. */
static inline uint64_t test_below(struct test_rng *rng, uint64_t bound)
{
    return test_random(rng) % bound;
}

/* True once in `n` times. */
static inline bool test_one_in(struct test_rng *rng, uint64_t n)
{
    return test_below(rng, n) == 0;
}

/* The seed of this run: MEMSTORE_TEST_SEED from the environment, else a fresh one. Printed to
 * stderr either way. */
uint64_t test_seed(const char *program);

/* Seconds a stress program may take: its first argument, else MEMSTORE_TEST_SECONDS, else
 * `otherwise`. */
double test_seconds(int argc, char **argv, double otherwise);

/* How often where more of the same takes longer and goes no other way: a part of it under a
 * sanitizer, which looks at each step and takes several times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_FEWER(count, part) ((count) / (part))
#else
#define TEST_FEWER(count, part) (count)
#endif

/* ---- Stores ---- */

/* Open a store from settings such as "shards=1", ended by NULL. Ends the program when that
 * fails. */
memstore *test_open(const char *setting, ...) __attribute__((sentinel));

memstore *test_open_defaults(void);
/* The same from an array that NULL ends. */
memstore *test_open_list(const char *const *settings);

/* The same, for settings that may be refused: the status, and the configuration's sentence in
 * `error` (may be NULL). */
int test_try_open(memstore **out, char error[256], const char *setting, ...)
    __attribute__((sentinel));

/* Calls with C strings for keys and values. */
int test_set(memstore *store, const char *key, const char *value, int64_t ttl_ms);
/* Whether `key` holds exactly `value`; NULL asks whether it is absent. */
bool test_holds(memstore *store, const char *key, const char *value);
int test_has(memstore *store, const char *key);
int test_delete(memstore *store, const char *key);
/* Milliseconds that an entry has left, or a status. */
int64_t test_ttl(memstore *store, const char *key);
memstore_key test_key(const char *key);
memstore_entry test_entry(const char *key, const char *value, int64_t ttl_ms);
memstore_stats test_stats(memstore *store);
memstore_memory_stats test_memory(memstore *store);
memstore_rates test_rates(memstore *store);
/* Whether the size is what `count` finds when nobody writes. Maintenance may still evict while it
 * counts, so it counts again, for a minute at most: a size that is wrong stays wrong. */
bool test_size_agrees(memstore *store, uint64_t (*count)(void));
/* `size` bytes that `seed` determines; for free(). */
unsigned char *test_bytes(size_t size, uint64_t seed);
/* Set keys that are the numbers from `first` on, with values of so many bytes, until one is refused or there are
 * `most`. Returns how many were stored. */
uint64_t test_set_numbers(memstore *store, uint64_t first, uint64_t most, size_t size);

/* ---- The process ---- */

/* Monotonic seconds. */
double test_now(void);
void test_sleep_ms(unsigned ms);
/* Resident bytes of this process. */
size_t test_resident(void);
/* How many threads, descriptors and mappings this process has. */
unsigned test_count_threads(void);
/* The same once there are no more than so many, or after ten seconds: the system lists a thread that
 * was joined for a moment longer. */
unsigned test_count_threads_down_to(unsigned most);
unsigned test_count_descriptors(void);
unsigned test_count_maps(void);

/* ---- Checks of plain programs ---- */

struct test_case {
    const char *name;
    void (*run)(void);
};

/* Run all cases, or those whose names contain `filter` (may be NULL). Prints one line per case
 * and the closing line. */
int test_run_cases(const char *program, const struct test_case *cases, size_t count,
                   const char *filter);

/* Say what failed and end the program with status 1, whichever thread calls. */
_Noreturn void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "%s", #condition);                                       \
    } while (0)

#define CHECK_STATUS(call, wanted)                                                                 \
    do {                                                                                           \
        const int check_got = (call);                                                              \
        if (check_got != (wanted))                                                                 \
            test_fail(__FILE__, __LINE__, "%s gave %s, expected %s", #call,                        \
                      memstore_status_name(check_got), memstore_status_name(wanted));              \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, MEMSTORE_OK)

#define TEST_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
