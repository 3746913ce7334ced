/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/testing.h"
#include "pressure/sensor.h"
#include "support/system.h"

#include <criterion/criterion.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct ms_pressure_sensor sensor;

static void end(void)
{
    ms_pressure_forget(&sensor);
    test_system_end();
}

TestSuite(sensor, .init = test_system_start, .fini = end);

static struct ms_pressure_reading expect_read(uint64_t used, uint64_t bound)
{
    const struct ms_pressure_reading reading = ms_pressure_read(&sensor, MS_PRESSURE_CGROUP);

    cr_assert_eq(reading.outcome, MS_PRESSURE_READ, "%s %s", sensor.file, reading.why);
    cr_expect_eq(reading.used, used, "%ju", (uintmax_t)reading.used);
    cr_expect_eq(reading.bound, bound, "%ju", (uintmax_t)reading.bound);
    return reading;
}

static void expect_unknown(enum ms_pressure_source source, const char *file, const char *why)
{
    const struct ms_pressure_reading reading = ms_pressure_read(&sensor, source);

    cr_assert_eq(reading.outcome, MS_PRESSURE_UNKNOWN);
    cr_expect_str_eq(sensor.file, file, "%s", sensor.file);
    cr_expect_str_eq(reading.why, why, "%s", reading.why);
}

static void expect_stalled(uint32_t stalled, const char *file)
{
    const struct ms_pressure_reading reading = ms_pressure_read(&sensor, MS_PRESSURE_PSI);

    cr_assert_eq(reading.outcome, MS_PRESSURE_READ, "%s %s", sensor.file, reading.why);
    cr_expect_eq(reading.stalled, stalled, "%u", reading.stalled);
    cr_expect_str_eq(sensor.file, file, "%s", sensor.file);
}

Test(sensor, what_the_kernel_could_drop_is_not_in_use)
{
    test_system_group(800 * MIB, 300 * MIB, 1024 * MIB);
    expect_read(500 * MIB, 1024 * MIB);
    cr_expect_str_eq(sensor.file, TEST_SYSTEM_GROUP "/memory.current");
    test_system_remove(TEST_SYSTEM_GROUP "/memory.stat");
    expect_read(800 * MIB, 1024 * MIB);
    test_system_write(TEST_SYSTEM_GROUP "/memory.stat", "inactive_file 9x\n");
    expect_read(800 * MIB, 1024 * MIB);
    test_system_write(TEST_SYSTEM_GROUP "/memory.stat", "inactive_file 99999999999\n");
    expect_read(0, 1024 * MIB);
}

Test(sensor, the_smaller_of_high_and_max_is_the_limit)
{
    test_system_group(100 * MIB, 0, 1024 * MIB);
    test_system_write(TEST_SYSTEM_GROUP "/memory.high", "%d\n", 512 << 20);
    expect_read(100 * MIB, 512 * MIB);
    test_system_remove(TEST_SYSTEM_GROUP "/memory.high");
    expect_read(100 * MIB, 1024 * MIB);
    test_system_write(TEST_SYSTEM_GROUP "/memory.max", "max\n");
    cr_assert_eq(ms_pressure_read(&sensor, MS_PRESSURE_CGROUP).outcome, MS_PRESSURE_UNBOUNDED);
    cr_expect_str_eq(sensor.file, TEST_SYSTEM_GROUP);
}

Test(sensor, the_group_with_the_least_room_counts)
{
    test_system_group(100 * MIB, 0, 1024 * MIB);
    test_system_write("/proc/self/cgroup", "0::/pod/app\n");
    test_system_write("/sys/fs/cgroup/pod/app/memory.current", "%d\n", 100 << 20);
    test_system_write("/sys/fs/cgroup/pod/app/memory.max", "%d\n", 300 << 20);
    test_system_write("/sys/fs/cgroup/pod/memory.current", "%d\n", 390 << 20);
    test_system_write("/sys/fs/cgroup/pod/memory.max", "%d\n", 400 << 20);
    expect_read(390 * MIB, 400 * MIB);
    cr_expect_str_eq(sensor.file, "/sys/fs/cgroup/pod/memory.current");
    test_system_write("/sys/fs/cgroup/pod/app/memory.max", "%d\n", 101 << 20);
    expect_read(390 * MIB, 400 * MIB);
    test_system_write("/sys/fs/cgroup/pod/app/memory.current", "%d\n", 140 << 20);
    expect_read(140 * MIB, 101 * MIB);
}

Test(sensor, version_1_has_other_names)
{
    test_system_write("/proc/self/cgroup", "4:memory:/app\n0::/\n");
    test_system_write("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
    test_system_write("/m/app/memory.usage_in_bytes", "%d\n", 70 << 20);
    test_system_write("/m/app/memory.limit_in_bytes", "%d\n", 100 << 20);
    test_system_write("/m/app/memory.stat", "inactive_file 1\ntotal_inactive_file %d\n", 10 << 20);
    test_system_write("/m/memory.usage_in_bytes", "%d\n", 700 << 20);
    test_system_write("/m/memory.limit_in_bytes", "9223372036854771712\n");
    expect_read(60 * MIB, 100 * MIB);
    test_system_write("/m/app/memory.limit_in_bytes", "9223372036854771712\n");
    cr_assert_eq(ms_pressure_read(&sensor, MS_PRESSURE_CGROUP).outcome, MS_PRESSURE_UNBOUNDED);
}

Test(sensor, what_is_missing_or_garbled_is_named)
{
    static const char absent[] = "is not there or cannot be read";
    static const char garbled[] = "does not hold what was expected";

    expect_unknown(MS_PRESSURE_CGROUP, "/proc/self/cgroup",
                   "names no group with a memory controller that is mounted");
    test_system_group(1, 0, 100);
    expect_read(1, 100);
    test_system_write(TEST_SYSTEM_GROUP "/memory.current", "12x\n");
    expect_unknown(MS_PRESSURE_CGROUP, TEST_SYSTEM_GROUP "/memory.current", garbled);
    test_system_write(TEST_SYSTEM_GROUP "/memory.current", "123456789012345678901\n");
    expect_unknown(MS_PRESSURE_CGROUP, TEST_SYSTEM_GROUP "/memory.current", garbled);
    test_system_remove(TEST_SYSTEM_GROUP "/memory.current");
    expect_unknown(MS_PRESSURE_CGROUP, TEST_SYSTEM_GROUP "/memory.current", absent);
    test_system_write(TEST_SYSTEM_GROUP "/memory.max", "%s", "");
    expect_unknown(MS_PRESSURE_CGROUP, TEST_SYSTEM_GROUP "/memory.max", garbled);
}

Test(sensor, without_memory_nothing_is_known)
{
    test_system_group(1, 0, 100);
    for (uint64_t n = 1; n < 5; n++) {
        ms_pressure_forget(&sensor);
        ms_testing_fail_memory(n, true);
        const struct ms_pressure_reading reading = ms_pressure_read(&sensor, MS_PRESSURE_CGROUP);
        ms_testing_fail_memory(0, false);
        cr_expect_neq(reading.outcome, MS_PRESSURE_READ);
    }
    expect_read(1, 100);
}

Test(sensor, what_cannot_be_read_is_not_taken_for_no_limit)
{
    test_system_group(800 * MIB, 300 * MIB, 1024 * MIB);
    test_system_remove(TEST_SYSTEM_GROUP "/memory.max");
    test_system_write(TEST_SYSTEM_GROUP "/memory.max/folder", "%s", "");
    expect_unknown(MS_PRESSURE_CGROUP, TEST_SYSTEM_GROUP "/memory.max",
                   "is not there or cannot be read");
    test_system_stalls(50);
    expect_unknown(MS_PRESSURE_PSI, TEST_SYSTEM_GROUP "/memory.max",
                   "is not there or cannot be read");
}

Test(sensor, what_the_kernel_could_drop_is_known_or_not_there)
{
    test_system_group(800 * MIB, 300 * MIB, 1024 * MIB);
    test_system_remove(TEST_SYSTEM_GROUP "/memory.stat");
    test_system_write(TEST_SYSTEM_GROUP "/memory.stat/folder", "%s", "");
    expect_unknown(MS_PRESSURE_CGROUP, TEST_SYSTEM_GROUP "/memory.stat",
                   "is not there or cannot be read");
}

Test(sensor, stalls_are_the_machines_where_no_group_has_a_limit)
{
    test_system_stalls(12.34);
    expect_stalled(1234, "/proc/pressure/memory");
    test_system_group(1, 0, 100);
    test_system_write(TEST_SYSTEM_GROUP "/memory.pressure", "some avg10=5.06 avg60=0.00\n");
    expect_stalled(506, TEST_SYSTEM_GROUP "/memory.pressure");
    test_system_write(TEST_SYSTEM_GROUP "/memory.max", "max\n");
    expect_stalled(1234, "/proc/pressure/memory");
}

Test(sensor, a_group_with_a_limit_above_tells_of_the_stalls)
{
    test_system_group(1, 0, 100);
    test_system_stalls(50);
    test_system_write("/proc/self/cgroup", "0::/app/worker\n");
    test_system_write(TEST_SYSTEM_GROUP "/worker/memory.max", "max\n");
    test_system_write(TEST_SYSTEM_GROUP "/worker/memory.pressure", "some avg10=1.00 avg60=0.00\n");
    test_system_write(TEST_SYSTEM_GROUP "/memory.pressure", "some avg10=2.00 avg60=0.00\n");
    expect_stalled(200, TEST_SYSTEM_GROUP "/memory.pressure");
    test_system_remove(TEST_SYSTEM_GROUP "/memory.pressure");
    expect_unknown(MS_PRESSURE_PSI, TEST_SYSTEM_GROUP "/memory.pressure",
                   "is not there or cannot be read");
}

Test(sensor, a_group_with_a_limit_is_not_taken_for_the_machine)
{
    test_system_group(1, 0, 100);
    test_system_stalls(50);
    expect_unknown(MS_PRESSURE_PSI, TEST_SYSTEM_GROUP "/memory.pressure",
                   "is not there or cannot be read");
    test_system_write("/proc/self/cgroup", "4:memory:/app\n0::/\n");
    test_system_write("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
    test_system_write("/m/app/memory.limit_in_bytes", "%d\n", 100 << 20);
    expect_unknown(MS_PRESSURE_PSI, "/m/app/memory.pressure", "is not there or cannot be read");
    test_system_write("/m/app/memory.limit_in_bytes", "9223372036854771712\n");
    expect_stalled(5000, "/proc/pressure/memory");
}

Test(sensor, stalls_that_are_none_are_refused)
{
    static const char *const texts[] = {"",
                                        "some",
                                        "some avg10=\n",
                                        "some avg10=1.2.3 avg60=0\n",
                                        "full avg10=0.00 avg60=0.00\n",
                                        "some avg10=-1.00 \n",
                                        "some avg10=101.00 avg60\n",
                                        "some avg10=1e3 \n"};

    expect_unknown(MS_PRESSURE_PSI, "/proc/pressure/memory", "is not there or cannot be read");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        test_system_write("/proc/pressure/memory", "%s", texts[i]);
        expect_unknown(MS_PRESSURE_PSI, "/proc/pressure/memory", "does not hold what was expected");
    }
    test_system_stalls(100);
    expect_stalled(10000, "/proc/pressure/memory");
    test_system_stalls(0);
    expect_stalled(0, "/proc/pressure/memory");
}

Test(sensor, of_a_long_path_the_end_is_told)
{
    char path[400];

    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[150] = path[300] = '/';
    path[sizeof path - 1] = '\0';
    test_system_group(1, 0, 100);
    test_system_write("/proc/self/cgroup", "0::%s\n", path);
    cr_assert_eq(ms_pressure_read(&sensor, MS_PRESSURE_CGROUP).outcome, MS_PRESSURE_UNBOUNDED);
    cr_expect_eq(strlen(sensor.file), MS_PRESSURE_FILE_SIZE - 1);
    cr_expect_str_eq(sensor.file + MS_PRESSURE_FILE_SIZE - 1 - 99, path + 300);
}
