/* SPDX-License-Identifier: Apache-2.0 */
/* Changing an entry's TTL: one store into the entry, unless the new expiry needs a longer form;
 * then the entry is rewritten with the same value, version and creation time. */
#include "store/write/retime.h"

#include "store/lookup.h"
#include "store/maintenance.h"
#include "store/track/follow.h"
#include "store/write/slide.h"
#include "store/write/ttl.h"
#include "store/write/write.h"

int64_t ms_ttl_bound_by_age(const memstore *store, const struct ms_found *found, int64_t expiry)
{
    const int64_t window = ms_setting_of(&store->settings, life_window);

    if (window == 0)
        return expiry;
    const int64_t bound = ms_entry_created(found->entry) + window;
    return expiry < bound ? expiry : bound;
}

/* Write a new expiry into a published entry, if it can be changed there and has a form that 32
 * bits hold. Shard lock held. */
static bool change_in_place(const memstore *store, const struct ms_found *found,
                            const struct ms_life *life)
{
    const uint32_t encoded = ms_expiry_encode(life->expiry, found->segment->time_base);

    if (encoded == MS_EXPIRY_FAR)
        return false;
    if (ms_unlikely((store->kept & MS_KEPT_TTL) != 0))
        return ms_slide_set(store, found->entry, encoded, life->ttl);
    ms_store_relaxed(&found->entry->expiry, encoded);
    return true;
}

/* Tell the sweeper, as ms_store_note_expiry() does of an entry that was appended. */
static void note_changed(memstore *store, struct ms_segment *segment, int64_t expiry)
{
    if (expiry != MS_NEVER &&
        ms_due_note_changed(&store->due, segment, expiry, ms_clock_coarse_ms()))
        ms_maintenance_plan(store);
}

/* OK, an error, or MS_WRITE_AGAIN when the entry has to be rewritten: then *rewrite says how,
 * its value pinned by *pinned. It is the entry that has *version, which 0 leaves to be found. */
static int update_ttl_locked(memstore *store, const memstore_key *key, uint64_t hash,
                             int64_t ttl_ms, uint64_t *version, struct ms_write *rewrite,
                             struct ms_segment **pinned)
{
    struct ms_index_slot slot;
    struct ms_found found;
    struct ms_life life;

    const int status = ms_ttl_to_life(store, ttl_ms, &life);
    if (status != MEMSTORE_OK)
        return status;
    if (!ms_lookup_find_slot(store, key->data, key->size, hash, &slot, &found))
        return MEMSTORE_ERR_KEY_NOT_FOUND;
    if (ms_has_expired(ms_found_expiry(&found)))
        return MEMSTORE_ERR_TTL_EXPIRED;
    if (*version != 0 && *version != ms_found_version(store, &found))
        return MEMSTORE_ERR_TTL_UPDATE_FAILED;
    life.expiry = ms_ttl_bound_by_age(store, &found, life.expiry);
    if (change_in_place(store, &found, &life)) {
        note_changed(store, found.segment, life.expiry);
        ms_store_retime(store, key, hash, life.expiry);
        if (ms_track_follows(store, hash))
            ms_track_retime(store, hash, life.expiry);
        return MEMSTORE_OK;
    }

    /* Whoever moves it meanwhile keeps the version. */
    ms_found_mark_versioned(&found);
    *version = ms_found_version(store, &found);
    *pinned = found.segment;
    ms_segment_borrow(found.segment);
    *rewrite = (struct ms_write){
        .key = *key,
        .value = found.parts.value,
        .value_size = found.parts.value_size,
        .life = life,
        .mode = MS_WRITE_IF_SAME,
        .instance = ms_found_instance(store, &found),
        .keep_version = *version,
        .keep_created = store->keeps_created ? ms_entry_created(found.entry) : 0,
    };
    return MS_WRITE_AGAIN;
}

/* OK, an error, or MS_WRITE_AGAIN when the entry was replaced or moved while it was rewritten. */
static int update_once(memstore *store, const memstore_key *key, uint64_t hash, int64_t ttl_ms,
                       uint64_t *version)
{
    struct ms_segment *pinned = NULL;
    struct ms_write rewrite;
    struct ms_write_outcome outcome;
    int status = ms_store_lock_shard(store, hash);

    if (status != MEMSTORE_OK)
        return status;
    status = update_ttl_locked(store, key, hash, ttl_ms, version, &rewrite, &pinned);
    ms_mutex_unlock(ms_store_shard_lock(store, hash));
    if (pinned != NULL) {
        status = ms_store_try_write(store, &rewrite, hash, &outcome);
        ms_segment_return(pinned);
    }
    return status;
}

int ms_store_update_ttl(memstore *store, const void *key, size_t key_size, int64_t ttl_ms)
{
    const uint64_t hash = ms_store_hash(store, key, key_size);
    const memstore_key wanted = {key, key_size};
    uint64_t version = 0;
    int status;

    do {
        status = update_once(store, &wanted, hash, ttl_ms, &version);
    } while (status == MS_WRITE_AGAIN);
    ms_store_count_refusal(store, status);
    return status;
}
