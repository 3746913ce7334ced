/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/pattern.h"

#include "platform/compiler.h"

#include <string.h>

static void on_drop(void *context, uint32_t key)
{
    struct ms_pattern *pattern = context;

    for (int i = MS_MINI_FIFO; i < MS_MINI_POLICIES; i++)
        ms_mini_remove(&pattern->minis[i], key);
    pattern->keys[key].expires_ms = 0;
}

/* A miniature has the share of the cache that the followed keys are of all. */
static void scale_minis(struct ms_pattern *pattern)
{
    const double scaled = (double)pattern->cache_bytes / pattern->reuse.weight;

    pattern->scaled_for = pattern->reuse.threshold;
    for (int i = 0; i < MS_MINI_POLICIES; i++) {
        if (pattern->minis[i].capacity != (uint64_t)scaled)
            ms_mini_resize(&pattern->minis[i], (uint64_t)scaled);
    }
}

void ms_pattern_init(struct ms_pattern *pattern, uint32_t keys, uint64_t threshold,
                     uint64_t cache_bytes, enum ms_goal goal, void *memory)
{
    memset(pattern, 0, sizeof *pattern);
    pattern->keys = memory;
    ms_reuse_init(&pattern->reuse, keys, threshold, pattern->keys + keys);
    pattern->reuse.on_drop = on_drop;
    pattern->reuse.context = pattern;
    for (int i = 0; i < MS_MINI_POLICIES; i++)
        ms_mini_init(&pattern->minis[i], (enum ms_mini_policy)i, goal, pattern->keys);
    ms_pattern_resize(pattern, cache_bytes);
}

void ms_pattern_resize(struct ms_pattern *pattern, uint64_t cache_bytes)
{
    pattern->cache_bytes = cache_bytes;
    pattern->reuse.horizon = cache_bytes * MS_PATTERN_HORIZON;
    scale_minis(pattern);
}

static void remove_everywhere(struct ms_pattern *pattern, uint32_t key)
{
    on_drop(pattern, key);
    ms_reuse_touch(&pattern->reuse, key, 0);
}

static uint64_t span(int64_t from, int64_t to)
{
    return to > from ? (uint64_t)(to - from) : 0;
}

/* A read of a key, for which a cache of lru has to hold so many bytes of followed keys; its entry has
 * `size`, 0 = that is not known. */
static void simulate_read(struct ms_pattern *pattern, uint32_t key, uint32_t size, uint64_t needed)
{
    const double weight = pattern->reuse.weight;
    const uint32_t n = pattern->reuse.keys[key].reads;

    if (needed > pattern->minis[MS_MINI_LRU].capacity)
        ms_mini_miss(&pattern->minis[MS_MINI_LRU], weight, n);
#pragma GCC unroll 3
    for (int i = MS_MINI_FIFO; i < MS_MINI_POLICIES; i++)
        ms_mini_read(&pattern->minis[i], key, size, weight, n);
}

/* The key's entry had expired. */
static void note_late(struct ms_pattern *pattern, uint32_t key, const struct ms_reference *read)
{
    ms_spread_count(&pattern->late, span(pattern->keys[key].expires_ms, read->now_ms),
                    pattern->reuse.weight);
    on_drop(pattern, key);
}

/* Whether the entry that a key is known to have is the one that is hit: what had expired was written or given
 * another TTL when nobody saw it. */
static bool is_known(const struct ms_followed *followed, bool expired)
{
    return followed->size != 0 && followed->written_ms != 0 && !expired;
}

/* How old the entry is that was hit. */
static void note_hit(struct ms_pattern *pattern, uint32_t key, const struct ms_reference *read,
                     bool expired)
{
    const struct ms_followed *followed = &pattern->reuse.keys[key];
    const struct ms_mini_key *kept = &pattern->keys[key];
    const double weight = pattern->reuse.weight;
    const bool known = is_known(followed, expired), was_read = followed->reads != 0;
    const uint64_t age = known ? span(followed->written_ms, read->now_ms) : UINT64_MAX;
    const uint64_t unread =
        was_read ? span(kept->used_ms, read->now_ms - pattern->passed_ms) : UINT64_MAX;

    if (known && kept->expires_ms == 0)
        return;
    if (known)
        ms_spread_count(&pattern->hit_ages, age, weight);
    else
        pattern->hit_ages.total += weight;
    if (known || was_read)
        ms_spread_count(&pattern->idle_ages, age < unread ? age : unread, weight);
    else
        pattern->idle_ages.total += weight;
}

static void note_read(struct ms_pattern *pattern, uint32_t key, const struct ms_reference *read)
{
    struct ms_followed *followed = &pattern->reuse.keys[key];
    struct ms_mini_key *kept = &pattern->keys[key];
    const double weight = pattern->reuse.weight;
    const bool expired = kept->expires_ms != 0 && kept->expires_ms <= read->now_ms;
    const bool is_gone = expired && read->size == 0;
    const int64_t followed_ms = read->now_ms - pattern->passed_ms;

    pattern->reads++;
    if (read->size != 0) {
        ms_spread_count(&pattern->hit_sizes, read->size, weight);
        note_hit(pattern, key, read, expired);
    } else {
        pattern->misses += weight;
    }
    if (followed->reads != 0)
        ms_spread_count(&pattern->reuse_ages, span(kept->used_ms, followed_ms), weight);
    if (is_gone && followed->size != 0)
        note_late(pattern, key, read);
    const uint64_t needed = ms_reuse_read(&pattern->reuse, key, !is_gone);
    /* What the store has evicted a larger one might still have: its size is known. */
    const uint32_t size = read->size != 0 ? read->size : is_gone ? 0 : followed->size;
    simulate_read(pattern, key, size, needed);
    ms_reuse_touch(&pattern->reuse, key, size);
    followed->was_missed = read->size == 0;
    kept->used_ms = followed_ms;
    if (expired) {
        kept->expires_ms = 0;
        if (followed->size != 0)
            followed->written_ms = 0;
    }
}

static void set_expiry(struct ms_pattern *pattern, uint32_t key, int64_t expires_ms)
{
    pattern->keys[key].expires_ms = expires_ms != INT64_MAX ? expires_ms : 0;
}

static void note_write(struct ms_pattern *pattern, uint32_t key, const struct ms_reference *write)
{
    struct ms_followed *followed = &pattern->reuse.keys[key];
    /* A write that leaves the expiry as it is, as increments do, begins no TTL. */
    const bool goes_on = is_known(followed, false) && write->expires_ms != INT64_MAX &&
                         write->expires_ms == pattern->keys[key].expires_ms;

    ms_reuse_touch(&pattern->reuse, key, write->size);
    if (!goes_on)
        followed->written_ms = write->now_ms;
    for (int i = MS_MINI_FIFO; i < MS_MINI_POLICIES; i++)
        ms_mini_write(&pattern->minis[i], key, write->size, followed->was_missed);
    followed->was_missed = false;
    set_expiry(pattern, key, write->expires_ms);
    if (write->expires_ms != INT64_MAX)
        ms_spread_count(&pattern->ttls, span(write->now_ms, write->expires_ms),
                        pattern->reuse.weight);
}

void ms_pattern_pass(struct ms_pattern *pattern, int64_t ms)
{
    pattern->passed_ms += ms;
}

void ms_pattern_expect(const struct ms_pattern *pattern, const uint64_t *hashes, uint32_t n)
{
    uint32_t numbers[MS_PATTERN_EXPECTED];

    ms_reuse_expect(&pattern->reuse, hashes, numbers, n);
    for (uint32_t i = 0; i < n; i++) {
        if (numbers[i] != MS_REUSE_NONE)
            ms_prefetch_write(&pattern->keys[numbers[i]]);
    }
}

void ms_pattern_note(struct ms_pattern *pattern, const struct ms_reference *reference)
{
    const uint32_t key = ms_reuse_key(&pattern->reuse, reference->hash);

    if (pattern->scaled_for != pattern->reuse.threshold)
        scale_minis(pattern);
    if (key == MS_REUSE_NONE)
        return;
    pattern->sampled++;
    switch (reference->kind) {
    case MS_REFERENCE_READ:
        note_read(pattern, key, reference);
        break;
    case MS_REFERENCE_WRITE:
        note_write(pattern, key, reference);
        break;
    case MS_REFERENCE_DELETE:
        remove_everywhere(pattern, key);
        break;
    case MS_REFERENCE_RETIME:
        set_expiry(pattern, key, reference->expires_ms);
        break;
    }
}

void ms_pattern_clear(struct ms_pattern *pattern)
{
    for (uint32_t key = 0; key < pattern->reuse.numbers; key++) {
        if (pattern->reuse.keys[key].is_used)
            remove_everywhere(pattern, key);
    }
}

void ms_pattern_forget(struct ms_pattern *pattern)
{
    memset(&pattern->reuse.curve, 0, sizeof pattern->reuse.curve);
    memset(&pattern->hot, 0, sizeof pattern->hot);
    memset(&pattern->reuse_ages, 0, sizeof pattern->reuse_ages);
    memset(&pattern->ttls, 0, sizeof pattern->ttls);
    memset(&pattern->late, 0, sizeof pattern->late);
    memset(&pattern->hit_ages, 0, sizeof pattern->hit_ages);
    memset(&pattern->idle_ages, 0, sizeof pattern->idle_ages);
    memset(&pattern->hit_sizes, 0, sizeof pattern->hit_sizes);
    pattern->sampled = pattern->reads = 0;
    pattern->misses = 0;
    pattern->reuse.gone = pattern->reuse.gone_read_once = 0;
    for (uint32_t key = 0; key < pattern->reuse.numbers; key++)
        pattern->reuse.keys[key].reads = 0;
    for (int i = 0; i < MS_MINI_POLICIES; i++) {
        pattern->minis[i].missed = (struct ms_curve_sums){0};
        pattern->minis[i].first_missed = 0;
    }
}
