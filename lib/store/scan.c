/* SPDX-License-Identifier: Apache-2.0 */
/* Iterating over keys while everything goes on.
 *
 * A cursor walks the shards, and each shard in the order of the keys' home hashes, an interval
 * at a time (interval.h). The keys of an interval are copied in one read section; between intervals
 * nothing is held. */
#include "store/scan.h"

#include "store/interval.h"
#include "store/lookup.h"

#include "platform/mem.h"
#include "util/glob.h"

struct memstore_cursor {
    memstore *store;
    char *pattern;
    size_t pattern_size;
    bool of_all; /* of what has expired and is not swept, too */
    uint32_t shard;
    uint64_t next_home; /* first home hash of the next interval; 2^32 when the shard is done */
    /* Keys of this interval: a u32 length and the bytes, one after the other. */
    char *keys;
    size_t used, size;
    size_t read_at;
};

static bool ensure_bytes(memstore_cursor *cursor, size_t more)
{
    if (more <= cursor->size - cursor->used)
        return true;

    const size_t size = (cursor->used + more) * 2;
    char *keys = ms_mem_resize_wiped(cursor->keys, size, cursor->store->settings.secure_wipe);
    if (keys == NULL)
        return false;
    cursor->keys = keys;
    cursor->size = size;
    return true;
}

static bool copy_key(memstore_cursor *cursor, const struct ms_entry_parts *parts)
{
    if (!ensure_bytes(cursor, sizeof parts->key_size + parts->key_size))
        return false;
    memcpy(cursor->keys + cursor->used, &parts->key_size, sizeof parts->key_size);
    memcpy(cursor->keys + cursor->used + sizeof parts->key_size, parts->key, parts->key_size);
    cursor->used += sizeof parts->key_size + parts->key_size;
    return true;
}

/* ---- Intervals ---- */

/* Whether what a slot refers to is of the interval, and live or was overtaken by what is, unless `of_all` are
 * wanted; and the parts that it was met with, whose key is the same in any case. */
static bool is_wanted_in(const memstore *store, const struct ms_interval *interval, ms_place place,
                         bool of_all, struct ms_entry_parts *parts)
{
    const struct ms_entry *entry = ms_arena_entry(&store->arena, place);

    ms_testing_reach(MS_POINT_READ_FOUND);
    if (ms_entry_is_record(entry)) {
        place = ms_record_resolve(&store->arena, entry);
        if (place == MS_PLACE_NONE)
            return false;
        entry = ms_arena_entry(&store->arena, place);
    }
    *parts = ms_entry_parts(entry, store->kept);
    if (!ms_interval_has(interval, ms_store_hash(store, parts->key, parts->key_size)))
        return false;
    return of_all || ms_lookup_is_live(store, place, entry) ||
           ms_lookup_renewed(store, parts->key, parts->key_size, &place);
}

/* ---- Counting ---- */

struct counting {
    const memstore *store;
    struct ms_interval interval;
    uint64_t count;
};

static bool count_entry(void *context, uint32_t place)
{
    struct counting *counting = context;
    struct ms_entry_parts parts;

    counting->count += is_wanted_in(counting->store, &counting->interval, place, false, &parts);
    return true;
}

uint64_t ms_scan_count(memstore *store)
{
    struct counting counting = {.store = store};

    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        for (uint64_t from = 0; from >> 32 == 0; from = (uint64_t)counting.interval.to + 1) {
            ms_rcu_read_lock();
            counting.interval = ms_interval_from(store, shard, from);
            ms_index_scan(&store->index, shard, counting.interval.from, counting.interval.to,
                          count_entry, &counting);
            ms_rcu_read_unlock();
        }
    }
    return counting.count;
}

/* ---- Collecting keys ---- */

struct collecting {
    memstore_cursor *cursor;
    struct ms_interval interval;
    bool out_of_memory;
};

static bool collect_key(void *context, uint32_t place)
{
    struct collecting *collecting = context;
    memstore_cursor *cursor = collecting->cursor;
    struct ms_entry_parts parts;

    if (!is_wanted_in(cursor->store, &collecting->interval, place, cursor->of_all, &parts) ||
        !ms_glob_match(cursor->pattern, cursor->pattern_size, parts.key, parts.key_size))
        return true;
    if (!copy_key(cursor, &parts)) {
        collecting->out_of_memory = true;
        return false;
    }
    return true;
}

/* Collect the keys of the next interval. When memory runs out the cursor stays where it is. */
static int collect_interval(memstore_cursor *cursor)
{
    memstore *store = cursor->store;
    int status = MEMSTORE_OK;

    cursor->used = 0;
    cursor->read_at = 0;
    ms_rcu_read_lock();
    if (ms_store_is_closed(store)) {
        status = MEMSTORE_ERR_CACHE_CLOSED;
    } else {
        struct collecting collecting = {
            .cursor = cursor,
            .interval = ms_interval_from(store, cursor->shard, cursor->next_home)};

        ms_index_scan(&store->index, cursor->shard, collecting.interval.from,
                      collecting.interval.to, collect_key, &collecting);
        if (collecting.out_of_memory) {
            cursor->used = 0;
            status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
        } else {
            cursor->next_home = (uint64_t)collecting.interval.to + 1;
        }
    }
    ms_rcu_read_unlock();
    return status;
}

/* Go on to an interval that has keys: OK, KEY_NOT_FOUND at the end, or an error, which is LOCK_TIMEOUT
 * when the thread's waits are stopped. */
static int advance(memstore_cursor *cursor)
{
    while (cursor->read_at == cursor->used) {
        if (ms_wait_is_stopped())
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        if (cursor->next_home >> 32 != 0) {
            if (cursor->shard + 1 >= cursor->store->index.shard_count)
                return MEMSTORE_ERR_KEY_NOT_FOUND;
            cursor->shard++;
            cursor->next_home = 0;
        }
        const int status = collect_interval(cursor);
        if (status != MEMSTORE_OK)
            return status;
    }
    return MEMSTORE_OK;
}

int ms_cursor_new(memstore *store, const char *pattern, size_t pattern_size, bool of_all,
                  memstore_cursor **out)
{
    if (ms_store_is_closed(store))
        return MEMSTORE_ERR_CACHE_CLOSED;
    const int status = ms_glob_validate(pattern, pattern_size);
    if (status != MEMSTORE_OK)
        return status;

    memstore_cursor *cursor = ms_mem_alloc(sizeof *cursor);
    char *copy = ms_mem_alloc(pattern_size + 1);
    if (cursor == NULL || copy == NULL) {
        ms_mem_free(cursor);
        ms_mem_free(copy);
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    }
    if (pattern_size != 0)
        memcpy(copy, pattern, pattern_size);
    *cursor = (memstore_cursor){
        .store = store, .pattern = copy, .pattern_size = pattern_size, .of_all = of_all};
    *out = cursor;
    return MEMSTORE_OK;
}

int ms_cursor_next(memstore_cursor *cursor, memstore_key *key)
{
    uint32_t size;

    /* What was collected before is given out no more. */
    if (ms_store_is_closed(cursor->store))
        return MEMSTORE_ERR_CACHE_CLOSED;
    const int status = advance(cursor);
    if (status != MEMSTORE_OK)
        return status;
    memcpy(&size, cursor->keys + cursor->read_at, sizeof size);
    *key = (memstore_key){cursor->keys + cursor->read_at + sizeof size, size};
    cursor->read_at += sizeof size + size;
    return MEMSTORE_OK;
}

void ms_cursor_free(memstore_cursor *cursor)
{
    ms_mem_free_wiped(cursor->keys, cursor->store->settings.secure_wipe);
    ms_mem_free(cursor->pattern);
    ms_mem_free(cursor);
}
