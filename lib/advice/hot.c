/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/hot.h"

#include <stdlib.h>
#include <string.h>

/* The place of a key, or `used`. */
static uint32_t find(const struct ms_hot *hot, uint64_t hash)
{
    uint32_t i = 0;

    while (i < hot->used && hot->hashes[i] != hash)
        i++;
    return i;
}

static uint32_t least_counted(const struct ms_hot *hot)
{
    uint32_t least = 0;

    for (uint32_t i = 1; i < MS_HOT_KEYS; i++) {
        if (hot->counts[i] < hot->counts[least])
            least = i;
    }
    return least;
}

/* Give a new key a place of its own, or that of the key with the least count, which it takes over
 * as its error. */
static uint32_t add(struct ms_hot *hot, uint64_t hash, const void *key, size_t key_size)
{
    const uint32_t at = hot->used < MS_HOT_KEYS ? hot->used++ : least_counted(hot);

    hot->hashes[at] = hash;
    hot->keys[at].error = hot->counts[at];
    hot->keys[at].key_size = (uint32_t)key_size;
    memcpy(hot->keys[at].key, key, key_size < MS_HOT_KEY_BYTES ? key_size : MS_HOT_KEY_BYTES);
    return at;
}

void ms_hot_note(struct ms_hot *hot, uint64_t hash, const void *key, size_t key_size)
{
    uint32_t at = find(hot, hash);

    hot->noted++;
    if (at == hot->used)
        at = add(hot, hash, key, key_size);
    hot->counts[at]++;
}

static int compare(const void *a, const void *b)
{
    const struct ms_hot_key *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

uint32_t ms_hot_sorted(const struct ms_hot *hot, struct ms_hot_key *out)
{
    memcpy(out, hot->keys, hot->used * sizeof *out);
    for (uint32_t i = 0; i < hot->used; i++) {
        out[i].hash = hot->hashes[i];
        out[i].count = hot->counts[i];
    }
    qsort(out, hot->used, sizeof *out, compare);
    return hot->used;
}
