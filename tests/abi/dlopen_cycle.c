/* SPDX-License-Identifier: Apache-2.0 */
/* The shared library opened with dlopen(), used and closed over and over, privately (RTLD_LOCAL), as
 * a plugin host does: that leaves threads, mappings and memory as they were. The library itself stays
 * mapped (it is linked with -z nodelete), so that a thread which has used it may end later. And two
 * copies of it at once, which share their liburcu, also across fork().
 *
 *     dlopen_cycle [PATH]      libmemstore.so.0 by default, found as the dynamic linker finds it
 *
 * The program itself is not linked with the library, so that dlclose() gives up all that holds it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif

#include <memstore/memstore.h>

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CYCLES 100
#define FIRST_CYCLES 5 /* after which nothing is new any more */
#define MEMORY_SLACK ((size_t)1 << 20)
#define FORKS 50
#define FORK_SECONDS 60

static void expect(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "dlopen_cycle: %s\n", what);
    exit(1);
}

struct library {
    void *handle;
    int (*open)(const memstore_config *, memstore **);
    int (*set)(memstore *, const void *, size_t, const void *, size_t, int64_t);
    int (*get)(memstore *, const void *, size_t, void *, size_t, size_t *);
    uint64_t (*size)(memstore *);
    void (*destroy)(memstore *);
};

static struct library load(const char *path)
{
    struct library lib = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};

    expect(lib.handle != NULL, lib.handle == NULL ? dlerror() : "");
    *(void **)&lib.open = dlsym(lib.handle, "memstore_open");
    *(void **)&lib.set = dlsym(lib.handle, "memstore_set");
    *(void **)&lib.get = dlsym(lib.handle, "memstore_get");
    *(void **)&lib.size = dlsym(lib.handle, "memstore_size");
    *(void **)&lib.destroy = dlsym(lib.handle, "memstore_destroy");
    expect(lib.open && lib.set && lib.get && lib.size && lib.destroy, "a symbol is missing");
    return lib;
}

static memstore *use(const struct library *lib, const char *value)
{
    memstore *store;
    char copy[16] = "";
    size_t size;

    expect(lib->open(NULL, &store) == MEMSTORE_OK, "open failed");
    expect(lib->set(store, "key", 3, value, strlen(value), 0) == MEMSTORE_OK, "set failed");
    expect(lib->set(store, "soon gone", 9, value, strlen(value), 1) == MEMSTORE_OK,
           "set with a TTL failed");
    expect(lib->get(store, "key", 3, copy, sizeof copy, &size) == MEMSTORE_OK, "get failed");
    expect(size == strlen(value) && memcmp(copy, value, size) == 0, "get gave another value");
    while (lib->size(store) > 1)
        usleep(100);
    return store;
}

static unsigned count_lines(const char *containing)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 128];
    unsigned lines = 0;

    expect(file != NULL, "cannot read /proc/self/maps");
    while (fgets(line, sizeof line, file) != NULL)
        lines += strstr(line, containing) != NULL;
    fclose(file);
    return lines;
}

static unsigned count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    unsigned threads = 0;

    expect(dir != NULL, "cannot read /proc/self/task");
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        threads += entry->d_name[0] != '.';
    closedir(dir);
    return threads;
}

static size_t count_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;

    expect(file != NULL && fscanf(file, "%*u %zu", &pages) == 1, "cannot read /proc/self/statm");
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* One cycle; the path that the library was loaded from, once. */
static void cycle(const char *path, char found[PATH_MAX])
{
    struct library lib = load(path);
    Dl_info info;

    if (found != NULL && dladdr(*(void **)&lib.open, &info) != 0)
        expect(realpath(info.dli_fname, found) != NULL, "the library's path is not a path");
    lib.destroy(use(&lib, "value"));
    expect(dlclose(lib.handle) == 0, "dlclose failed");
}

/* The mappings of the library, which are all that stays. */
static unsigned leave_nothing_behind(const char *path)
{
    for (unsigned i = 0; i < FIRST_CYCLES; i++)
        cycle(path, NULL);
    const unsigned of_library = count_lines("libmemstore"), all = count_lines("");
    const size_t resident = count_resident_bytes();
    expect(of_library > 0, "dlclose has unmapped the library");

    for (unsigned i = 0; i < CYCLES; i++) {
        cycle(path, NULL);
        expect(count_lines("libmemstore") == of_library, "the library's mappings have changed");
        expect(count_lines("") == all, "a cycle has left other mappings than it found");
    }
    /* The system lists a thread that was joined for a moment longer. */
    for (unsigned tries = 0; count_threads() > 1; tries++) {
        expect(tries < 10000, "a thread is left");
        usleep(1000);
    }
#if !defined(__SANITIZE_ADDRESS__)
    expect(count_resident_bytes() < resident + MEMORY_SLACK, "memory has added up");
#else
    (void)resident;
#endif
    return of_library;
}

/* ---- A thread that has used the library and ends after dlclose() ---- */

static struct library of_thread;
static sem_t has_used, may_end;

static void *use_and_wait(void *unused)
{
    of_thread.destroy(use(&of_thread, "value"));
    sem_post(&has_used);
    while (sem_wait(&may_end) != 0)
        ;
    return unused;
}

static void end_a_thread_after_dlclose(const char *path)
{
    pthread_t thread;

    sem_init(&has_used, 0, 0);
    sem_init(&may_end, 0, 0);
    of_thread = load(path);
    expect(pthread_create(&thread, NULL, use_and_wait, NULL) == 0, "no thread");
    while (sem_wait(&has_used) != 0)
        ;
    expect(dlclose(of_thread.handle) == 0, "dlclose failed");
    sem_post(&may_end);
    expect(pthread_join(thread, NULL) == 0, "the thread did not end");
}

/* ---- Two copies ---- */

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    static char block[1 << 16];
    size_t size;

    expect(in != NULL && out != NULL, "cannot copy the library");
    while ((size = fread(block, 1, sizeof block, in)) > 0)
        expect(fwrite(block, 1, size, out) == size, "cannot write the copy");
    fclose(in);
    expect(fclose(out) == 0, "cannot write the copy");
}

/* A thread that works with both copies in turn, as they do with each other's maintenance threads. */
static struct library copies[2];
static memstore *stores_of_copies[2];
static atomic_int turns; /* how often each thread does so, or it stops when this is 0 */

static void *use_both(void *number)
{
    const int thread = *(int *)number;

    for (int i = 0; i < atomic_load(&turns); i++) {
        const int key[2] = {thread, i % 100};
        const struct library *lib = &copies[i % 2];
        memstore *store = stores_of_copies[i % 2];
        int value = 0;
        size_t size;

        expect(lib->set(store, key, sizeof key, &i, sizeof i, i % 3 == 0 ? 1 : 0) == MEMSTORE_OK,
               "a copy did not store");
        if (i % 3 != 0)
            expect(lib->get(store, key, sizeof key, &value, sizeof value, &size) == MEMSTORE_OK &&
                       value == i,
                   "a copy gave another's value");
    }
    return NULL;
}

/* What a child does with the stores of both, which it alone uses now. */
static void use_both_in_child(void)
{
    alarm(FORK_SECONDS);
    for (int i = 0; i < 2; i++) {
        char value[16];
        size_t size;

        expect(copies[i].set(stores_of_copies[i], "child", 5, "its own", 7, 0) == MEMSTORE_OK,
               "a child cannot store in a copy");
        expect(copies[i].get(stores_of_copies[i], "child", 5, value, sizeof value, &size) ==
                       MEMSTORE_OK &&
                   size == 7 && memcmp(value, "its own", 7) == 0,
               "a child cannot read from a copy");
        copies[i].destroy(stores_of_copies[i]);
    }
    _exit(0);
}

/* A deadlock ends the program by its alarm. */
static void fork_meanwhile(void)
{
    for (int i = 0; i < FORKS; i++) {
        int status;

        alarm(FORK_SECONDS);
        const pid_t child = fork();
        expect(child >= 0, "fork failed");
        if (child == 0)
            use_both_in_child();
        expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
               "a child that uses both copies did not end as it should");
    }
    alarm(0);
}

static void use_both_from_threads(bool with_forks)
{
    pthread_t threads[4];
    int numbers[4] = {0, 1, 2, 3};

    atomic_store(&turns, with_forks ? INT_MAX : 2000);
    for (int i = 0; i < 4; i++)
        expect(pthread_create(&threads[i], NULL, use_both, &numbers[i]) == 0, "no thread");
    if (with_forks) {
        fork_meanwhile();
        atomic_store(&turns, 0);
    }
    for (int i = 0; i < 4; i++)
        expect(pthread_join(threads[i], NULL) == 0, "a thread did not end");
}

/* Two copies know nothing of each other. */
static void use_two_copies(const char *path)
{
    char copy[] = "/tmp/libmemstore-copy-XXXXXX";
    const int descriptor = mkstemp(copy);

    expect(descriptor >= 0 && close(descriptor) == 0, "cannot make a temporary file");
    copy_file(path, copy);
    struct library one = load(path), two = load(copy);
    unlink(copy);
    expect((void *)one.open != (void *)two.open, "the copy is not a copy");
    memstore *first = use(&one, "of one"), *second = use(&two, "of two");
    char value[16];
    size_t size;
    expect(one.get(first, "key", 3, value, sizeof value, &size) == MEMSTORE_OK &&
               memcmp(value, "of one", 6) == 0,
           "the first copy lost its value");
    copies[0] = one;
    copies[1] = two;
    stores_of_copies[0] = first;
    stores_of_copies[1] = second;
    use_both_from_threads(false);
    use_both_from_threads(true);
    two.destroy(second);
    expect(dlclose(two.handle) == 0, "dlclose of the second copy failed");
    expect(one.set(first, "key", 3, "again", 5, 0) == MEMSTORE_OK,
           "the first copy broke when the second went");
    one.destroy(first);
    expect(dlclose(one.handle) == 0, "dlclose of the first copy failed");
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "libmemstore.so.0";
    char found[PATH_MAX] = "";

    cycle(path, found);
    const unsigned of_library = leave_nothing_behind(path);
    for (unsigned i = 0; i < 20; i++)
        end_a_thread_after_dlclose(path);
    use_two_copies(found);
    printf("dlopen_cycle: 4 passed, 0 failed (%u mappings stay after dlclose)\n", of_library);
    return 0;
}
