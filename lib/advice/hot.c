/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/hot.h"

#include <stdlib.h>
#include <string.h>

static struct ms_hot_key *find(struct ms_hot *hot, uint64_t hash)
{
    for (uint32_t i = 0; i < hot->used; i++) {
        if (hot->keys[i].hash == hash)
            return &hot->keys[i];
    }
    return NULL;
}

/* Where a new key goes: a place of its own, or that of the key with the least count, which it takes
 * over as its error. */
static struct ms_hot_key *place_for(struct ms_hot *hot)
{
    struct ms_hot_key *least = hot->keys;

    if (hot->used < MS_HOT_KEYS)
        return &hot->keys[hot->used++];
    for (uint32_t i = 1; i < MS_HOT_KEYS; i++) {
        if (hot->keys[i].count < least->count)
            least = &hot->keys[i];
    }
    return least;
}

void ms_hot_note(struct ms_hot *hot, uint64_t hash, const void *key, size_t key_size)
{
    struct ms_hot_key *at = find(hot, hash);

    hot->noted++;
    if (at == NULL) {
        at = place_for(hot);
        at->hash = hash;
        at->error = at->count;
        at->key_size = (uint32_t)key_size;
        memcpy(at->key, key, key_size < MS_HOT_KEY_BYTES ? key_size : MS_HOT_KEY_BYTES);
    }
    at->count++;
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
    qsort(out, hot->used, sizeof *out, compare);
    return hot->used;
}
