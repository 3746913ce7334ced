/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

enum { SEEDS = 100 };

static void check_seeds_differ(void)
{
    uint64_t seeds[SEEDS];
    uint64_t zeros = 0, ones = 0;

    for (int i = 0; i < SEEDS; i++) {
        seeds[i] = ms_random_seed();
        ones |= seeds[i];
        zeros |= ~seeds[i];
        for (int j = 0; j < i; j++)
            cr_assert_neq(seeds[i], seeds[j]);
    }
    /* That one bit of 64 is the same in 100 seeds has a chance of 2^-93. */
    cr_assert_eq(ones, UINT64_MAX);
    cr_assert_eq(zeros, UINT64_MAX);
}

Test(random, seeds_differ_in_every_bit)
{
    check_seeds_differ();
}

/* Make getrandom(2) fail in this process; false when the system does not let us. */
static bool forbid_getrandom(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Test(random, seeds_differ_where_the_system_gives_no_entropy)
{
    char byte;

    if (!forbid_getrandom())
        cr_skip_test("system calls cannot be filtered here");
    cr_assert_eq(getrandom(&byte, 1, GRND_NONBLOCK), -1);
    check_seeds_differ();
}
