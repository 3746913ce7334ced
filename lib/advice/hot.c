/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/hot.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(MS_HOT_KEYS < UINT8_MAX, "a place + 1 is a byte");

/* By bits that do not say whether a key is followed. */
static uint8_t *chain_of(struct ms_hot *hot, uint64_t hash)
{
    return &hot->first[(hash >> 32) % MS_HOT_KEYS];
}

/* The place of a key, or MS_HOT_KEYS. */
static uint32_t find(struct ms_hot *hot, uint64_t hash)
{
    for (uint32_t at = *chain_of(hot, hash); at != 0; at = hot->next[at - 1]) {
        if (hot->hashes[at - 1] == hash)
            return at - 1;
    }
    return MS_HOT_KEYS;
}

/* Counts only grow until they are halved, so that those behind the last that was the least are larger until all are: then there is
 * another least one. */
static uint32_t least_counted(struct ms_hot *hot)
{
    while (hot->least_at < MS_HOT_KEYS && hot->counts[hot->least_at] > hot->least)
        hot->least_at++;
    if (hot->least_at < MS_HOT_KEYS)
        return hot->least_at;
    hot->least_at = 0;
    for (uint32_t i = 1; i < MS_HOT_KEYS; i++) {
        if (hot->counts[i] < hot->counts[hot->least_at])
            hot->least_at = i;
    }
    hot->least = hot->counts[hot->least_at];
    return hot->least_at;
}

static void unchain(struct ms_hot *hot, uint32_t at)
{
    uint8_t *link = chain_of(hot, hot->hashes[at]);

    while (*link != at + 1)
        link = &hot->next[*link - 1];
    *link = hot->next[at];
}

/* A place for a new key: one of its own, or that of the key with the least count, which it takes over as its
 * error. */
static uint32_t make_place(struct ms_hot *hot)
{
    if (hot->used < MS_HOT_KEYS)
        return hot->used++;
    const uint32_t at = least_counted(hot);
    unchain(hot, at);
    return at;
}

static uint32_t add(struct ms_hot *hot, uint64_t hash, const void *key, size_t key_size)
{
    const uint32_t at = make_place(hot);
    uint8_t *first = chain_of(hot, hash);

    hot->hashes[at] = hash;
    hot->next[at] = *first;
    *first = (uint8_t)(at + 1);
    hot->keys[at].error = hot->counts[at];
    hot->keys[at].key_size = (uint32_t)key_size;
    const size_t kept = key_size < MS_HOT_KEY_BYTES ? key_size : MS_HOT_KEY_BYTES;
    memcpy(hot->keys[at].key, key, kept);
    memset(hot->keys[at].key + kept, 0, MS_HOT_KEY_BYTES - kept);
    return at;
}

void ms_hot_forget(struct ms_hot *hot)
{
    memset(hot, 0, sizeof *hot);
}

void ms_hot_note(struct ms_hot *hot, uint64_t hash, const void *key, size_t key_size)
{
    uint32_t at = find(hot, hash);

    hot->noted++;
    if (at == MS_HOT_KEYS)
        at = add(hot, hash, key, key_size);
    hot->counts[at]++;
}

/* Rounded so that what is sure, count - error, stays sure, and count stays the most. */
static void halve(struct ms_hot *hot)
{
    hot->noted -= hot->noted / 2;
    for (uint32_t i = 0; i < hot->used; i++) {
        const uint64_t sure = (hot->counts[i] - hot->keys[i].error) / 2;

        hot->counts[i] -= hot->counts[i] / 2;
        hot->keys[i].error = hot->counts[i] - sure;
    }
    hot->least_at = MS_HOT_KEYS;
}

void ms_hot_age(struct ms_hot *hot, int64_t now_ms)
{
    if (hot->aged_ms == 0)
        hot->aged_ms = now_ms;
    if (hot->noted < MS_HOT_ENOUGH || now_ms - hot->aged_ms < MS_HOT_HALF_LIFE_MS)
        return;
    halve(hot);
    hot->aged_ms = now_ms;
}

/* Whether the key there comes before another one. */
static bool comes_before(const struct ms_hot *hot, uint32_t at, uint32_t other)
{
    if (hot->counts[at] != hot->counts[other])
        return hot->counts[at] > hot->counts[other];
    return hot->hashes[at] < hot->hashes[other];
}

/* The places are sorted: of the keys there is no other copy than those asked for. */
uint32_t ms_hot_sorted(const struct ms_hot *hot, struct ms_hot_key *out, uint32_t most)
{
    uint8_t order[MS_HOT_KEYS];
    const uint32_t count = hot->used < most ? hot->used : most;

    for (uint32_t at = 0; at < hot->used; at++) {
        uint32_t to = at;

        for (; to > 0 && comes_before(hot, at, order[to - 1]); to--)
            order[to] = order[to - 1];
        order[to] = (uint8_t)at;
    }
    for (uint32_t i = 0; i < count; i++) {
        out[i] = hot->keys[order[i]];
        out[i].hash = hot->hashes[order[i]];
        out[i].count = hot->counts[order[i]];
    }
    return count;
}
