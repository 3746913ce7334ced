/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space/stale.h"

#include "platform/mem.h"
#include "store/lookup.h"
#include "store/space/freeing.h"
#include "store/space/harvest.h"
#include "util/glob.h"

#define ROOM_FIRST 8
/* Bytes of tables that an entry costs in the mean when they have just doubled. */
#define TABLE_BYTES_AN_ENTRY (4 * sizeof(struct ms_stale_slot))
/* Segments that are evicted for tables at most. */
#define VICTIMS 4
_Static_assert(MS_PLACE_NONE == 0, "zeroed slots are free");

uint64_t ms_stale_overhead(uint32_t shards)
{
    return shards * sizeof(struct ms_stale_shard);
}

bool ms_stale_init(struct ms_stale *stale, uint32_t shards)
{
    stale->shards = ms_mem_alloc(ms_stale_overhead(shards));
    return stale->shards != NULL;
}

void ms_stale_fini(struct ms_stale *stale, uint32_t shards)
{
    for (uint32_t i = 0; stale->shards != NULL && i < shards; i++)
        ms_mem_free(stale->shards[i].slots);
    ms_mem_free(stale->shards);
}

/* ---- A table; its shard is locked ---- */

/* The shard's bits of a hash are the same for all that are in one table. */
static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(ms_mix64(hash) >> 32);
}

static struct ms_stale_shard *shard_of(memstore *store, uint64_t hash)
{
    return &store->stale.shards[ms_index_shard_of(&store->index, hash)];
}

static void put(struct ms_stale_shard *shard, struct ms_stale_slot slot)
{
    uint32_t at = slot.tag & (shard->room - 1);

    while (shard->slots[at].place != MS_PLACE_NONE)
        at = (at + 1) & (shard->room - 1);
    shard->slots[at] = slot;
    shard->used++;
}

static void free_table(memstore *store, struct ms_stale_shard *shard)
{
    const uint64_t bytes = shard->room * sizeof *shard->slots;

    ms_mem_free(shard->slots);
    *shard = (struct ms_stale_shard){0};
    ms_sub_relaxed(&store->stale.charged, bytes);
    ms_budget_uncharge(&store->arena.budget, bytes);
}

/* Take a slot out and move up those behind it that it kept from their places. */
static void take_out(memstore *store, struct ms_stale_shard *shard, uint32_t at)
{
    const uint32_t mask = shard->room - 1;
    uint32_t gap = at;

    for (uint32_t i = (at + 1) & mask; shard->slots[i].place != MS_PLACE_NONE; i = (i + 1) & mask) {
        const uint32_t home = shard->slots[i].tag & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            shard->slots[gap] = shard->slots[i];
            gap = i;
        }
    }
    shard->slots[gap].place = MS_PLACE_NONE;
    if (--shard->used == 0)
        free_table(store, shard);
}

/* Memory that tables are not to take: what is free of it entries are moved by. */
static uint64_t spare_of(const memstore *store)
{
    return (uint64_t)store->arena.reserve << store->arena.segment_shift;
}

static void grant(struct ms_stale *stale, uint64_t bytes)
{
    stale->granted += bytes;
    stale->credit += bytes;
    ms_add_relaxed(&stale->charged, bytes);
}

/* Have so much credit. What was granted is short where the entries are of many shards, whose first tables take more; room is
 * not made for the rest here, where a shard is locked. */
static bool ensure_credit(memstore *store, uint64_t bytes)
{
    struct ms_stale *stale = &store->stale;

    if (stale->credit >= bytes)
        return true;
    const uint64_t more = bytes - stale->credit;
    if (!ms_budget_charge(&store->arena.budget, more, spare_of(store))) {
        stale->missed += bytes;
        return false;
    }
    grant(stale, more);
    return true;
}

/* Have room for one more, of the credit. */
static bool ensure_room(memstore *store, struct ms_stale_shard *shard)
{
    const uint32_t room = shard->room != 0 ? 2 * shard->room : ROOM_FIRST;
    const uint64_t more = (uint64_t)(room - shard->room) * sizeof *shard->slots;
    struct ms_stale_shard grown = {.room = room};

    if (shard->room - shard->used > shard->room / 4)
        return true;
    if (!ensure_credit(store, more))
        return false;
    grown.slots = ms_mem_alloc(room * sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (uint32_t i = 0; i < shard->room; i++) {
        if (shard->slots[i].place != MS_PLACE_NONE)
            put(&grown, shard->slots[i]);
    }
    ms_mem_free(shard->slots);
    *shard = grown;
    store->stale.credit -= more;
    return true;
}

/* ---- Entries; their shard is locked ---- */

static uint32_t bytes_of(const memstore *store, const struct ms_found *found)
{
    return ms_arena_padded(&store->arena, found->parts.size);
}

static void mark_stale(const struct ms_found *found)
{
    /* ORDER: release, as of every mark of a published entry: see is_candidate(). */
    ms_store_release(&found->entry->mark,
                     (unsigned char)(ms_load_relaxed(&found->entry->mark) | MS_MARK_STALE));
}

static void drop(memstore *store, struct ms_stale_shard *shard, uint32_t at,
                 const struct ms_found *found)
{
    take_out(store, shard, at);
    ms_sub_relaxed(&store->stale.entries, 1);
    ms_sub_relaxed(&found->segment->stale_bytes, bytes_of(store, found));
    ms_sub_relaxed(&found->segment->stale_entries, 1);
    ms_store_relaxed(&found->entry->mark, MS_MARK_DEAD);
    ms_store_entry_died(store, found);
}

bool ms_stale_keep_locked(memstore *store, uint64_t hash, const struct ms_found *found)
{
    struct ms_stale_shard *shard = shard_of(store, hash);

    if (!ensure_room(store, shard))
        return false;
    put(shard, (struct ms_stale_slot){tag_of(hash), found->place});
    ms_add_relaxed(&store->stale.entries, 1);
    ms_add_relaxed(&found->segment->stale_bytes, bytes_of(store, found));
    ms_add_relaxed(&found->segment->stale_entries, 1);
    mark_stale(found);
    return true;
}

bool ms_stale_judge(memstore *store, uint64_t hash, const struct ms_found *found, bool drops)
{
    struct ms_stale_shard *shard = shard_of(store, hash);
    uint32_t at = tag_of(hash) & (shard->room - 1);

    if (shard->used == 0)
        return false;
    while (shard->slots[at].place != found->place) {
        if (shard->slots[at].place == MS_PLACE_NONE)
            return false;
        at = (at + 1) & (shard->room - 1);
    }
    if (drops)
        drop(store, shard, at, found);
    else
        mark_stale(found); /* a reader that was late may have undone it */
    return true;
}

static bool find(memstore *store, const memstore_key *key, uint64_t hash, uint32_t *at,
                 struct ms_found *out)
{
    const struct ms_stale_shard *shard = shard_of(store, hash);
    const uint32_t tag = tag_of(hash);

    if (shard->used == 0)
        return false;
    for (*at = tag & (shard->room - 1); shard->slots[*at].place != MS_PLACE_NONE;
         *at = (*at + 1) & (shard->room - 1)) {
        if (shard->slots[*at].tag != tag)
            continue;
        ms_found_at(store, shard->slots[*at].place, out);
        if (out->parts.key_size == key->size && ms_key_equal(out->parts.key, key->data, key->size))
            return true;
    }
    return false;
}

bool ms_stale_find(memstore *store, const memstore_key *key, uint64_t hash, struct ms_found *out)
{
    uint32_t at;

    return ms_stale_any(&store->stale) && find(store, key, hash, &at, out);
}

void ms_stale_forget(memstore *store, const memstore_key *key, uint64_t hash)
{
    struct ms_found found;
    uint32_t at;

    if (find(store, key, hash, &at, &found))
        drop(store, shard_of(store, hash), at, &found);
}

/* Drop those of a shard whose keys match; all of them without a pattern. What is moved up is
 * looked at once more. */
static void forget_those(memstore *store, uint32_t number, const char *pattern, size_t pattern_size)
{
    struct ms_stale_shard *shard = &store->stale.shards[number];

    for (uint32_t at = 0; at < shard->room;) {
        struct ms_found found;

        if (shard->slots[at].place == MS_PLACE_NONE) {
            at++;
            continue;
        }
        ms_found_at(store, shard->slots[at].place, &found);
        if (pattern == NULL ||
            ms_glob_match(pattern, pattern_size, found.parts.key, found.parts.key_size))
            drop(store, shard, at, &found);
        else
            at++;
    }
}

void ms_stale_clear_shard(memstore *store, uint32_t shard)
{
    forget_those(store, shard, NULL, 0);
}

int ms_stale_forget_matching(memstore *store, const char *pattern, size_t pattern_size)
{
    for (uint32_t i = 0; ms_stale_any(&store->stale) && i < store->index.shard_count; i++) {
        if (!ms_mutex_lock_until(&store->index.shards[i].lock, ms_store_deadline(store)))
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        forget_those(store, i, pattern, pattern_size);
        ms_mutex_unlock(&store->index.shards[i].lock);
    }
    return MEMSTORE_OK;
}

/* ---- The credit; reclaim lock held ---- */

/* What is full and evicts nothing has what was emptied by the sweeps before, if anything. */
static bool make_room(memstore *store)
{
    const int64_t deadline = ms_store_deadline(store);

    return store->settings.eviction == MS_EVICTION_NONE ? ms_harvest_locked(store, deadline)
                                                        : ms_freeing_evict_locked(store, deadline);
}

bool ms_stale_prepare_locked(memstore *store, const struct ms_segment *segment)
{
    struct ms_stale *stale = &store->stale;
    /* Never more than what doubles all tables. */
    const uint64_t charged = ms_load_relaxed(&stale->charged);
    const uint64_t missed = stale->missed < charged ? stale->missed : charged;
    const uint64_t bytes = ms_segment_live_entries(segment) * TABLE_BYTES_AN_ENTRY +
                           ROOM_FIRST * sizeof(struct ms_stale_slot) + missed;

    stale->missed = 0;
    for (int i = 0; !ms_budget_charge(&store->arena.budget, bytes, spare_of(store)); i++) {
        if (ms_arena_cool(&store->arena, 0) != 0)
            continue;
        if (i == VICTIMS || !make_room(store))
            return false;
    }
    grant(stale, bytes);
    return true;
}

void ms_stale_settle_locked(memstore *store)
{
    struct ms_stale *stale = &store->stale;

    ms_add_relaxed(&stale->taken, stale->granted - stale->credit);
    stale->granted = 0;
    if (stale->credit == 0)
        return;
    ms_sub_relaxed(&stale->charged, stale->credit);
    ms_budget_uncharge(&store->arena.budget, stale->credit);
    stale->credit = 0;
}
