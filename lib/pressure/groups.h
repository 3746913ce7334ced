/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: in which one this process is, and where the files of it are.
 *
 * /proc/self/cgroup names the group by its path in the hierarchy, /proc/self/mountinfo tells which part
 * of the hierarchy is mounted where. Both versions are known: where a version 1 hierarchy has the
 * memory controller it counts, else the one hierarchy of version 2.
 *
 * The place is kept, and looked up anew when /proc/self/cgroup says something else: a process may be
 * moved. */
#ifndef MS_PRESSURE_GROUPS_H
#define MS_PRESSURE_GROUPS_H

#include "platform/file.h"

#include <stdbool.h>
#include <stddef.h>

enum ms_groups_version { MS_GROUPS_V1 = 1, MS_GROUPS_V2 = 2 };

struct ms_groups {
    enum ms_groups_version version;
    char *folder;             /* of the process's own group; NULL = none was found */
    size_t size;              /* bytes of it, */
    size_t root;              /* and of that of the topmost group that is to be seen */
    struct ms_file_text told; /* what /proc/self/cgroup said */
};

/* See where the process is now. 0; ENOENT when it is in no group with a memory controller that is to
 * be seen; or the error that reading /proc/self/cgroup or /proc/self/mountinfo ended with. */
int ms_groups_find(struct ms_groups *groups);
void ms_groups_forget(struct ms_groups *groups);

/* From a group's folder, by its size, to that of the group above; 0 when there is none. */
size_t ms_groups_above(const struct ms_groups *groups, size_t size);

#endif
