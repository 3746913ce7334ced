/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/lanes.h"

#include "platform/reader.h"
#include "platform/thread.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often a lane is looked at before the processor is left to others, and then before sleeping. */
#define LOOKS 200
#define YIELDS 10
#define PAUSE_US 50

static struct ms_lane lanes[MS_READER_SLOTS];
/* The lowest number that was given away. ORDER: seq_cst on both sides, see ms_lanes_wait(). */
static atomic_uint lowest = MS_READER_SLOTS;

static bool run_barrier(int command)
{
    return syscall(SYS_membarrier, command, 0) == 0;
}

struct ms_lane *ms_lanes_claim(uint32_t n, uint32_t *first)
{
    if (n == 0 || !run_barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ||
        !ms_thread_slots_claim(n, MS_READER_SLOTS, first))
        return NULL;
    /* The highest free numbers are claimed, so that numbers only go down. */
    unsigned before = ms_load_seq_cst(&lowest);
    while (*first < before && !atomic_compare_exchange_weak(&lowest, &before, *first))
        continue;
    return &lanes[*first];
}

static void wait_for(const struct ms_lane *lane)
{
    /* ORDER: acquire, pairs with the release at the end of a section: what it has loaded, it has loaded
     * before its memory is used again. */
    const uint64_t seen = ms_load_acquire(&lane->turn);

    if (seen % 2 == 0)
        return;
    for (unsigned look = 0; ms_load_acquire(&lane->turn) == seen; look++) {
        if (look >= LOOKS + YIELDS)
            usleep(PAUSE_US);
        else if (look >= LOOKS)
            sched_yield();
    }
}

void ms_lanes_wait(void)
{
    /* ORDER: a read-modify-write of the word that claiming writes: if it does not see a claim, the
     * claim comes after it, and all sections in its lanes after that. */
    const unsigned from = ms_add_seq_cst(&lowest, 0);

    if (from == MS_READER_SLOTS)
        return;
    run_barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    for (uint32_t number = from; number < MS_READER_SLOTS; number++)
        wait_for(&lanes[number]);
}

void ms_lanes_forget_readers(void)
{
    for (uint32_t number = 0; number < MS_READER_SLOTS; number++)
        ms_store_relaxed(&lanes[number].turn, 0);
}
