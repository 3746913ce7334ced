/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* ---- Random numbers ---- */

uint64_t test_seed(const char *program)
{
    const char *given = getenv("MEMSTORE_TEST_SEED");
    uint64_t seed = 0;

    if (given != NULL)
        seed = strtoull(given, NULL, 0);
    else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)time(NULL);
    fprintf(stderr, "%s: MEMSTORE_TEST_SEED=%" PRIu64 "\n", program, seed);
    return seed;
}

double test_seconds(int argc, char **argv, double otherwise)
{
    const char *text = argc > 1 ? argv[1] : getenv("MEMSTORE_TEST_SECONDS");
    const double seconds = text != NULL ? strtod(text, NULL) : 0;

    return seconds > 0 ? seconds : otherwise;
}

unsigned char *test_bytes(size_t size, uint64_t seed)
{
    unsigned char *bytes = malloc(size + 8);
    struct test_rng rng = {seed};

    if (bytes == NULL)
        test_fail(__FILE__, __LINE__, "no memory for %zu bytes", size);
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t word = test_random(&rng);
        memcpy(bytes + i, &word, 8);
    }
    return bytes;
}

uint64_t test_set_numbers(memstore *store, uint64_t first, uint64_t most, size_t size)
{
    unsigned char *value = test_bytes(size, 1);
    uint64_t key = first;

    while (key - first < most &&
           memstore_set(store, &key, sizeof key, value, size, 0) == MEMSTORE_OK)
        key++;
    free(value);
    return key - first;
}

/* ---- Stores ---- */

static int apply_setting(memstore_config *config, const char *setting)
{
    const char *equals = strchr(setting, '=');
    char key[128];

    if (equals == NULL || (size_t)(equals - setting) >= sizeof key)
        test_fail(__FILE__, __LINE__, "not a setting: %s", setting);
    memcpy(key, setting, (size_t)(equals - setting));
    key[equals - setting] = '\0';
    return memstore_config_set(config, key, equals + 1);
}

static int open_from(memstore **out, char error[256], const char *const *settings)
{
    memstore_config *config = memstore_config_new();
    int status = config == NULL ? MEMSTORE_ERR_MEMORY_EXHAUSTED : MEMSTORE_OK;

    *out = NULL;
    for (; status == MEMSTORE_OK && *settings != NULL; settings++)
        status = apply_setting(config, *settings);
    if (status == MEMSTORE_OK)
        status = memstore_open(config, out);
    if (error != NULL)
        snprintf(error, 256, "%s", config == NULL ? "" : memstore_config_error(config));
    memstore_config_free(config);
    return status;
}

#define MAX_SETTINGS 32

static void collect(const char *settings[MAX_SETTINGS], const char *first, va_list more)
{
    unsigned count = 0;

    for (; first != NULL; first = va_arg(more, const char *)) {
        if (count + 1 == MAX_SETTINGS)
            test_fail(__FILE__, __LINE__, "too many settings");
        settings[count++] = first;
    }
    settings[count] = NULL;
}

memstore *test_open_list(const char *const *settings)
{
    char error[256];
    memstore *store;
    const int status = open_from(&store, error, settings);

    if (status != MEMSTORE_OK)
        test_fail(__FILE__, __LINE__, "open gave %s: %s", memstore_status_name(status), error);
    return store;
}

memstore *test_open(const char *setting, ...)
{
    const char *settings[MAX_SETTINGS];
    va_list more;

    va_start(more, setting);
    collect(settings, setting, more);
    va_end(more);
    return test_open_list(settings);
}

memstore *test_open_defaults(void)
{
    return test_open_list((const char *const[]){NULL});
}

int test_try_open(memstore **out, char error[256], const char *setting, ...)
{
    const char *settings[MAX_SETTINGS];
    va_list more;

    va_start(more, setting);
    collect(settings, setting, more);
    va_end(more);
    return open_from(out, error, settings);
}

int test_set(memstore *store, const char *key, const char *value, int64_t ttl_ms)
{
    return memstore_set(store, key, strlen(key), value, strlen(value), ttl_ms);
}

bool test_holds(memstore *store, const char *key, const char *value)
{
    memstore_view view;
    const int status = memstore_get_view(store, key, strlen(key), &view);

    if (status != MEMSTORE_OK)
        return value == NULL && status == MEMSTORE_ERR_KEY_NOT_FOUND;
    const bool same =
        value != NULL && view.size == strlen(value) && memcmp(view.data, value, view.size) == 0;
    memstore_view_release(&view);
    return same;
}

int test_has(memstore *store, const char *key)
{
    return memstore_has(store, key, strlen(key));
}

int test_delete(memstore *store, const char *key)
{
    return memstore_delete(store, key, strlen(key));
}

int64_t test_ttl(memstore *store, const char *key)
{
    int64_t ttl = 0;
    const int status = memstore_get_ttl(store, key, strlen(key), &ttl);

    return status == MEMSTORE_OK ? ttl : status;
}

memstore_key test_key(const char *key)
{
    return (memstore_key){key, strlen(key)};
}

memstore_entry test_entry(const char *key, const char *value, int64_t ttl_ms)
{
    return (memstore_entry){test_key(key), value, strlen(value), ttl_ms};
}

memstore_stats test_stats(memstore *store)
{
    memstore_stats stats = {.struct_size = sizeof stats};

    CHECK_OK(memstore_get_stats(store, &stats));
    return stats;
}

memstore_memory_stats test_memory(memstore *store)
{
    memstore_memory_stats stats = {.struct_size = sizeof stats};

    CHECK_OK(memstore_get_memory_stats(store, &stats));
    return stats;
}

memstore_rates test_rates(memstore *store)
{
    memstore_rates rates = {.struct_size = sizeof rates};

    CHECK_OK(memstore_get_rates(store, &rates));
    return rates;
}

bool test_size_agrees(memstore *store, uint64_t (*count)(void))
{
    const double end = test_now() + 60;

    do {
        const uint64_t found = count();
        if (memstore_size(store) == found)
            return true;
    } while (test_now() < end);
    return false;
}

/* ---- The process ---- */

double test_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void test_sleep_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* As the system keeps count: some hundred KiB off where each processor counts for itself. */
static size_t resident_by_count(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t total = 0, resident = 0;

    if (file == NULL || fscanf(file, "%zu %zu", &total, &resident) != 2)
        test_fail(__FILE__, __LINE__, "cannot read /proc/self/statm");
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* The pages themselves are looked at, where the system has a file for that. */
size_t test_resident(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    size_t kib = 0;
    bool found = false;

    if (file == NULL)
        return resident_by_count();
    for (char line[256]; !found && fgets(line, sizeof line, file) != NULL;)
        found = sscanf(line, "Rss: %zu kB", &kib) == 1;
    fclose(file);
    return found ? kib << 10 : resident_by_count();
}

static unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    if (dir == NULL)
        test_fail(__FILE__, __LINE__, "cannot read %s", path);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

unsigned test_count_threads(void)
{
    return count_entries("/proc/self/task");
}

unsigned test_count_threads_down_to(unsigned most)
{
    const double end = test_now() + 10;

    while (test_count_threads() > most && test_now() < end)
        test_sleep_ms(1);
    return test_count_threads();
}

unsigned test_count_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

unsigned test_count_maps(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    unsigned lines = 0;

    if (file == NULL)
        test_fail(__FILE__, __LINE__, "cannot read /proc/self/maps");
    for (int c = getc(file); c != EOF; c = getc(file))
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* ---- Checks of plain programs ---- */

static const char *running_program = "test";
static const char *running_case = "";

void test_fail(const char *file, int line, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s\n%s: %s FAILED in process %d\n", file, line, text, running_program,
            running_case, (int)getpid());
    fflush(stderr);
    _exit(1);
}

int test_run_cases(const char *program, const struct test_case *cases, size_t count,
                   const char *filter)
{
    unsigned passed = 0;

    running_program = program;
    for (size_t i = 0; i < count; i++) {
        if (filter != NULL && strstr(cases[i].name, filter) == NULL)
            continue;
        running_case = cases[i].name;

        const double start = test_now();
        cases[i].run();
        printf("ok   %-70s %6.2f s\n", cases[i].name, test_now() - start);
        fflush(stdout);
        passed++;
    }
    printf("%s: %u passed, 0 failed\n", program, passed);
    return passed > 0 ? 0 : 1;
}
