/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a snapshot. The file is verified first, as a whole; then its blocks are read again, each
 * compared with what was verified, and their entries are added, but for those of keys to which something
 * happens meanwhile (news.h). What was added is noted, so that it can be taken back if the loading does not
 * come to its end. */
#include "store/snapshot/restore.h"

#include "platform/mem.h"
#include "snapshot/reader.h"
#include "store/heat.h"
#include "store/lookup.h"
#include "store/snapshot/progress.h"
#include "store/space/freeing.h"
#include "store/track/follow.h"
#include "store/upkeep.h"
#include "store/watch/notify.h"
#include "store/watch/store_log.h"
#include "store/write/ttl.h"
#include "store/write/write.h"

/* No time to live is longer; it keeps sums of times far from overflow. */
#define LONGEST_MS (INT64_MAX / 4)

/* Bytes of the file that an entry takes at least: small keys without values are packed to 3.5. */
#define LEAST_PACKED 2

/* What was added. */
struct added {
    uint64_t hash;
    uint64_t instance;
};

struct restoring {
    memstore *store;
    struct ms_reporting reporting;
    struct ms_snapshot_reader reader;
    struct ms_news *news;
    /* One moment by both clocks. */
    int64_t now, unix_now;
    struct added *added;
    size_t count, cap;
    bool full; /* there is no more room */
};

/* ---- Taking back ---- */

/* Have room to note one more: what is added can always be taken back. */
static bool reserve_note(struct restoring *restoring)
{
    if (restoring->count < restoring->cap)
        return true;
    const size_t cap = restoring->cap == 0 ? 1024 : restoring->cap * 2;
    struct added *added = ms_mem_resize(restoring->added, cap * sizeof *added);

    if (added == NULL)
        return false;
    restoring->added = added;
    restoring->cap = cap;
    return true;
}

struct sought {
    const memstore *store;
    uint64_t instance;
};

static bool is_instance(void *context, uint32_t *place)
{
    const struct sought *sought = context;
    const struct ms_arena *arena = &sought->store->arena;

    return ms_arena_version(arena, *place, ms_arena_segment_of(arena, *place)) == sought->instance;
}

/* Remove an entry if it is still what was added. */
static void take_back(memstore *store, const struct added *added)
{
    struct sought sought = {store, added->instance};
    struct ms_index_slot slot;
    struct ms_found found;
    bool live = false;

    ms_mutex_lock(ms_store_shard_lock(store, added->hash));
    const bool exists = ms_index_find_slot(&store->index, added->hash, is_instance, &sought, &slot);
    if (exists) {
        ms_found_at(store, ms_slot_place(&slot), &found);
        live = !ms_has_expired(ms_found_expiry(&found));
        ms_index_remove(&store->index, added->hash, &slot);
        ms_notify_removal(store, &found, ms_removal_kind(live, MEMSTORE_EVENT_DELETED));
        ms_store_entry_died(store, &found);
    }
    ms_mutex_unlock(ms_store_shard_lock(store, added->hash));

    if (!exists)
        return;
    if (ms_track_follows(store, added->hash))
        ms_track_delete(store, added->hash);
    ms_count(&store->counters, live ? MS_COUNT_DELETES : MS_COUNT_EXPIRATIONS, 1);
}

static void take_all_back(struct restoring *restoring)
{
    for (size_t i = 0; i < restoring->count; i++)
        take_back(restoring->store, &restoring->added[i]);
}

/* ---- Entries ---- */

/* The monotonic time of a Unix time that has passed: a negative one if the machine has started since. */
static int64_t past_of(const struct restoring *restoring, int64_t unix_ms)
{
    const int64_t age = restoring->unix_now - unix_ms;
    /* Nothing was created in the future. */
    const int64_t past = restoring->now - (age > 0 ? age : 0);

    /* To a write 0 means now. */
    return past != 0 ? past : -1;
}

/* The life of an entry within the bounds of this store; false when it has expired. */
static bool life_of(const struct restoring *restoring, const struct ms_snapshot_entry *entry,
                    int64_t created, struct ms_life *life)
{
    const struct ms_settings *settings = &restoring->store->settings;
    const int64_t max_ttl = ms_setting_of(settings, max_ttl);
    const int64_t window = ms_setting_of(settings, life_window);
    int64_t left = entry->expires_at == 0 ? LONGEST_MS : entry->expires_at - restoring->unix_now;

    if (max_ttl != 0 && left > max_ttl)
        left = max_ttl;
    if (window != 0 && left > created + window - restoring->now)
        left = created + window - restoring->now;
    life->expiry = left >= LONGEST_MS ? MS_NEVER : restoring->now + left;
    /* "Never" is as long as it may be. Of another entry whose TTL is not known, it is what was left of it. */
    if (entry->expires_at == 0)
        life->ttl = max_ttl;
    else
        life->ttl = restoring->reader.summary.has_ttl ? entry->ttl : left;
    if (left >= LONGEST_MS || life->ttl >= LONGEST_MS)
        life->ttl = 0;
    else if (max_ttl != 0 && life->ttl > max_ttl)
        life->ttl = max_ttl;
    return left > 0;
}

static int add(struct restoring *restoring, const struct ms_snapshot_entry *entry, uint64_t hash,
               const struct ms_life *life, int64_t created)
{
    memstore *store = restoring->store;
    const struct ms_write write = {
        .key = {entry->key, entry->key_size},
        .value = entry->value,
        .value_size = entry->value_size,
        .life = *life,
        .mode = MS_WRITE_ADD,
        .keep_created = store->keeps_created ? created : 0,
        .heat_plus_one = entry->heat + 1,
        .news = restoring->news,
    };
    struct ms_write_outcome outcome;
    int status = ms_store_check_size(store, entry->key_size, entry->value_size);

    if (status == MEMSTORE_OK && !reserve_note(restoring))
        status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
    if (status == MEMSTORE_OK)
        status = ms_store_try_write(store, &write, hash, &outcome);
    if (status != MEMSTORE_OK)
        return status;
    ms_store_count_stored(store, &outcome);
    restoring->added[restoring->count++] = (struct added){hash, outcome.instance};
    return MEMSTORE_OK;
}

/* Whether an entry of this size is one that others might still fit after. */
static bool is_large(const memstore *store, const struct ms_snapshot_entry *entry)
{
    return (uint64_t)entry->key_size + entry->value_size + sizeof(struct ms_entry_long) +
               sizeof(struct ms_entry) + 8 >
           ms_arena_solo_threshold(&store->arena);
}

static int restore_entry(struct restoring *restoring, const struct ms_snapshot_entry *entry,
                         uint64_t hash)
{
    memstore_progress *progress = &restoring->reporting.progress;
    const int64_t created = restoring->reader.summary.has_created
                                ? past_of(restoring, entry->created_at)
                                : restoring->now;
    struct ms_life life;

    progress->done++;
    if (!life_of(restoring, entry, created, &life)) {
        progress->expired++;
        return MEMSTORE_OK;
    }
    const int status =
        restoring->full ? MEMSTORE_ERR_CACHE_FULL : add(restoring, entry, hash, &life, created);
    switch (status) {
    case MEMSTORE_OK:
        progress->stored++;
        return status;
    case MEMSTORE_ERR_KEY_EXISTS:
        progress->present++;
        return MEMSTORE_OK;
    case MEMSTORE_ERR_CACHE_FULL:
        restoring->full |= !is_large(restoring->store, entry);
        progress->left_out++;
        return MEMSTORE_OK;
    case MEMSTORE_ERR_ENTRY_TOO_LARGE:
    case MEMSTORE_ERR_SHARD_OVERFLOW:
        progress->left_out++;
        return MEMSTORE_OK;
    default:
        return status;
    }
}

/* ---- Blocks ---- */

/* Entries whose places in the index are on their way to the processor at once. */
#define AHEAD 16

struct ahead {
    struct ms_snapshot_entry entries[AHEAD];
    uint64_t hashes[AHEAD];
};

/* Take the next few entries of a block; 0 when there are no more. */
static size_t take_ahead(struct restoring *restoring, struct ahead *ahead)
{
    memstore *store = restoring->store;
    size_t n = 0;

    for (; n < AHEAD && ms_snapshot_next(&restoring->reader, &ahead->entries[n]); n++) {
        const struct ms_snapshot_entry *const entry = &ahead->entries[n];

        ahead->hashes[n] = ms_store_hash(store, entry->key, entry->key_size);
        ms_index_prefetch(&store->index, ahead->hashes[n]);
    }
    return n;
}

static int restore_block(struct restoring *restoring, uint64_t number)
{
    struct ahead ahead;
    int status = ms_snapshot_read(&restoring->reader, number);
    const uint64_t bytes = status == MEMSTORE_OK ? ms_snapshot_left(&restoring->reader) : 0;
    size_t n;

    while (status == MEMSTORE_OK && (n = take_ahead(restoring, &ahead)) != 0) {
        for (size_t i = 0; i < n && status == MEMSTORE_OK; i++)
            status = restore_entry(restoring, &ahead.entries[i], ahead.hashes[i]);
    }
    return status == MEMSTORE_OK ? ms_report_some(&restoring->reporting, bytes) : status;
}

static int restore_heat(struct restoring *restoring, unsigned heat)
{
    const struct ms_snapshot_reader *reader = &restoring->reader;
    int status = MEMSTORE_OK;

    for (uint64_t i = 0; i < reader->count && status == MEMSTORE_OK; i++) {
        if (reader->spots[i].heat == heat)
            status = restore_block(restoring, i);
    }
    return status;
}

/* Whether all of the file fits the room there is, with some to spare. */
static bool fits(const struct restoring *restoring)
{
    memstore *store = restoring->store;
    const uint64_t room = (uint64_t)ms_arena_available(&store->arena) << store->arena.segment_shift;
    const uint64_t index =
        restoring->reader.summary.entries * 2 * sizeof(struct ms_bucket) / MS_BUCKET_SLOTS;

    return restoring->reader.bytes + index < room / 2;
}

/* What was of most use first, in case that not all fits. If it does, last: policies that go by the
 * order of writing give up the first first. */
static int restore_all(struct restoring *restoring)
{
    const bool coldest_first = fits(restoring);
    int status = ms_report_phase(&restoring->reporting, MEMSTORE_PHASE_LOADING,
                                 restoring->reader.summary.entries);

    for (unsigned i = 0; i < MS_SNAPSHOT_HEATS && status == MEMSTORE_OK; i++)
        status = restore_heat(restoring, coldest_first ? i : MS_SNAPSHOT_HEATS - 1 - i);
    return status == MEMSTORE_OK ? ms_report_end(&restoring->reporting) : status;
}

static bool verified_block(void *context, uint32_t entries)
{
    struct restoring *restoring = context;

    restoring->reporting.progress.done += entries;
    return ms_report_some(&restoring->reporting, ms_snapshot_left(&restoring->reader)) ==
           MEMSTORE_OK;
}

static int verify(struct restoring *restoring)
{
    int status = ms_report_phase(&restoring->reporting, MEMSTORE_PHASE_VERIFYING,
                                 restoring->reader.summary.entries);

    if (status == MEMSTORE_OK)
        status = ms_snapshot_verify(&restoring->reader, verified_block, restoring);
    return status == MEMSTORE_OK ? ms_report_end(&restoring->reporting) : status;
}

static int restore(struct restoring *restoring)
{
    const int64_t saved_at = restoring->reader.summary.saved_at;
    int status = verify(restoring);

    if (status != MEMSTORE_OK)
        return status;
    ms_upkeep_expire(restoring->store, ms_store_deadline(restoring->store));
    ms_freeing_emptied(restoring->store);
    restoring->unix_now = ms_clock_unix_ms();
    restoring->now = restoring->unix_now - ms_clock_unix_offset_ms();
    /* A clock that was set back gives no entry a longer life. */
    if (restoring->unix_now < saved_at)
        restoring->unix_now = saved_at;
    status = restore_all(restoring);
    if (status != MEMSTORE_OK)
        take_all_back(restoring);
    return status;
}

/* How many entries to be ready for. The header is not verified yet, and of blocks that may be packed it could
 * promise any number; but keys that differ do not become smaller than this. */
static uint64_t likely_entries(const struct ms_snapshot_summary *summary)
{
    const uint64_t most = summary->file_size / LEAST_PACKED;

    return summary->entries < most ? summary->entries : most;
}

/* Restore while others use the store. */
static int restore_beside(struct restoring *restoring)
{
    memstore *store = restoring->store;

    restoring->news = ms_news_begin(store, likely_entries(&restoring->reader.summary));
    if (restoring->news == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    const int status = restore(restoring);
    ms_news_end(store, restoring->news);
    return status;
}

int ms_store_restore(memstore *store, const char *path, memstore_progress_fn fn, void *context)
{
    struct restoring restoring = {.store = store, .reporting = ms_reporting_to(fn, context)};
    int status = ms_snapshot_open(&restoring.reader, path, store->settings.secure_wipe);

    if (status == MEMSTORE_OK) {
        status = restore_beside(&restoring);
        ms_snapshot_close(&restoring.reader);
        ms_mem_free(restoring.added);
    }
    ms_tell_loaded(store, path, status, &restoring.reader.summary, &restoring.reporting.progress);
    return status;
}
