/* SPDX-License-Identifier: Apache-2.0 */
#include "store/snapshot/news.h"

#include "platform/mem.h"
#include "store/store.h"
#include "util/glob.h"

/* So many bits at least for each entry of the file, and in all at least and at most, by their logarithm: no store
 * holds more than 2^32 entries. */
#define BITS_PER_ENTRY 16
#define LEAST_BITS_LOG2 16
#define MOST_BITS_LOG2 36

/* More different patterns than this are taken for all keys: each entry of the file is matched with each, as
 * each entry of the store has been. */
#define MOST_PATTERNS 4096

void ms_news_init(struct ms_news_list *list)
{
    ms_mutex_init(&list->lock, MS_RANK_CAPTURES);
}

void ms_news_fini(struct ms_news_list *list)
{
    ms_mutex_destroy(&list->lock);
}

void ms_news_forget_threads(struct ms_news_list *list)
{
    struct ms_news *own = ms_load_relaxed(&list->first);

    while (own != NULL && own->thread != ms_thread_serial())
        own = ms_load_relaxed(&own->next);
    ms_store_relaxed(&list->first, own);
    for (; own != NULL; own = ms_load_relaxed(&own->next)) {
        struct ms_news *next = ms_load_relaxed(&own->next);

        while (next != NULL && next->thread != ms_thread_serial())
            next = ms_load_relaxed(&next->next);
        ms_store_relaxed(&own->next, next);
    }
}

/* ---- Beginning and end ---- */

static unsigned bits_log2_for(uint64_t entries)
{
    unsigned log2 = LEAST_BITS_LOG2;

    while (log2 < MOST_BITS_LOG2 && (UINT64_C(1) << log2) / BITS_PER_ENTRY < entries)
        log2++;
    return log2;
}

struct ms_news *ms_news_begin(memstore *store, uint64_t entries)
{
    struct ms_news_list *const list = &store->news;
    const unsigned log2 = bits_log2_for(entries);
    struct ms_news *const news = ms_mem_alloc(sizeof *news + (UINT64_C(1) << log2) / 8);

    if (news == NULL)
        return NULL;
    news->thread = ms_thread_serial();
    news->shift = 64 - log2;
    ms_mutex_lock(&list->lock);
    ms_store_relaxed(&news->next, ms_load_relaxed(&list->first));
    /* ORDER: release, pairs with the acquire of who notes something: it is initialized. */
    ms_store_release(&list->first, news);
    ms_mutex_unlock(&list->lock);
    return news;
}

static void unlist(struct ms_news_list *list, const struct ms_news *news)
{
    _Atomic(struct ms_news *) *at = &list->first;

    ms_mutex_lock(&list->lock);
    while (ms_load_relaxed(at) != news)
        at = &ms_load_relaxed(at)->next;
    ms_store_release(at, ms_load_relaxed(&news->next));
    ms_mutex_unlock(&list->lock);
}

void ms_news_end(memstore *store, struct ms_news *news)
{
    unlist(&store->news, news);
    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        ms_mutex_lock(&store->index.shards[shard].lock);
        ms_mutex_unlock(&store->index.shards[shard].lock);
    }
    struct ms_news_pattern *pattern = ms_load_relaxed(&news->patterns);
    while (pattern != NULL) {
        struct ms_news_pattern *const next = pattern->next;

        ms_mem_free_wiped(pattern, store->settings.secure_wipe);
        pattern = next;
    }
    ms_mem_free(news);
}

/* ---- Noting ---- */

static uint64_t bit_of(const struct ms_news *news, uint64_t hash)
{
    return ms_mix64(hash) >> news->shift;
}

static void note(struct ms_news *news, uint64_t hash)
{
    const uint64_t bit = bit_of(news, hash);
    atomic_uint_least64_t *const word = &news->bits[bit / 64];
    const uint64_t mask = UINT64_C(1) << bit % 64;

    if (!ms_load_relaxed(&news->any))
        ms_store_relaxed(&news->any, true);
    if ((ms_load_relaxed(word) & mask) == 0)
        ms_or_relaxed(word, mask);
}

void ms_news_note_wanted(struct ms_news_list *list, uint64_t hash)
{
    struct ms_news *news = ms_load_acquire(&list->first);

    for (; news != NULL; news = ms_load_acquire(&news->next))
        note(news, hash);
}

void ms_news_note_unlocked(memstore *store, uint64_t hash)
{
    struct ms_news_list *const list = &store->news;

    ms_mutex_lock(&list->lock);
    ms_news_note_wanted(list, hash);
    ms_mutex_unlock(&list->lock);
    /* NW-1 */
    if (ms_store_lock_shard(store, hash) == MEMSTORE_OK)
        ms_mutex_unlock(ms_store_shard_lock(store, hash));
}

void ms_news_note_all(struct ms_news_list *list)
{
    struct ms_news *news = ms_load_acquire(&list->first);

    for (; news != NULL; news = ms_load_acquire(&news->next))
        ms_store_relaxed(&news->all, true);
}

static bool has_pattern_locked(const struct ms_news *news, const char *bytes, size_t size)
{
    const struct ms_news_pattern *pattern = ms_load_relaxed(&news->patterns);

    while (pattern != NULL && (pattern->size != size || memcmp(pattern->bytes, bytes, size) != 0))
        pattern = pattern->next;
    return pattern != NULL;
}

/* One that cannot be kept is all keys. */
static void note_pattern_locked(struct ms_news *news, const char *bytes, size_t size)
{
    if (has_pattern_locked(news, bytes, size))
        return;
    struct ms_news_pattern *const pattern =
        news->pattern_count < MOST_PATTERNS ? ms_mem_alloc(sizeof *pattern + size) : NULL;

    if (pattern == NULL) {
        ms_store_relaxed(&news->all, true);
        return;
    }
    pattern->size = size;
    memcpy(pattern->bytes, bytes, size);
    pattern->next = ms_load_relaxed(&news->patterns);
    news->pattern_count++;
    /* ORDER: release, pairs with the acquire in matches_any: it is initialized. */
    ms_store_release(&news->patterns, pattern);
}

/* NW-1: what is added by who has not seen a pattern is there once its shard's lock was taken, and is found
 * by who removes what matches. */
static int pass_through_shards(memstore *store, int64_t deadline)
{
    for (uint32_t shard = 0; shard < store->index.shard_count; shard++) {
        ms_mutex *const lock = &store->index.shards[shard].lock;

        if (!ms_mutex_lock_until(lock, deadline))
            return MEMSTORE_ERR_LOCK_TIMEOUT;
        ms_mutex_unlock(lock);
    }
    return MEMSTORE_OK;
}

/* Whether a pattern, which is valid, matches the one key that reads as it does. */
static bool is_key(const char *pattern, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (memchr("*?[\\", pattern[i], 4) != NULL)
            return false;
    }
    return size != 0;
}

int ms_news_note_matching(memstore *store, const char *pattern, size_t pattern_size)
{
    struct ms_news_list *const list = &store->news;

    if (!ms_news_are_wanted(list))
        return MEMSTORE_OK;
    const bool alone = is_key(pattern, pattern_size);
    const uint64_t hash = alone ? ms_store_hash(store, pattern, pattern_size) : 0;
    ms_mutex_lock(&list->lock);
    struct ms_news *news = ms_load_relaxed(&list->first);
    for (; news != NULL; news = ms_load_relaxed(&news->next)) {
        if (alone)
            note(news, hash);
        else
            note_pattern_locked(news, pattern, pattern_size);
    }
    ms_mutex_unlock(&list->lock);
    return pass_through_shards(store, ms_store_deadline(store));
}

/* ---- Looking ---- */

static bool matches_any(const struct ms_news *news, const memstore_key *key)
{
    const struct ms_news_pattern *pattern = ms_load_acquire(&news->patterns);

    while (pattern != NULL && !ms_glob_match(pattern->bytes, pattern->size, key->data, key->size))
        pattern = pattern->next;
    return pattern != NULL;
}

bool ms_news_has(const struct ms_news *news, const memstore_key *key, uint64_t hash)
{
    const uint64_t bit = bit_of(news, hash);

    if (ms_load_relaxed(&news->any) &&
        (ms_load_relaxed(&news->bits[bit / 64]) >> bit % 64 & 1) != 0)
        return true;
    return ms_load_relaxed(&news->all) || matches_any(news, key);
}
