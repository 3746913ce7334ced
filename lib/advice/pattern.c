/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/pattern.h"

#include <string.h>

static void on_drop(void *context, uint32_t key)
{
    struct ms_pattern *pattern = context;

    for (int i = 0; i < MS_MINI_POLICIES; i++)
        ms_mini_remove(&pattern->minis[i], key);
}

/* A miniature has the share of the cache that the followed keys are of all. */
static void scale_minis(struct ms_pattern *pattern)
{
    const double scaled = (double)pattern->cache_bytes / ms_reuse_weight(&pattern->reuse);

    pattern->scaled_for = pattern->reuse.threshold;
    for (int i = 0; i < MS_MINI_POLICIES; i++) {
        if (pattern->minis[i].capacity != (uint64_t)scaled)
            ms_mini_resize(&pattern->minis[i], (uint64_t)scaled);
    }
}

void ms_pattern_init(struct ms_pattern *pattern, uint32_t keys, uint64_t threshold,
                     uint64_t cache_bytes, enum ms_goal goal, void *memory)
{
    struct ms_mini_link *links = (struct ms_mini_link *)((char *)memory + ms_reuse_bytes(keys));

    memset(pattern, 0, sizeof *pattern);
    ms_reuse_init(&pattern->reuse, keys, threshold, memory);
    pattern->reuse.on_drop = on_drop;
    pattern->reuse.context = pattern;
    for (int i = 0; i < MS_MINI_POLICIES; i++)
        ms_mini_init(&pattern->minis[i], (enum ms_mini_policy)i, goal, links + (size_t)i * keys);
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

static void note_read(struct ms_pattern *pattern, uint32_t key, const struct ms_reference *read)
{
    struct ms_followed *followed = &pattern->reuse.keys[key];
    const double weight = ms_reuse_weight(&pattern->reuse);
    const bool expired = followed->expires_ms <= read->now_ms;
    const bool is_gone = expired && read->size == 0;

    pattern->misses += read->size == 0 ? weight : 0;
    if (read->size != 0)
        ms_spread_add(&pattern->hit_sizes, read->size, weight, 0);
    if (followed->reads != 0)
        ms_spread_add(&pattern->reuse_ages, span(followed->used_ms, read->now_ms), weight, 0);
    if (is_gone && followed->size != 0) {
        ms_spread_add(&pattern->late, span(followed->expires_ms, read->now_ms), weight, 0);
        on_drop(pattern, key);
    }
    ms_reuse_read(&pattern->reuse, key, !is_gone);
    /* What the store has evicted a larger one might still have: its size is known. */
    const uint32_t size = read->size != 0 ? read->size : is_gone ? 0 : followed->size;
    for (int i = 0; i < MS_MINI_POLICIES; i++)
        ms_mini_read(&pattern->minis[i], key, size, weight, followed->reads);
    ms_reuse_touch(&pattern->reuse, key, size);
    followed->used_ms = read->now_ms;
    followed->was_missed = read->size == 0;
    followed->expires_ms = expired ? INT64_MAX : followed->expires_ms;
}

static void note_write(struct ms_pattern *pattern, uint32_t key, const struct ms_reference *write)
{
    struct ms_followed *followed = &pattern->reuse.keys[key];

    ms_reuse_touch(&pattern->reuse, key, write->size);
    for (int i = 0; i < MS_MINI_POLICIES; i++)
        ms_mini_write(&pattern->minis[i], key, write->size, followed->was_missed);
    followed->was_missed = false;
    followed->expires_ms = write->expires_ms;
    if (write->expires_ms != INT64_MAX)
        ms_spread_add(&pattern->ttls, span(write->now_ms, write->expires_ms),
                      ms_reuse_weight(&pattern->reuse), 0);
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
        pattern->reuse.keys[key].expires_ms = INT64_MAX;
        break;
    case MS_REFERENCE_RETIME:
        pattern->reuse.keys[key].expires_ms = reference->expires_ms;
        break;
    }
}

void ms_pattern_clear(struct ms_pattern *pattern)
{
    for (uint32_t key = 0; key < pattern->reuse.capacity; key++) {
        if (pattern->reuse.keys[key].is_used)
            remove_everywhere(pattern, key);
    }
}

void ms_pattern_forget(struct ms_pattern *pattern)
{
    memset(&pattern->reuse.bytes, 0, sizeof pattern->reuse.bytes);
    memset(&pattern->reuse.entries, 0, sizeof pattern->reuse.entries);
    memset(&pattern->hot, 0, sizeof pattern->hot);
    memset(&pattern->reuse_ages, 0, sizeof pattern->reuse_ages);
    memset(&pattern->ttls, 0, sizeof pattern->ttls);
    memset(&pattern->late, 0, sizeof pattern->late);
    memset(&pattern->hit_sizes, 0, sizeof pattern->hit_sizes);
    pattern->sampled = 0;
    pattern->misses = 0;
    pattern->reuse.gone = pattern->reuse.gone_read_once = 0;
    for (uint32_t key = 0; key < pattern->reuse.capacity; key++)
        pattern->reuse.keys[key].reads = 0;
    for (int i = 0; i < MS_MINI_POLICIES; i++) {
        pattern->minis[i].missed = (struct ms_curve_sums){0};
        pattern->minis[i].first_missed = 0;
    }
}
