/* SPDX-License-Identifier: Apache-2.0 */
#include "pressure/sensor.h"

#include "platform/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What the files take at most: memory.stat has some hundred lines. */
#define FILE_MOST ((size_t)16 << 10)
/* Version 1 says with about 2^63 that there is no limit; no machine has so much. */
#define NO_LIMIT_FROM (UINT64_C(1) << 60)
/* More than all. */
#define WHOLE_PERCENT 100

static const char absent[] = "is not there or cannot be read";
static const char garbled[] = "does not hold what was expected";
static const char no_group[] = "names no group with a memory controller that is mounted";

/* What the two versions call things. */
struct names {
    const char *used, *limits[2], *reclaimable;
};

static const struct names names_of[] = {
    [MS_GROUPS_V1] = {"memory.usage_in_bytes", {"memory.limit_in_bytes"}, "total_inactive_file "},
    [MS_GROUPS_V2] = {"memory.current", {"memory.max", "memory.high"}, "inactive_file "},
};

/* ---- Files ---- */

static void note_file(struct ms_pressure_sensor *sensor, const char *path)
{
    const size_t size = strlen(path) + 1, room = sizeof sensor->file;
    const size_t skipped = size > room ? size - room : 0;

    memcpy(sensor->file, path + skipped, size - skipped);
}

/* Read a file of a group, which is noted: 0, or an error number and NULL. For ms_mem_free(). */
static int read_file(struct ms_pressure_sensor *sensor, size_t folder, const char *name, char **out)
{
    char path[PATH_MAX];
    struct ms_file_text text;

    snprintf(path, sizeof path, "%.*s/%s", (int)folder, sensor->groups.folder, name);
    note_file(sensor, path);
    const int error = ms_file_read_system(path, FILE_MOST, &text);
    *out = error == 0 ? text.data : NULL;
    return error;
}

/* A number of bytes at the beginning of a text, up to the end of its line. "max" is the largest. */
static bool parse_bytes(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (strncmp(text, "max", 3) == 0 && (text[3] == '\n' || text[3] == '\0')) {
        *out = UINT64_MAX;
        return true;
    }
    const char *digit = text;
    for (; *digit >= '0' && *digit <= '9' && digit - text < 19; digit++)
        value = value * 10 + (uint64_t)(*digit - '0');
    *out = value;
    return digit != text && (*digit == '\n' || *digit == '\0');
}

/* Read a file that holds a number. NULL, or what is wrong with it; `missing` if there is none. */
static const char *read_bytes(struct ms_pressure_sensor *sensor, size_t folder, const char *name,
                              const char *missing, uint64_t *out)
{
    char *text;
    const int error = read_file(sensor, folder, name, &text);
    const char *const wrong = error == ENOENT          ? missing
                              : error != 0             ? absent
                              : parse_bytes(text, out) ? NULL
                                                       : garbled;

    ms_mem_free(text);
    return wrong;
}

/* ---- Groups ---- */

/* The smallest limit of a group; UINT64_MAX = it has none. Not every group has every file: the topmost
 * one and those without the controller have none. One that cannot be read now may be a limit. */
static const char *read_limit(struct ms_pressure_sensor *sensor, size_t folder, uint64_t *out)
{
    const struct names *names = &names_of[sensor->groups.version];

    *out = UINT64_MAX;
    for (size_t i = 0; i < 2 && names->limits[i] != NULL; i++) {
        uint64_t limit = UINT64_MAX;
        const char *const wrong = read_bytes(sensor, folder, names->limits[i], NULL, &limit);

        if (wrong != NULL)
            return wrong;
        if (limit < NO_LIMIT_FROM && limit < *out)
            *out = limit;
    }
    return NULL;
}

/* What the kernel could drop, as memory.stat tells; 0 when it does not. NULL, or why that cannot be
 * told. */
static const char *read_reclaimable(struct ms_pressure_sensor *sensor, size_t folder, uint64_t *out)
{
    const char *const name = names_of[sensor->groups.version].reclaimable;
    char *text;
    const int error = read_file(sensor, folder, "memory.stat", &text);
    uint64_t bytes = 0;

    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, strlen(name)) == 0) {
            if (!parse_bytes(line + strlen(name), &bytes))
                bytes = 0;
            break;
        }
        line = strchr(line, '\n');
        line += line != NULL;
    }
    ms_mem_free(text);
    *out = bytes;
    return error == 0 || error == ENOENT ? NULL : absent;
}

static const char *read_used(struct ms_pressure_sensor *sensor, size_t folder, uint64_t *out)
{
    uint64_t all = 0, reclaimable;
    const char *wrong = read_reclaimable(sensor, folder, &reclaimable);

    if (wrong == NULL)
        wrong = read_bytes(sensor, folder, names_of[sensor->groups.version].used, absent, &all);
    *out = all > reclaimable ? all - reclaimable : 0;
    return wrong;
}

static void fail(struct ms_pressure_reading *reading, const char *why)
{
    reading->outcome = MS_PRESSURE_UNKNOWN;
    reading->why = why;
}

/* Find the group: 0, or why there is none is in the reading. */
static bool find_groups(struct ms_pressure_sensor *sensor, struct ms_pressure_reading *reading)
{
    note_file(sensor, "/proc/self/cgroup");
    const int error = ms_groups_find(&sensor->groups);

    if (error != 0)
        fail(reading, error == ENOENT ? no_group : absent);
    return error == 0;
}

/* Compare what the groups up the hierarchy have in use with their limits; the one with the least room
 * counts. */
static void read_groups(struct ms_pressure_sensor *sensor, struct ms_pressure_reading *reading)
{
    char file[MS_PRESSURE_FILE_SIZE];
    struct ms_pressure_reading group = *reading;

    note_file(sensor, sensor->groups.folder);
    strcpy(file, sensor->file);
    reading->outcome = MS_PRESSURE_UNBOUNDED;
    for (size_t folder = sensor->groups.size; folder != 0;
         folder = ms_groups_above(&sensor->groups, folder)) {
        const char *wrong = read_limit(sensor, folder, &group.bound);

        if (wrong == NULL && group.bound == UINT64_MAX)
            continue;
        if (wrong == NULL)
            wrong = read_used(sensor, folder, &group.used);
        if (wrong != NULL) {
            fail(reading, wrong);
            return;
        }
        group.outcome = MS_PRESSURE_READ;
        if (reading->outcome == MS_PRESSURE_READ &&
            ms_pressure_room(&group) >= ms_pressure_room(reading))
            continue;
        *reading = group;
        strcpy(file, sensor->file);
    }
    strcpy(sensor->file, file);
}

/* ---- Stalls ---- */

/* "some avg10=1.23 ..." in hundredths of a percent. */
static bool parse_stalls(const char *text, uint32_t *out)
{
    static const char before[] = "some avg10=";
    unsigned whole, hundredths;
    char after;

    if (strncmp(text, before, sizeof before - 1) != 0 ||
        sscanf(text + sizeof before - 1, "%3u.%2u%c", &whole, &hundredths, &after) != 3 ||
        after != ' ' || whole > WHOLE_PERCENT || hundredths > 99)
        return false;
    *out = whole * 100 + hundredths;
    return true;
}

/* The folder of the nearest group with a limit; 0 = there is none, or *wrong says why that cannot be told. */
static size_t stalling_group(struct ms_pressure_sensor *sensor, const char **wrong)
{
    uint64_t limit;

    *wrong = NULL;
    if (ms_groups_find(&sensor->groups) != 0)
        return 0;
    for (size_t folder = sensor->groups.size; folder != 0;
         folder = ms_groups_above(&sensor->groups, folder)) {
        *wrong = read_limit(sensor, folder, &limit);
        if (*wrong != NULL)
            return 0;
        if (limit != UINT64_MAX)
            return folder;
    }
    return 0;
}

/* What the machine's file says; NULL, or for ms_mem_free(). */
static char *read_machine(struct ms_pressure_sensor *sensor)
{
    static const char machine[] = "/proc/pressure/memory";
    struct ms_file_text file;

    note_file(sensor, machine);
    return ms_file_read_system(machine, FILE_MOST, &file) == 0 ? file.data : NULL;
}

static void read_stalls(struct ms_pressure_sensor *sensor, struct ms_pressure_reading *reading)
{
    const char *wrong;
    const size_t folder = stalling_group(sensor, &wrong);
    char *text;

    if (wrong != NULL) {
        fail(reading, wrong);
        return;
    }
    /* A group with a limit that does not tell is not to shrink for what others have the machine wait for. */
    if (folder != 0)
        read_file(sensor, folder, "memory.pressure", &text);
    else
        text = read_machine(sensor);
    if (text == NULL)
        fail(reading, absent);
    else if (!parse_stalls(text, &reading->stalled))
        fail(reading, garbled);
    ms_mem_free(text);
}

/* ---- For others ---- */

struct ms_pressure_reading ms_pressure_read(struct ms_pressure_sensor *sensor,
                                            enum ms_pressure_source source)
{
    struct ms_pressure_reading reading = {.source = source, .outcome = MS_PRESSURE_READ};

    if (source == MS_PRESSURE_PSI)
        read_stalls(sensor, &reading);
    else if (find_groups(sensor, &reading))
        read_groups(sensor, &reading);
    return reading;
}

void ms_pressure_forget(struct ms_pressure_sensor *sensor)
{
    ms_groups_forget(&sensor->groups);
    sensor->file[0] = '\0';
}
