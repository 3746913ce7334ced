/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of the store: one region, of which every byte is known by when each thread has last
 * touched it; and what the library asks of platform/mem.h. */
#include "model.h"

#include "platform/mem.h"
#include "platform/random.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REGION_SIZE ((size_t)128 << 20)
/* Of one thread: what it allocates in a run is its own. */
#define PRIVATE_SIZE ((size_t)1 << 20)
#define SCRATCH_SIZE ((size_t)64 << 20)
#define UNDO_MAX (1 << 18)

/* One byte: the clocks of each thread's last accesses, 0 = none in this run. */
struct cell {
    uint32_t stamp;
    uint8_t plain_writer;
    uint8_t atomic_size; /* of the atomic location that begins here */
    uint16_t plain_write;
    uint16_t plain_read[EXPLORE_THREADS];
    uint16_t atomic_write[EXPLORE_THREADS];
    uint16_t atomic_read[EXPLORE_THREADS];
};

struct undo {
    uint64_t old;
    char *address;
    unsigned size;
};

static char *region;
static size_t region_used;
static struct cell *cells;
static char *private_memory;
static size_t private_used[EXPLORE_THREADS];
static char *scratch;
static size_t scratch_used;
static struct undo undos[UNDO_MAX];
static size_t undo_count;

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    return memory;
}

void memory_reset(void)
{
    if (region == NULL) {
        region = map(REGION_SIZE);
        cells = map(REGION_SIZE * sizeof *cells);
        private_memory = map(PRIVATE_SIZE * EXPLORE_THREADS);
        scratch = map(SCRATCH_SIZE);
    }
    madvise(region, REGION_SIZE, MADV_DONTNEED);
    madvise(cells, REGION_SIZE * sizeof *cells, MADV_DONTNEED);
    region_used = MS_PAGE_SIZE;
}

bool memory_is_shared(const void *address)
{
    return (size_t)((const char *)address - region) < REGION_SIZE;
}

void memory_start_run(void)
{
    memset(private_used, 0, sizeof private_used);
    scratch_used = 0;
    undo_count = 0;
}

void *memory_scratch(size_t size)
{
    void *memory = scratch + scratch_used;

    scratch_used += (size + 15) & ~(size_t)15;
    if (scratch_used > SCRATCH_SIZE)
        abort();
    return memory;
}

/* ---- Undoing ---- */

void memory_note_undo(void *address, size_t size)
{
    char *at = address;

    while (size > 0) {
        const unsigned part = size < 8 ? (unsigned)size : 8;

        if (undo_count == UNDO_MAX)
            abort();
        struct undo *undo = &undos[undo_count++];
        undo->address = at;
        undo->size = part;
        memcpy(&undo->old, at, part);
        at += part;
        size -= part;
    }
}

void memory_undo_run(void)
{
    while (undo_count > 0) {
        const struct undo *undo = &undos[--undo_count];
        memcpy(undo->address, &undo->old, undo->size);
    }
}

/* ---- Accesses ---- */

static struct cell *cell_of(const char *address)
{
    struct cell *cell = &cells[address - region];

    if (cell->stamp != (uint32_t)explore_stamp) {
        memset(cell, 0, sizeof *cell);
        cell->stamp = (uint32_t)explore_stamp;
    }
    return cell;
}

static bool unordered(const uint16_t *clocks, const struct thread *me)
{
    for (unsigned t = 0; t < EXPLORE_THREADS; t++) {
        if (clocks[t] > me->view.clock[t])
            return true;
    }
    return false;
}

static bool unordered_write(const struct cell *cell, const struct thread *me)
{
    return cell->plain_write > me->view.clock[cell->plain_writer];
}

static void check_races(const struct cell *cell, bool writes, bool atomic, const void *site)
{
    const struct thread *me = explore_running;
    const char *with = NULL;

    if (unordered_write(cell, me))
        with = "a write";
    else if (!atomic && unordered(cell->atomic_write, me))
        with = "an atomic write";
    else if (writes && unordered(cell->plain_read, me))
        with = "a read";
    else if (writes && !atomic && unordered(cell->atomic_read, me))
        with = "an atomic read";
    if (with != NULL)
        explore_fail("data race: %s%s at %s by thread %u is not ordered after %s by another",
                     atomic ? "atomic " : "", writes ? "write" : "read",
                     explore_shows ? report_place(site) : "some place", me->number, with);
}

/* An atomic location that begins up to 7 bytes before may reach into what is written. */
static void forget_messages(char *address, size_t size)
{
    for (char *at = address - 7; at < address + size; at++) {
        if (at < region || at >= region + REGION_SIZE)
            continue;
        struct cell *cell = cell_of(at);
        if (cell->atomic_size != 0 && at + cell->atomic_size > address) {
            atomics_forget(explore_object(at));
            cell->atomic_size = 0;
        }
    }
}

void memory_plain(void *address, size_t size, bool writes, const void *site)
{
    struct thread *me = explore_running;

    if (me == NULL || size == 0 || !memory_is_shared(address))
        return;
    for (size_t i = 0; i < size; i++) {
        struct cell *cell = cell_of((char *)address + i);

        check_races(cell, writes, false, site);
        if (writes) {
            cell->plain_write = me->view.clock[me->number];
            cell->plain_writer = (uint8_t)me->number;
        } else {
            cell->plain_read[me->number] = me->view.clock[me->number];
        }
    }
    if (writes) {
        memory_note_undo(address, size);
        forget_messages(address, size);
    }
}

void memory_atomic(void *address, size_t size, bool writes, const void *site)
{
    struct thread *me = explore_running;

    for (size_t i = 0; i < size; i++) {
        struct cell *cell = cell_of((char *)address + i);

        check_races(cell, writes, true, site);
        if (writes)
            cell->atomic_write[me->number] = me->view.clock[me->number];
        else
            cell->atomic_read[me->number] = me->view.clock[me->number];
    }
    cell_of(address)->atomic_size = (uint8_t)size;
    if (writes)
        memory_note_undo(address, size);
}

/* ---- What the library asks for ---- */

static void *take(size_t size, size_t alignment)
{
    region_used = (region_used + alignment - 1) & ~(alignment - 1);
    void *memory = region + region_used;
    region_used += size;
    if (region_used > REGION_SIZE)
        abort();
    return memory;
}

void *ms_mem_alloc(size_t size)
{
    const struct thread *me = explore_running;

    if (me == NULL)
        return take(size, MS_PAGE_SIZE / 64);
    char *memory = private_memory + me->number * PRIVATE_SIZE + private_used[me->number];
    private_used[me->number] += (size + 15) & ~(size_t)15;
    if (private_used[me->number] > PRIVATE_SIZE)
        abort();
    return memset(memory, 0, size);
}

/* The old size is not known: what follows the block is copied as well. */
void *ms_mem_resize(void *block, size_t size)
{
    void *memory = ms_mem_alloc(size);

    if (block != NULL)
        memmove(memory, block, size);
    return memory;
}

void ms_mem_free(void *block)
{
    (void)block;
}

/* Nothing that is explored wipes. */
void ms_mem_wipe(void *p, size_t size)
{
    (void)p;
    (void)size;
}

void ms_mem_free_wiped(void *block, bool wipes)
{
    (void)wipes;
    ms_mem_free(block);
}

void *ms_mem_resize_wiped(void *block, size_t size, bool wipes)
{
    (void)wipes;
    return ms_mem_resize(block, size);
}

void *ms_mem_reserve(size_t size)
{
    return take(size, MS_HUGE_PAGE_SIZE);
}

void ms_mem_unreserve(void *base, size_t size)
{
    (void)base;
    (void)size;
}

bool ms_mem_commit(void *p, size_t size)
{
    (void)p;
    (void)size;
    return true;
}

/* Whoever still reads there reads what is not there any more: as a write it conflicts with them. */
void ms_mem_discard(void *p, size_t size)
{
    memory_plain(p, size, true, __builtin_return_address(0));
    memset(p, 0, size);
}

void ms_mem_populate(void *p, size_t size)
{
    (void)p;
    (void)size;
}

void ms_mem_advise_huge(void *p, size_t size)
{
    (void)p;
    (void)size;
}

void ms_mem_advise_small(void *p, size_t size)
{
    (void)p;
    (void)size;
}

uint64_t ms_random_seed(void)
{
    return 1;
}

uint64_t ms_random_cheap(void)
{
    return 1;
}

/* Nothing that is explored depends on what the kernel keeps. */
size_t ms_mem_resident(void *p, size_t size)
{
    (void)p;
    (void)size;
    return 0;
}
