/* SPDX-License-Identifier: Apache-2.0 */
#include "pressure/groups.h"
#include "support/system.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct ms_groups groups;

static void end(void)
{
    ms_groups_forget(&groups);
    test_system_end();
}

TestSuite(groups, .init = test_system_start, .fini = end);

#define ROOT_MOUNT "22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"

static void expect_folder(const char *cgroup, const char *mountinfo, const char *folder,
                          enum ms_groups_version version)
{
    test_system_write("/proc/self/cgroup", "%s", cgroup);
    test_system_write("/proc/self/mountinfo", ROOT_MOUNT "%s", mountinfo);
    cr_assert_eq(ms_groups_find(&groups), 0);
    cr_assert_eq(groups.size, strlen(folder));
    cr_expect_str_eq(groups.folder, folder, "%s", groups.folder);
    cr_expect_eq(groups.version, version);
    ms_groups_forget(&groups);
}

static void expect_error(const char *cgroup, const char *mountinfo, int error)
{
    test_system_write("/proc/self/cgroup", "%s", cgroup);
    test_system_write("/proc/self/mountinfo", ROOT_MOUNT "%s", mountinfo);
    cr_expect_eq(ms_groups_find(&groups), error, "%s", cgroup);
    cr_expect_null(groups.folder);
}

Test(groups, a_group_of_version_2_is_found_below_its_mount)
{
    expect_folder(
        "0::/system.slice/cache.service\n",
        "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        "/sys/fs/cgroup/system.slice/cache.service", MS_GROUPS_V2);
}

Test(groups, in_a_container_the_topmost_group_is_the_process_own)
{
    expect_folder("0::/\n", "35 24 0:30 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
                  "/sys/fs/cgroup", MS_GROUPS_V2);
}

Test(groups, a_memory_controller_of_version_1_comes_first)
{
    expect_folder("9:name=systemd:/x\n4:memory:/app/one\n1:cpu,cpuacct:/y\n0::/z\n",
                  "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                  "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                  "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
                  "/sys/fs/cgroup/memory/app/one", MS_GROUPS_V1);
}

Test(groups, what_is_mounted_may_begin_below_the_topmost_group)
{
    expect_folder("4:memory:/docker/abc/inner\n",
                  "35 31 0:32 /docker/ab /wrong rw - cgroup cgroup rw,memory\n"
                  "36 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                  "/sys/fs/cgroup/memory/inner", MS_GROUPS_V1);
    expect_folder("4:memory:/docker/abc\n",
                  "36 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                  "/sys/fs/cgroup/memory", MS_GROUPS_V1);
}

Test(groups, a_path_that_no_mount_shows_means_what_is_mounted)
{
    expect_folder("0::/kubepods/pod1/c\n",
                  "35 24 0:30 /kubepods/pod2 /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
                  "/sys/fs/cgroup", MS_GROUPS_V2);
    expect_folder("0::/../sibling\n", "35 24 0:30 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
                  "/sys/fs/cgroup", MS_GROUPS_V2);
}

Test(groups, blanks_of_a_mount_point_are_written_in_octal)
{
    expect_folder("0::/a\n", "35 24 0:30 / /my\\040groups\\134x\\9 rw - cgroup2 cgroup rw\n",
                  "/my groups\\x\\9/a", MS_GROUPS_V2);
}

Test(groups, what_names_no_group_is_no_group)
{
    static const char v2[] = "35 24 0:30 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";

    expect_error("", v2, ENOENT);
    expect_error("garbage\n\n:::\n0:\n0::relative\n5:cpu:/x\n", v2, ENOENT);
    expect_error("0::/x\n", "", ENOENT);
    expect_error("0::/x\n", "35 24 0:30 / /sys/fs/cgroup\n35\n\n - cgroup2\n", ENOENT);
    expect_error("4:memory:/x\n", v2, ENOENT);
    test_system_remove("/proc/self/mountinfo");
    cr_expect_eq(ms_groups_find(&groups), ENOENT);
    test_system_remove("/proc/self/cgroup");
    cr_expect_eq(ms_groups_find(&groups), ENOENT);
}

Test(groups, the_groups_above_end_at_the_mount)
{
    test_system_write("/proc/self/cgroup", "0::/a/bc\n");
    test_system_write("/proc/self/mountinfo", "35 24 0:30 / /sys/g ro - cgroup2 cgroup rw\n");
    cr_assert_eq(ms_groups_find(&groups), 0);
    cr_expect_eq(groups.size, strlen("/sys/g/a/bc"));
    size_t size = ms_groups_above(&groups, groups.size);
    cr_expect_eq(size, strlen("/sys/g/a"));
    size = ms_groups_above(&groups, size);
    cr_expect_eq(size, strlen("/sys/g"));
    cr_expect_eq(ms_groups_above(&groups, size), 0);
}

Test(groups, a_process_that_is_moved_is_found_again)
{
    static const char mount[] = "35 24 0:30 / /g ro - cgroup2 cgroup rw\n";

    test_system_write("/proc/self/cgroup", "0::/one\n");
    test_system_write("/proc/self/mountinfo", "%s", mount);
    cr_assert_eq(ms_groups_find(&groups), 0);
    /* As long as it is where it was the mounts are not read again. */
    test_system_remove("/proc/self/mountinfo");
    cr_assert_eq(ms_groups_find(&groups), 0);
    cr_expect_str_eq(groups.folder, "/g/one");
    test_system_write("/proc/self/mountinfo", "%s", mount);
    test_system_write("/proc/self/cgroup", "0::/two\n");
    cr_assert_eq(ms_groups_find(&groups), 0);
    cr_expect_str_eq(groups.folder, "/g/two");
}
