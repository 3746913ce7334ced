/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/reuse.h"

#include "platform/compiler.h"

#include <string.h>

/* The threshold falls by an eighth at a time. */
#define LOWERED_BY 8

void ms_reuse_set_threshold(struct ms_reuse *reuse, uint64_t threshold)
{
    reuse->threshold = threshold;
    reuse->weight = (double)MS_REUSE_ALL / (double)threshold;
}

void ms_reuse_init(struct ms_reuse *reuse, uint32_t capacity, uint64_t threshold, void *memory)
{
    *reuse = (struct ms_reuse){.capacity = capacity};
    ms_reuse_set_threshold(reuse, threshold);
    reuse->keys = memory;
    reuse->block_bytes = (uint64_t *)(reuse->keys + capacity);
    reuse->slot_sizes = (uint32_t *)(reuse->block_bytes + ms_reuse_blocks(capacity));
    reuse->slot_keys = reuse->slot_sizes + 2 * capacity;
    reuse->table = reuse->slot_keys + 2 * capacity;
    reuse->free_keys = reuse->table + 2 * capacity;
    for (uint32_t i = 0; i < capacity; i++)
        reuse->free_keys[i] = capacity - 1 - i;
}

/* ---- Slots ---- */

static uint32_t slot_count(const struct ms_reuse *reuse)
{
    return 2 * reuse->capacity;
}

MS_ALWAYS_INLINE void fill_slot(struct ms_reuse *reuse, struct ms_followed *followed, uint32_t key,
                                uint32_t slot)
{
    const uint32_t size = followed->size;

    followed->slot = slot;
    reuse->slot_keys[slot] = key + 1;
    reuse->slot_sizes[slot] = size;
    reuse->block_bytes[slot / MS_REUSE_RUN] += size;
    reuse->group_bytes[slot / MS_REUSE_GROUP] += size;
    reuse->held_bytes += size;
    reuse->held++;
}

MS_ALWAYS_INLINE void empty_slot(struct ms_reuse *reuse, struct ms_followed *followed)
{
    const uint32_t slot = followed->slot, size = followed->size;

    followed->slot = MS_REUSE_NONE;
    reuse->slot_sizes[slot] = 0;
    reuse->block_bytes[slot / MS_REUSE_RUN] -= size;
    reuse->group_bytes[slot / MS_REUSE_GROUP] -= size;
    reuse->held_bytes -= size;
    reuse->held--;
}

/* The number + 1 of the key that has a slot; 0 = none has. */
static uint32_t key_in(const struct ms_reuse *reuse, uint32_t slot)
{
    const uint32_t key = reuse->slot_keys[slot];

    return key != 0 && reuse->keys[key - 1].slot == slot ? key : 0;
}

/* All slots are taken, at most half of them by keys: number them anew. What is there of a slot is read before
 * keys get numbers from it on. */
static MS_NOINLINE void renumber(struct ms_reuse *reuse)
{
    const uint32_t end = reuse->next_slot;

    memset(reuse->slot_sizes, 0, end * sizeof *reuse->slot_sizes);
    memset(reuse->block_bytes, 0, ms_reuse_blocks(reuse->capacity) * sizeof *reuse->block_bytes);
    memset(reuse->group_bytes, 0, sizeof reuse->group_bytes);
    reuse->next_slot = reuse->oldest_slot = reuse->held = 0;
    reuse->held_bytes = 0;
    for (uint32_t slot = 0; slot < end; slot++) {
        const uint32_t key = key_in(reuse, slot);

        if (key != 0)
            fill_slot(reuse, &reuse->keys[key - 1], key - 1, reuse->next_slot++);
    }
}

#define HALF (MS_REUSE_RUN / 2)
typedef uint64_t two __attribute__((vector_size(16)));
typedef two two_numbers __attribute__((aligned(4), may_alias));

/* From HALF - n on, masks that take the first n of a half; from 2 * HALF - n on, the others. For
 * numbers of 64 bits and of 32. */
#define FOUR(one) one, one, one, one
#define FIRST_AND_LAST(one)                                                                        \
    {FOUR(one), FOUR(one), FOUR(one), FOUR(one), [2 * HALF] = FOUR(one),                           \
     FOUR(one), FOUR(one), FOUR(one)}
static const uint64_t masks[3 * HALF] = FIRST_AND_LAST(UINT64_MAX);
static const uint32_t size_masks[3 * HALF] = FIRST_AND_LAST(UINT32_MAX);

/* Of a run of numbers, the sum of those after the n-th: one half is summed up, of
 * which a mask takes the first ones or the last ones: without a branch, which would be a matter of
 * chance. This is where in the masks that one begins. */
MS_ALWAYS_INLINE uint32_t mask_of(uint32_t n)
{
    return (n < HALF ? HALF : 2 * HALF) - (n % HALF + 1);
}

/* All numbers of the run are `all` together, those that the mask took `sum`. */
MS_ALWAYS_INLINE uint64_t after_of(uint32_t n, two sums, uint64_t all)
{
    const uint64_t sum = sums[0] + sums[1];

    return n < HALF ? all - sum : sum;
}

MS_ALWAYS_INLINE uint64_t sum_after_of(const uint64_t *run, uint32_t n, uint64_t all)
{
    const uint64_t *half = &run[n & HALF], *mask = &masks[mask_of(n)];
    two sums = {0, 0};

#pragma GCC unroll 8
    for (int i = 0; i < HALF; i += 2)
        sums += *(const two_numbers *)&half[i] & *(const two_numbers *)&mask[i];
    return after_of(n, sums, all);
}

MS_ALWAYS_INLINE uint64_t sum_sizes_after(const uint32_t *run, uint32_t n, uint64_t all)
{
    const uint32_t *half = &run[n & HALF], *mask = &size_masks[mask_of(n)];
    two sums = {0, 0};

#pragma GCC unroll 4
    for (int i = 0; i < HALF; i += 4) {
        const two four = *(const two_numbers *)&half[i] & *(const two_numbers *)&mask[i];

        sums += (four & UINT32_MAX) + (four >> 32);
    }
    return after_of(n, sums, all);
}

/* What was referenced after a slot: the rest of its block, the blocks after it in its group, and the groups
 * after. */
static uint64_t sum_after(const struct ms_reuse *reuse, uint32_t slot)
{
    const uint32_t block = slot / MS_REUSE_RUN, group = slot / MS_REUSE_GROUP;
    const uint32_t *slots = &reuse->slot_sizes[(size_t)block * MS_REUSE_RUN];
    const uint64_t *blocks = &reuse->block_bytes[(size_t)group * MS_REUSE_RUN];

    return sum_sizes_after(slots, slot % MS_REUSE_RUN, reuse->block_bytes[block]) +
           sum_after_of(blocks, block % MS_REUSE_RUN, reuse->group_bytes[group]) +
           sum_after_of(reuse->group_bytes, group, reuse->held_bytes);
}

/* ---- Keys without an entry ---- */

static void list_absent(struct ms_reuse *reuse, uint32_t key)
{
    struct ms_followed *followed = &reuse->keys[key];

    followed->newer = 0;
    followed->older = reuse->newest_absent;
    if (followed->older != 0)
        reuse->keys[followed->older - 1].newer = key + 1;
    else
        reuse->oldest_absent = key + 1;
    reuse->newest_absent = key + 1;
}

static void unlist_absent(struct ms_reuse *reuse, const struct ms_followed *followed)
{
    if (followed->older != 0)
        reuse->keys[followed->older - 1].newer = followed->newer;
    else
        reuse->oldest_absent = followed->newer;
    if (followed->newer != 0)
        reuse->keys[followed->newer - 1].older = followed->older;
    else
        reuse->newest_absent = followed->older;
}

/* It has neither a slot nor a place in the list any more. */
MS_ALWAYS_INLINE void take_out(struct ms_reuse *reuse, struct ms_followed *followed)
{
    if (followed->slot != MS_REUSE_NONE)
        empty_slot(reuse, followed);
    else
        unlist_absent(reuse, followed);
}

/* ---- Which keys are followed ---- */

/* Keys behind a place that is emptied move up, so that no search ends before them. */
static void empty_place(struct ms_reuse *reuse, uint32_t at)
{
    const uint32_t mask = slot_count(reuse) - 1;

    for (uint32_t next = (at + 1) & mask; reuse->table[next] != 0; next = (next + 1) & mask) {
        const uint32_t home = ms_reuse_home(reuse, reuse->keys[reuse->table[next] - 1].hash);

        if (((next - home) & mask) >= ((next - at) & mask)) {
            reuse->table[at] = reuse->table[next];
            at = next;
        }
    }
    reuse->table[at] = 0;
}

static void drop(struct ms_reuse *reuse, uint32_t key)
{
    struct ms_followed *followed = &reuse->keys[key];

    if (reuse->on_drop != NULL)
        reuse->on_drop(reuse->context, key);
    take_out(reuse, followed);
    empty_place(reuse, ms_reuse_find(reuse, followed->hash));
    followed->is_used = false;
    reuse->free_keys[reuse->capacity - reuse->count--] = key;
}

/* Drop a key that nothing is to be known of any more. */
static void drop_for_good(struct ms_reuse *reuse, uint32_t key)
{
    reuse->gone += reuse->weight;
    reuse->gone_read_once += reuse->keys[key].reads <= 1 ? reuse->weight : 0;
    drop(reuse, key);
}

/* Drop the key without an entry that was referenced longest ago: a read of it misses whether it is
 * followed or not. */
static bool drop_absent(struct ms_reuse *reuse)
{
    if (reuse->oldest_absent == 0)
        return false;
    drop_for_good(reuse, reuse->oldest_absent - 1);
    return true;
}

/* Drop the key that was referenced longest ago, if nobody wants to know its distance. */
static bool drop_oldest(struct ms_reuse *reuse)
{
    if (reuse->horizon == 0 || (double)reuse->held_bytes * reuse->weight < (double)reuse->horizon)
        return false;
    while (reuse->oldest_slot < reuse->next_slot && key_in(reuse, reuse->oldest_slot) == 0)
        reuse->oldest_slot++;
    if (reuse->oldest_slot == reuse->next_slot)
        return false;
    drop_for_good(reuse, reuse->slot_keys[reuse->oldest_slot] - 1);
    return true;
}

/* What is dropped for its hash alone is forgotten: those that stay stand for it. */
void ms_reuse_lower(struct ms_reuse *reuse, uint64_t least)
{
    const uint64_t lowered = reuse->threshold - (reuse->threshold + LOWERED_BY - 1) / LOWERED_BY;

    ms_reuse_set_threshold(reuse, lowered < least ? least : lowered);
    for (uint32_t key = 0; key < reuse->numbers; key++) {
        if (reuse->keys[key].is_used && !ms_reuse_follows(reuse, reuse->keys[key].hash))
            drop(reuse, key);
    }
}

uint32_t ms_reuse_add(struct ms_reuse *reuse, uint64_t hash)
{
    while (reuse->count == reuse->capacity && !drop_absent(reuse) && !drop_oldest(reuse))
        ms_reuse_lower(reuse, 0);
    if (!ms_reuse_follows(reuse, hash))
        return MS_REUSE_NONE;
    const uint32_t key = reuse->free_keys[reuse->capacity - ++reuse->count];
    reuse->numbers = key < reuse->numbers ? reuse->numbers : key + 1;
    reuse->keys[key] = (struct ms_followed){.hash = hash, .slot = MS_REUSE_NONE, .is_used = true};
    reuse->table[ms_reuse_find(reuse, hash)] = key + 1;
    list_absent(reuse, key);
    return key;
}

/* ---- References ---- */

void ms_reuse_expect(const struct ms_reuse *reuse, const uint64_t *hashes, uint32_t *numbers,
                     uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ms_prefetch(&reuse->table[ms_reuse_home(reuse, hashes[i])]);
    for (uint32_t i = 0; i < n; i++) {
        numbers[i] = reuse->table[ms_reuse_home(reuse, hashes[i])] - 1;
        if (numbers[i] != MS_REUSE_NONE)
            ms_prefetch_write(&reuse->keys[numbers[i]]);
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t slot =
            numbers[i] != MS_REUSE_NONE ? reuse->keys[numbers[i]].slot : MS_REUSE_NONE;

        /* The half that is summed up, a cache line. The sums of blocks are a few for all. */
        if (slot != MS_REUSE_NONE)
            ms_prefetch_write(&reuse->slot_sizes[slot]);
    }
}

uint64_t ms_reuse_read(struct ms_reuse *reuse, uint32_t key, bool can_hit)
{
    struct ms_followed *followed = &reuse->keys[key];

    followed->reads += followed->reads != UINT32_MAX;
    if (followed->slot == MS_REUSE_NONE || !can_hit) {
        ms_curve_add_infinite(&reuse->curve, reuse->weight, followed->reads);
        return UINT64_MAX;
    }
    const uint64_t after = sum_after(reuse, followed->slot);
    ms_curve_add(&reuse->curve, (double)after * reuse->weight + followed->size, reuse->weight,
                 followed->reads);
    return after + followed->size;
}

void ms_reuse_touch(struct ms_reuse *reuse, uint32_t key, uint32_t size)
{
    struct ms_followed *followed = &reuse->keys[key];

    /* What is referenced once more is where it is to be. */
    if (followed->size == size && followed->slot + 1 == reuse->next_slot && size != 0)
        return;
    const bool was_absent = followed->slot == MS_REUSE_NONE;
    take_out(reuse, followed);
    followed->size = size;
    if (size == 0) {
        list_absent(reuse, key);
        return;
    }
    if (was_absent)
        followed->written_ms = 0;
    if (ms_unlikely(reuse->next_slot == slot_count(reuse)))
        renumber(reuse);
    fill_slot(reuse, followed, key, reuse->next_slot++);
}

double ms_reuse_read_once(const struct ms_reuse *reuse)
{
    double all = reuse->gone, once = reuse->gone_read_once;

    for (uint32_t key = 0; key < reuse->numbers; key++) {
        if (reuse->keys[key].is_used) {
            all += reuse->weight;
            once += reuse->keys[key].reads <= 1 ? reuse->weight : 0;
        }
    }
    return all > 0 ? once / all : 0;
}
