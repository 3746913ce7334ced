/* SPDX-License-Identifier: Apache-2.0 */
#include "store/snapshot/capture.h"

#include "platform/mem.h"
#include "store/batch/plan.h"
#include "store/heat.h"

void ms_captures_init(struct ms_captures *captures)
{
    ms_mutex_init(&captures->lock, MS_RANK_CAPTURES);
}

void ms_captures_fini(struct ms_captures *captures)
{
    ms_mutex_destroy(&captures->lock);
}

void ms_captures_forget(struct ms_captures *captures)
{
    ms_store_relaxed(&captures->first, NULL);
}

static uint64_t position_of(const memstore *store, uint64_t hash)
{
    return (uint64_t)ms_index_shard_of(&store->index, hash) << 32 | (hash & UINT32_MAX);
}

/* ---- Beginning and end ---- */

struct ms_capture *ms_capture_begin(memstore *store, uint64_t most_bytes)
{
    const unsigned bits = 32 + (unsigned)__builtin_ctz(store->index.shard_count);
    struct ms_capture *const capture = ms_mem_alloc(sizeof *capture);

    if (capture == NULL)
        return NULL;
    *capture = (struct ms_capture){
        .range_shift = bits - MS_CAPTURE_RANGES_LOG2,
        .most_bytes = most_bytes,
        .wipes = store->settings.secure_wipe,
        .ranges = ms_mem_alloc(MS_CAPTURE_RANGES * sizeof(struct ms_image *)),
    };
    if (capture->ranges == NULL) {
        ms_mem_free(capture);
        return NULL;
    }
    ms_mutex_lock(&store->captures.lock);
    capture->next = ms_load_relaxed(&store->captures.first);
    ms_store_relaxed(&store->captures.first, capture);
    ms_mutex_unlock(&store->captures.lock);
    return capture;
}

/* Free so many images of a range at most; how many they were. */
static size_t free_some(struct ms_capture *capture, uint64_t range, size_t most)
{
    struct ms_image *image = capture->ranges[range];
    size_t freed = 0;

    for (; image != NULL && freed < most; freed++) {
        struct ms_image *next = image->next;

        capture->bytes -= sizeof *image + image->key_size + image->value_size;
        ms_sub_relaxed(&capture->images, 1);
        ms_mem_free_wiped(image->bytes, capture->wipes);
        ms_mem_free(image);
        image = next;
    }
    capture->ranges[range] = image;
    return freed;
}

void ms_capture_end(memstore *store, struct ms_capture *capture)
{
    ms_mutex_lock(&store->captures.lock);
    struct ms_capture *before = ms_load_relaxed(&store->captures.first);
    if (before == capture) {
        ms_store_relaxed(&store->captures.first, capture->next);
    } else {
        while (before != NULL && before->next != capture)
            before = before->next;
        /* In the child of a fork() it is not listed. */
        if (before != NULL)
            before->next = capture->next;
    }
    ms_mutex_unlock(&store->captures.lock);
    for (uint64_t range = capture->purged; range < MS_CAPTURE_RANGES; range++)
        free_some(capture, range, SIZE_MAX);
    ms_mem_free(capture->ranges);
    ms_mem_free(capture);
}

/* ---- Images ---- */

static struct ms_image *find(const struct ms_capture *capture, uint64_t range, uint64_t hash,
                             const void *key, size_t key_size)
{
    struct ms_image *image = capture->ranges[range];

    while (image != NULL && (image->hash != hash || image->key_size != key_size ||
                             memcmp(image->bytes, key, key_size) != 0))
        image = image->next;
    return image;
}

/* What the step found, or its absence. Under the locks of the batch. */
static struct ms_image *image_of(memstore *store, const struct ms_step *step)
{
    const struct ms_entry_parts *parts = &step->found.parts;
    const memstore_key *key = &step->op->key;
    const uint32_t value_size = step->live ? parts->value_size : 0;
    struct ms_image *image = ms_mem_alloc(sizeof *image);

    if (image == NULL)
        return NULL;
    image->bytes = ms_mem_resize(NULL, key->size + value_size);
    if (image->bytes == NULL) {
        ms_mem_free(image);
        return NULL;
    }
    image->hash = step->hash;
    image->key_size = (uint32_t)key->size;
    image->value_size = value_size;
    memcpy(image->bytes, key->data, key->size);
    if (!step->live)
        return image;
    memcpy(image->bytes + key->size, parts->value, value_size);
    image->was_there = true;
    image->expiry = ms_found_expiry(&step->found);
    image->ttl = ms_found_ttl(store, &step->found);
    image->created = store->keeps_created ? ms_entry_created(step->found.entry) : 0;
    image->heat = ms_heat_of(store, step->found.entry, step->found.segment);
    return image;
}

static void keep_image(memstore *store, struct ms_capture *capture, const struct ms_step *step)
{
    const uint64_t position = position_of(store, step->hash);
    const uint64_t range = position >> capture->range_shift;
    const memstore_key *key = &step->op->key;

    /* ORDER: relaxed; the lock of the shard that it is in, or has left, orders it (CT-1). */
    if (position < ms_load_relaxed(&capture->position) || capture->status != MEMSTORE_OK ||
        find(capture, range, step->hash, key->data, key->size) != NULL)
        return;
    struct ms_image *image = image_of(store, step);
    if (image == NULL) {
        capture->status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
        return;
    }
    image->next = capture->ranges[range];
    capture->ranges[range] = image;
    if (image->was_there) {
        image->next_fresh = capture->fresh;
        capture->fresh = image;
    }
    ms_add_relaxed(&capture->images, 1);
    capture->bytes += sizeof *image + image->key_size + image->value_size;
    if (capture->bytes > capture->most_bytes)
        capture->status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

void ms_capture_batch(const struct ms_commit *commit)
{
    struct ms_captures *captures = &commit->store->captures;

    if (ms_testing_has_fault(MS_FAULT_CAPTURE_WITHOUT_BATCHES))
        return;
    ms_mutex_lock(&captures->lock);
    for (struct ms_capture *capture = ms_load_relaxed(&captures->first); capture != NULL;
         capture = capture->next) {
        for (size_t i = 0; i < commit->count; i++) {
            if (ms_step_writes(&commit->steps[i]))
                keep_image(commit->store, capture, &commit->steps[i]);
        }
    }
    ms_mutex_unlock(&captures->lock);
}

/* ---- For the one who takes the snapshot ---- */

bool ms_capture_has(memstore *store, struct ms_capture *capture, uint64_t hash, const char *key,
                    size_t key_size)
{
    const uint64_t range = position_of(store, hash) >> capture->range_shift;

    /* ORDER: relaxed; those of passed positions are ordered by the lock of their shard (CT-1). */
    if (ms_load_relaxed(&capture->images) == 0)
        return false;
    ms_mutex_lock(&store->captures.lock);
    const bool has = find(capture, range, hash, key, key_size) != NULL;
    ms_mutex_unlock(&store->captures.lock);
    return has;
}

int ms_capture_take(memstore *store, struct ms_capture *capture, struct ms_image **images)
{
    ms_mutex_lock(&store->captures.lock);
    const int status = capture->status;
    *images = capture->fresh;
    capture->fresh = NULL;
    ms_mutex_unlock(&store->captures.lock);
    return status;
}

/* Of so many images. Batches wait for the lock with their shards locked. */
#define IMAGES_IN_ONE_HOLD 64

/* The values of some are not needed any more; the first of the rest, or NULL. */
static struct ms_image *free_values_locked(struct ms_capture *capture, struct ms_image *images)
{
    size_t done = 0;

    for (; images != NULL && done < IMAGES_IN_ONE_HOLD; images = images->next_fresh, done++) {
        char *key_only = ms_mem_resize_wiped(images->bytes, images->key_size, capture->wipes);

        /* Memory that cannot be made smaller is none lost. */
        if (key_only != NULL)
            images->bytes = key_only;
        capture->bytes -= images->value_size;
        images->value_size = 0;
    }
    ms_testing_reach_after(MS_POINT_IMAGES_DONE, done);
    return images;
}

void ms_capture_written(memstore *store, struct ms_capture *capture, struct ms_image *images)
{
    while (images != NULL) {
        ms_mutex_lock(&store->captures.lock);
        images = free_values_locked(capture, images);
        ms_mutex_unlock(&store->captures.lock);
    }
}

/* Free images of ranges before `passed`. */
static void purge_locked(struct ms_capture *capture, uint64_t passed)
{
    size_t done = 0;

    while (capture->purged < passed && done < IMAGES_IN_ONE_HOLD) {
        done += free_some(capture, capture->purged, IMAGES_IN_ONE_HOLD - done);
        capture->purged += capture->ranges[capture->purged] == NULL;
    }
    ms_testing_reach_after(MS_POINT_IMAGES_DONE, done);
}

void ms_capture_purge(memstore *store, struct ms_capture *capture)
{
    const uint64_t passed = ms_load_relaxed(&capture->position) >> capture->range_shift;

    /* Only this thread changes `purged`. */
    while (capture->purged < passed) {
        ms_mutex_lock(&store->captures.lock);
        purge_locked(capture, passed);
        ms_mutex_unlock(&store->captures.lock);
    }
}
