/* SPDX-License-Identifier: Apache-2.0 */
/* Saving a store to a file while everything goes on.
 *
 * The index is walked interval by interval. Under the shard's lock only the places of an interval are
 * noted; the entries, which do not change, are copied after it, in the read section that began under
 * it. Nothing is held while the disk is written to. store/snapshot/capture.h has why no batch is saved by
 * half. */
#include "store/snapshot/save.h"

#include "platform/mem.h"
#include "snapshot/writer.h"
#include "store/heat.h"
#include "store/interval.h"
#include "store/lookup.h"
#include "store/snapshot/progress.h"
#include "store/watch/store_log.h"

_Static_assert(MS_HEATS == MS_SNAPSHOT_HEATS, "blocks are kept apart by heat");

/* Larger entries are not copied in the read section but pinned, and written from where they are. */
#define PINNED_FROM ((size_t)16 << 10)

struct saving {
    memstore *store;
    struct ms_reporting reporting;
    struct ms_snapshot_writer writer;
    struct ms_capture *capture;
    int64_t unix_offset; /* Unix minus monotonic milliseconds, as the saving began */
    /* Of the interval at hand. */
    struct ms_interval interval;
    ms_place *places;
    size_t count, cap;
    struct ms_found *pinned;
    size_t pinned_count, pinned_cap;
};

/* ---- Arrays that grow ---- */

static bool reserve(void **array, size_t *cap, size_t count, size_t each)
{
    if (count < *cap)
        return true;
    const size_t more = *cap == 0 ? 1024 : *cap * 2;
    void *larger = ms_mem_resize(*array, more * each);
    if (larger == NULL)
        return false;
    *array = larger;
    *cap = more;
    return true;
}

static bool note_place(void *context, uint32_t place)
{
    struct saving *saving = context;
    void *places = saving->places;

    if (!reserve(&places, &saving->cap, saving->count, sizeof *saving->places))
        return false;
    saving->places = places;
    saving->places[saving->count++] = place;
    return true;
}

static bool pin(struct saving *saving, const struct ms_found *found)
{
    void *pinned = saving->pinned;

    if (!reserve(&pinned, &saving->pinned_cap, saving->pinned_count, sizeof *saving->pinned))
        return false;
    saving->pinned = pinned;
    ms_segment_borrow(found->segment);
    saving->pinned[saving->pinned_count++] = *found;
    return true;
}

/* ---- Entries ---- */

static int64_t unix_of(const struct saving *saving, int64_t monotonic)
{
    const int64_t at = monotonic + saving->unix_offset;

    /* 0 means never, and a clock may stand before 1970. */
    return at > 0 ? at : 1;
}

static int64_t unix_expiry(const struct saving *saving, int64_t expiry)
{
    /* Later than any clock will show. */
    if (expiry > INT64_MAX / 2)
        return 0;
    return unix_of(saving, expiry);
}

static struct ms_snapshot_entry entry_of(const struct saving *saving, const struct ms_found *found)
{
    memstore *store = saving->store;

    return (struct ms_snapshot_entry){
        .key = found->parts.key,
        .value = found->parts.value,
        .key_size = found->parts.key_size,
        .value_size = found->parts.value_size,
        .expires_at = unix_expiry(saving, ms_found_expiry(found)),
        .ttl = ms_found_ttl(store, found),
        .created_at = store->keeps_created ? unix_of(saving, ms_entry_created(found->entry)) : 0,
        .heat = ms_heat_of(store, found->entry, found->segment),
    };
}

/* Save the entry at a place, or pin it for later. In the read section of its interval. */
static int take_place(struct saving *saving, ms_place place)
{
    memstore *store = saving->store;
    struct ms_found found;

    ms_found_at(store, place, &found);
    const uint64_t hash = ms_store_hash(store, found.parts.key, found.parts.key_size);
    if (!ms_interval_has(&saving->interval, hash) || ms_has_expired(ms_found_expiry(&found)) ||
        ms_capture_has(store, saving->capture, hash, found.parts.key, found.parts.key_size))
        return MEMSTORE_OK;
    saving->reporting.progress.done++;
    if (found.parts.size >= PINNED_FROM)
        return pin(saving, &found) ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED;
    const struct ms_snapshot_entry entry = entry_of(saving, &found);
    return ms_snapshot_add(&saving->writer, &entry);
}

static int write_entry(struct saving *saving, const struct ms_snapshot_entry *entry)
{
    int status = MEMSTORE_OK;

    if (!ms_snapshot_is_small(&saving->writer, entry))
        return ms_snapshot_add_large(&saving->writer, entry);
    status = ms_snapshot_add(&saving->writer, entry);
    return status == MEMSTORE_OK ? ms_snapshot_write_full(&saving->writer) : status;
}

static int write_pinned(struct saving *saving, int status)
{
    for (size_t i = 0; i < saving->pinned_count; i++) {
        const struct ms_found *found = &saving->pinned[i];

        if (status == MEMSTORE_OK) {
            const struct ms_snapshot_entry entry = entry_of(saving, found);
            status = write_entry(saving, &entry);
        }
        ms_segment_return(found->segment);
    }
    saving->pinned_count = 0;
    return status;
}

/* ---- Images (store/snapshot/capture.h) ---- */

static int write_image(struct saving *saving, const struct ms_image *image)
{
    const struct ms_snapshot_entry entry = {
        .key = image->bytes,
        .value = image->bytes + image->key_size,
        .key_size = image->key_size,
        .value_size = image->value_size,
        .expires_at = unix_expiry(saving, image->expiry),
        .ttl = image->ttl,
        .created_at = saving->store->keeps_created ? unix_of(saving, image->created) : 0,
        .heat = image->heat,
    };

    saving->reporting.progress.done++;
    return write_entry(saving, &entry);
}

static int write_images(struct saving *saving)
{
    struct ms_image *images;
    int status = ms_capture_take(saving->store, saving->capture, &images);

    for (struct ms_image *image = images; image != NULL && status == MEMSTORE_OK;
         image = image->next_fresh)
        status = write_image(saving, image);
    if (images != NULL)
        ms_capture_written(saving->store, saving->capture, images);
    ms_capture_purge(saving->store, saving->capture);
    return status;
}

/* ---- Intervals ---- */

/* Note what is in the interval that begins at the position, and move that on. Its shard is locked. */
static bool note_interval(struct saving *saving)
{
    memstore *store = saving->store;
    const uint64_t position = ms_load_relaxed(&saving->capture->position);
    const uint32_t shard = (uint32_t)(position >> 32);

    saving->count = 0;
    saving->interval = ms_interval_from(store, shard, position & UINT32_MAX);
    const bool noted = ms_index_scan(&store->index, shard, saving->interval.from,
                                     saving->interval.to, note_place, saving);
    /* ORDER: relaxed, the shard's lock orders it (CT-1). */
    ms_store_relaxed(&saving->capture->position,
                     ((uint64_t)shard << 32) + (uint64_t)saving->interval.to + 1);
    ms_testing_reach_after(MS_POINT_INTERVAL_NOTED, saving->count);
    return noted;
}

static int copy_interval(struct saving *saving)
{
    memstore *store = saving->store;
    const uint64_t shard = ms_load_relaxed(&saving->capture->position) >> 32;
    ms_mutex *lock = &store->index.shards[shard].lock;

    if (!ms_mutex_lock_until(lock, ms_store_deadline(store)))
        return MEMSTORE_ERR_LOCK_TIMEOUT;
    ms_rcu_read_lock();
    int status = note_interval(saving) ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED;
    ms_mutex_unlock(lock);
    for (size_t i = 0; i < saving->count && status == MEMSTORE_OK; i++)
        status = take_place(saving, saving->places[i]);
    ms_rcu_read_unlock();
    return write_pinned(saving, status);
}

static int copy_all(struct saving *saving)
{
    const uint64_t end = (uint64_t)saving->store->index.shard_count << 32;
    int status = MEMSTORE_OK;

    while (status == MEMSTORE_OK && ms_load_relaxed(&saving->capture->position) < end) {
        const uint64_t before = saving->writer.file_size;

        status = copy_interval(saving);
        if (status == MEMSTORE_OK)
            status = write_images(saving);
        if (status == MEMSTORE_OK)
            status = ms_snapshot_write_full(&saving->writer);
        if (status == MEMSTORE_OK)
            status = ms_report_some(&saving->reporting, saving->writer.file_size - before);
    }
    return status;
}

/* ---- All of it ---- */

static int gather(struct saving *saving)
{
    memstore *store = saving->store;

    saving->capture =
        ms_capture_begin(store, ms_setting_of(&store->settings, snapshot_batch_memory));
    if (saving->capture == NULL)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    int status =
        ms_report_phase(&saving->reporting, MEMSTORE_PHASE_SAVING, ms_index_count(&store->index));
    if (status == MEMSTORE_OK)
        status = copy_all(saving);
    ms_capture_end(store, saving->capture);
    ms_mem_free(saving->places);
    ms_mem_free(saving->pinned);
    if (status != MEMSTORE_OK)
        return status;
    saving->reporting.progress.stored = saving->reporting.progress.done;
    return ms_report_end(&saving->reporting);
}

static int save(struct saving *saving, const char *path)
{
    memstore *store = saving->store;
    const int64_t now = ms_clock_unix_ms();
    const struct ms_snapshot_options options = {
        .saved_at = now > 0 ? now : 1,
        .keeps_created = store->keeps_created,
        .keeps_ttl = (store->kept & MS_KEPT_TTL) != 0,
        .packs = ms_setting_of(&store->settings, snapshot_compression) == MS_COMPRESSION_ZSTD,
        .sync = ms_setting_of(&store->settings, snapshot_fsync),
        .wipes = store->settings.secure_wipe,
    };
    int status =
        ms_combiner_is_idle(&store->combiner) ? MEMSTORE_OK : ms_combiner_settle_all(store);

    if (status == MEMSTORE_OK)
        status = ms_snapshot_begin(&saving->writer, path, &options);
    if (status != MEMSTORE_OK)
        return status;
    saving->unix_offset = ms_clock_unix_offset_ms();
    status = gather(saving);
    if (status == MEMSTORE_OK)
        return ms_snapshot_commit(&saving->writer);
    ms_snapshot_abandon(&saving->writer);
    return status;
}

int ms_store_save(memstore *store, const char *path, memstore_progress_fn fn, void *context)
{
    struct saving saving = {.store = store, .reporting = ms_reporting_to(fn, context)};
    const int status = save(&saving, path);

    ms_tell_saved(store, path, status, saving.writer.file.is_placed,
                  saving.reporting.progress.stored);
    return status;
}
