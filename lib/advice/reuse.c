/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/reuse.h"

#include "util/hash.h"

#include <string.h>

/* The threshold falls by an eighth at a time. */
#define LOWERED_BY 8

static uint32_t block_count(uint32_t capacity)
{
    return 2 * capacity / MS_REUSE_BLOCK + 1;
}

void ms_reuse_init(struct ms_reuse *reuse, uint32_t capacity, uint64_t threshold, void *memory)
{
    *reuse = (struct ms_reuse){.capacity = capacity, .threshold = threshold};
    reuse->keys = memory;
    reuse->block_bytes = (uint64_t *)(reuse->keys + capacity);
    reuse->block_counts = (uint32_t *)(reuse->block_bytes + block_count(capacity));
    reuse->slot_sizes = reuse->block_counts + block_count(capacity);
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

static void fill_slot(struct ms_reuse *reuse, uint32_t key, uint32_t slot)
{
    struct ms_followed *followed = &reuse->keys[key];

    followed->slot = slot;
    reuse->slot_keys[slot] = key + 1;
    reuse->held++;
    reuse->held_bytes += followed->size;
    reuse->slot_sizes[slot] = followed->size;
    reuse->block_bytes[slot / MS_REUSE_BLOCK] += followed->size;
    reuse->block_counts[slot / MS_REUSE_BLOCK]++;
}

static void empty_slot(struct ms_reuse *reuse, uint32_t key)
{
    struct ms_followed *followed = &reuse->keys[key];

    const uint32_t slot = followed->slot;

    if (slot == MS_REUSE_NONE)
        return;
    reuse->slot_sizes[slot] = reuse->slot_keys[slot] = 0;
    reuse->block_bytes[slot / MS_REUSE_BLOCK] -= followed->size;
    reuse->block_counts[slot / MS_REUSE_BLOCK]--;
    reuse->held--;
    reuse->held_bytes -= followed->size;
    followed->slot = MS_REUSE_NONE;
}

/* All slots are taken, at most half of them by keys: number them anew. */
static void renumber(struct ms_reuse *reuse)
{
    const uint32_t end = reuse->next_slot;

    memset(reuse->slot_sizes, 0, end * sizeof *reuse->slot_sizes);
    memset(reuse->block_bytes, 0, block_count(reuse->capacity) * sizeof *reuse->block_bytes);
    memset(reuse->block_counts, 0, block_count(reuse->capacity) * sizeof *reuse->block_counts);
    reuse->next_slot = reuse->oldest_slot = reuse->held = 0;
    reuse->held_bytes = 0;
    for (uint32_t slot = 0; slot < end; slot++) {
        const uint32_t key = reuse->slot_keys[slot];

        reuse->slot_keys[slot] = 0;
        if (key != 0)
            fill_slot(reuse, key - 1, reuse->next_slot++);
    }
}

/* Followed keys and their bytes. */
struct sum {
    uint64_t count, bytes;
};

static struct sum less(struct sum of, struct sum by)
{
    return (struct sum){of.count - by.count, of.bytes - by.bytes};
}

static struct sum sum_slots(const struct ms_reuse *reuse, uint32_t from, uint32_t end)
{
    struct sum sum = {0, 0};

    for (uint32_t slot = from; slot < end; slot++) {
        sum.count += reuse->slot_sizes[slot] != 0;
        sum.bytes += reuse->slot_sizes[slot];
    }
    return sum;
}

static struct sum sum_blocks(const struct ms_reuse *reuse, uint32_t from, uint32_t end)
{
    struct sum sum = {0, 0};

    for (uint32_t block = from; block < end; block++) {
        sum.count += reuse->block_counts[block];
        sum.bytes += reuse->block_bytes[block];
    }
    return sum;
}

/* What was referenced after a slot: the rest of its block, and the blocks after. Of either the smaller
 * part is summed up, the other is what is left of all. */
static struct sum sum_after(const struct ms_reuse *reuse, uint32_t slot)
{
    const uint32_t block = slot / MS_REUSE_BLOCK;
    const uint32_t first = block * MS_REUSE_BLOCK, end = first + MS_REUSE_BLOCK;
    const uint32_t used = reuse->next_slot < end ? reuse->next_slot : end;
    const uint32_t blocks = (reuse->next_slot - 1) / MS_REUSE_BLOCK + 1;
    const struct sum all = {reuse->held, reuse->held_bytes};
    const struct sum rest = slot - first < used - slot ? less(sum_blocks(reuse, block, block + 1),
                                                              sum_slots(reuse, first, slot + 1))
                                                       : sum_slots(reuse, slot + 1, used);
    const struct sum others = block < blocks - block ? less(all, sum_blocks(reuse, 0, block + 1))
                                                     : sum_blocks(reuse, block + 1, blocks);

    return (struct sum){rest.count + others.count, rest.bytes + others.bytes};
}

/* ---- Which keys are followed ---- */

static uint32_t home_of(const struct ms_reuse *reuse, uint64_t hash)
{
    return (uint32_t)ms_mix64(hash) & (slot_count(reuse) - 1);
}

/* The place of a hash in the table, or the free one where it belongs. */
static uint32_t find(const struct ms_reuse *reuse, uint64_t hash)
{
    uint32_t at = home_of(reuse, hash);

    while (reuse->table[at] != 0 && reuse->keys[reuse->table[at] - 1].hash != hash)
        at = (at + 1) & (slot_count(reuse) - 1);
    return at;
}

/* Keys behind a place that is emptied move up, so that no search ends before them. */
static void empty_place(struct ms_reuse *reuse, uint32_t at)
{
    const uint32_t mask = slot_count(reuse) - 1;

    for (uint32_t next = (at + 1) & mask; reuse->table[next] != 0; next = (next + 1) & mask) {
        const uint32_t home = home_of(reuse, reuse->keys[reuse->table[next] - 1].hash);

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
    empty_slot(reuse, key);
    empty_place(reuse, find(reuse, followed->hash));
    followed->is_used = false;
    reuse->free_keys[reuse->capacity - reuse->count--] = key;
}

/* Drop the key that was referenced longest ago, if nobody wants to know its distance. */
static bool drop_oldest(struct ms_reuse *reuse)
{
    if (reuse->horizon == 0 ||
        (double)reuse->held_bytes * ms_reuse_weight(reuse) < (double)reuse->horizon)
        return false;
    while (reuse->oldest_slot < reuse->next_slot && reuse->slot_keys[reuse->oldest_slot] == 0)
        reuse->oldest_slot++;
    if (reuse->oldest_slot == reuse->next_slot)
        return false;
    const uint32_t key = reuse->slot_keys[reuse->oldest_slot] - 1;
    reuse->gone += ms_reuse_weight(reuse);
    reuse->gone_read_once += reuse->keys[key].reads <= 1 ? ms_reuse_weight(reuse) : 0;
    drop(reuse, key);
    return true;
}

/* What is dropped for its hash alone is forgotten: those that stay stand for it. */
void ms_reuse_lower(struct ms_reuse *reuse, uint64_t least)
{
    reuse->threshold -= (reuse->threshold + LOWERED_BY - 1) / LOWERED_BY;
    if (reuse->threshold < least)
        reuse->threshold = least;
    for (uint32_t key = 0; key < reuse->capacity; key++) {
        if (reuse->keys[key].is_used && !ms_reuse_follows(reuse, reuse->keys[key].hash))
            drop(reuse, key);
    }
}

static uint32_t add(struct ms_reuse *reuse, uint64_t hash)
{
    while (reuse->count == reuse->capacity && !drop_oldest(reuse))
        ms_reuse_lower(reuse, 0);
    if (!ms_reuse_follows(reuse, hash))
        return MS_REUSE_NONE;
    const uint32_t key = reuse->free_keys[reuse->capacity - ++reuse->count];
    reuse->keys[key] = (struct ms_followed){
        .hash = hash, .expires_ms = INT64_MAX, .slot = MS_REUSE_NONE, .is_used = true};
    reuse->table[find(reuse, hash)] = key + 1;
    return key;
}

uint32_t ms_reuse_key(struct ms_reuse *reuse, uint64_t hash)
{
    const uint32_t at = find(reuse, hash);

    return reuse->table[at] != 0 ? reuse->table[at] - 1 : add(reuse, hash);
}

/* ---- References ---- */

void ms_reuse_read(struct ms_reuse *reuse, uint32_t key, bool can_hit)
{
    struct ms_followed *followed = &reuse->keys[key];
    const double weight = ms_reuse_weight(reuse);

    followed->reads += followed->reads != UINT32_MAX;
    if (followed->slot == MS_REUSE_NONE || !can_hit) {
        ms_curve_add(&reuse->entries, MS_CURVE_INFINITE, weight, followed->reads);
        ms_curve_add(&reuse->bytes, MS_CURVE_INFINITE, weight, followed->reads);
        return;
    }
    const struct sum after = sum_after(reuse, followed->slot);
    ms_curve_add(&reuse->entries, (double)after.count * weight + 1, weight, followed->reads);
    ms_curve_add(&reuse->bytes, (double)after.bytes * weight + followed->size, weight,
                 followed->reads);
}

void ms_reuse_touch(struct ms_reuse *reuse, uint32_t key, uint32_t size)
{
    empty_slot(reuse, key);
    reuse->keys[key].size = size;
    if (size == 0)
        return;
    if (reuse->next_slot == slot_count(reuse))
        renumber(reuse);
    fill_slot(reuse, key, reuse->next_slot++);
}

double ms_reuse_read_once(const struct ms_reuse *reuse)
{
    const double weight = ms_reuse_weight(reuse);
    double all = reuse->gone, once = reuse->gone_read_once;

    for (uint32_t key = 0; key < reuse->capacity; key++) {
        if (reuse->keys[key].is_used) {
            all += weight;
            once += reuse->keys[key].reads <= 1 ? weight : 0;
        }
    }
    return all > 0 ? once / all : 0;
}
