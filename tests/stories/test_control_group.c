/* SPDX-License-Identifier: Apache-2.0 */
/* memory_pressure: cgroup in a control group of the kernel's, where a test may make one. */
#include "pressure/sensor.h"
#include "support/clock.h"
#include "support/criterion.h"
#include "support/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MIB ((size_t)1 << 20)
#define GROUP_LIMIT (192 * MIB)
#define LIMIT (128 * MIB)
#define BALLAST (90 * MIB)
#define PIECE (2 * MIB)

static char folder[512];

static bool put(const char *name, unsigned long value)
{
    char path[640], text[32];
    const int size = snprintf(text, sizeof text, "%lu", value);

    snprintf(path, sizeof path, "%s/%s", folder, name);
    const int descriptor = open(path, O_WRONLY);
    const bool done = descriptor >= 0 && write(descriptor, text, (size_t)size) == size;
    if (descriptor >= 0)
        close(descriptor);
    return done;
}

/* Make a group with a limit below the process's own; NULL, or why not. */
static const char *make_group(void)
{
    struct ms_pressure_sensor sensor = {.file = ""};
    struct ms_groups groups = {.folder = NULL};
    const struct ms_pressure_reading reading = ms_pressure_read(&sensor, MS_PRESSURE_CGROUP);

    ms_pressure_forget(&sensor);
    if (ms_groups_find(&groups) != 0)
        return "there is no control group with a memory controller";
    if (reading.outcome == MS_PRESSURE_READ &&
        ms_pressure_room(&reading) < (int64_t)(2 * GROUP_LIMIT))
        return "a group above has too little left";
    snprintf(folder, sizeof folder, "%s/memstore-test-%d", groups.folder, (int)getpid());
    const bool first = groups.version == MS_GROUPS_V1;
    ms_groups_forget(&groups);
    if (mkdir(folder, 0755) != 0)
        return "no control group can be made";
    if (!put(first ? "memory.limit_in_bytes" : "memory.max", GROUP_LIMIT)) {
        rmdir(folder);
        return "the control group that was made takes no limit";
    }
    return NULL;
}

static void look(memstore *store)
{
    test_clock_advance(500);
    CHECK_OK(memstore_maintain(store, 0));
}

/* How much is left in the group beyond the margin. */
static int64_t room(void)
{
    struct ms_pressure_sensor sensor = {.file = ""};
    const struct ms_pressure_reading reading = ms_pressure_read(&sensor, MS_PRESSURE_CGROUP);

    CHECK(reading.outcome == MS_PRESSURE_READ);
    ms_pressure_forget(&sensor);
    return ms_pressure_room(&reading);
}

static void fill(memstore *store)
{
    unsigned char *value = test_bytes(1000, 1);

    for (uint64_t key = 0; key < 2 * LIMIT / 1024; key++)
        CHECK_OK(memstore_set(store, &key, sizeof key, value, 1000, 0));
    free(value);
}

/* In a process in the group, which the kernel ends if it takes more than the limit: what the program
 * takes for itself the store gives up, and has back when the program gives it back. */
static void live_in_group(void)
{
    CHECK(put("cgroup.procs", (unsigned long)getpid()));
    memstore *store = test_open("maintenance=manual", "memory_pressure=cgroup",
                                "performance.memory_limit=128MiB", NULL);
    char *ballast = mmap(NULL, BALLAST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(ballast != MAP_FAILED);
    fill(store);
    look(store);
    CHECK(test_memory(store).limit == LIMIT && test_memory(store).charged > LIMIT * 9 / 10);
    for (size_t taken = 0; taken < BALLAST; taken += PIECE) {
        memset(ballast + taken, 1, PIECE);
        for (unsigned i = 0; i < 20 && room() < 0; i++)
            look(store);
        CHECK(room() >= 0);
    }
    CHECK(test_memory(store).limit < LIMIT - 40 * MIB);
    CHECK(test_stats(store).entries > 20000);
    munmap(ballast, BALLAST);
    for (unsigned i = 0; i < 200; i++)
        look(store);
    CHECK(test_memory(store).limit == LIMIT);
    memstore_destroy(store);
}

Test(control_group, what_the_program_needs_the_store_gives_up_before_the_kernel_kills,
     .timeout = 300)
{
#if defined(__SANITIZE_ADDRESS__)
    cr_skip("AddressSanitizer's own memory would be in the group");
#endif
    const char *const why = make_group();

    if (why != NULL)
        cr_skip("%s", why);
    test_clock_start();
    const pid_t child = test_fork();
    if (child == 0) {
        live_in_group();
        _exit(0);
    }
    const int status = test_child_status(child);
    /* The kernel may take a moment to see that nobody is in it any more. */
    for (int i = 0; i < 1000 && rmdir(folder) != 0; i++)
        test_sleep_ms(10);
    cr_assert_eq(status, 0, "%d", status);
}
