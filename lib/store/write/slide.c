/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write/slide.h"

#include "store/lookup.h"
#include "store/track/follow.h"
#include "store/write/retime.h"
#include "store/write/ttl.h"

/* A renewal moves an expiry by this share of the TTL, or it is not worth a write. */
#define SHARE_DIVISOR 16

/* When an entry of this TTL is to expire that is read now. */
static int64_t renewed(const memstore *store, const struct ms_found *found, int64_t ttl,
                       int64_t now)
{
    return ms_ttl_bound_by_age(store, found, ms_ttl_end(store, ttl, now));
}

static bool is_worth_it(int64_t expiry, int64_t renewed, int64_t ttl)
{
    return renewed > expiry && renewed - expiry >= ttl / SHARE_DIVISOR;
}

/* Renew one entry, unless there is nothing to do; `*before` and `*after` are what it held and
 * holds. */
static bool renew(const memstore *store, const struct ms_found *found, uint32_t *before,
                  uint32_t *after)
{
    const int64_t base = found->segment->time_base;

    /* ORDER: acquire, pairs with ms_slide_set(): the TTL is the expiry's or a later one. */
    *before = ms_load_acquire(&found->entry->expiry);
    for (;;) {
        const int64_t ttl = ms_entry_ttl(found->entry, store->kept);
        const int64_t expiry = ms_expiry_decode(found->entry, *before, base);

        if (expiry == MS_NEVER || ttl == 0 ||
            !is_worth_it(expiry, renewed(store, found, ttl, ms_clock_coarse_ms()), ttl))
            return false;
        const int64_t now = ms_clock_exact_ms();
        *after = ms_expiry_encode_coarse(renewed(store, found, ttl, now), base);
        if (expiry <= now || *after == MS_EXPIRY_FAR)
            return false;
        /* ORDER: release and acquire: see ms_slide_carry(). */
        if (ms_cas_acq_rel(&found->entry->expiry, before, *after))
            return true;
    }
}

void ms_slide_renew(memstore *store, const void *key, size_t key_size, ms_place place)
{
    const struct ms_lookup lookup = {.store = store, .key = key, .key_size = key_size};
    uint32_t before, after;
    struct ms_found found;

    ms_found_at(store, place, &found);
    while (renew(store, &found, &before, &after)) {
        const uint64_t hash = ms_store_hash(store, key, key_size);

        place = ms_lookup_place(&lookup, ms_index_probe(&store->index, hash), hash);
        if (place == found.place) {
            if (ms_track_follows(store, hash))
                ms_track_retime(store, hash, ms_found_expiry(&found));
            return;
        }
        /* What was removed may be kept beyond its expiry (stale.h), which is the one it had. */
        ms_cas_acq_rel(&found.entry->expiry, &after, before);
        if (place == MS_PLACE_NONE)
            return;
        ms_found_at(store, place, &found);
    }
}

struct ms_life ms_slide_life(const memstore *store, const struct ms_found *found,
                             const struct ms_life *seen)
{
    struct ms_life life = *seen;

    if (life.expiry != MS_NEVER && life.ttl != 0) {
        const int64_t later = renewed(store, found, life.ttl, ms_clock_exact_ms());

        if (later > life.expiry)
            life.expiry = later;
    }
    return life;
}

bool ms_slide_set(const memstore *store, struct ms_entry *entry, uint32_t encoded, int64_t ttl)
{
    atomic_uint_least32_t *at = ms_entry_ttl_at(entry, store->kept);
    const uint32_t ttl_before = ms_load_relaxed(at);
    uint32_t current = ms_load_relaxed(&entry->expiry);

    ms_store_relaxed(at, ms_entry_ttl_encode(ttl));
    while (encoded != current) {
        /* ORDER: release, pairs with the acquire in renew(): who has seen this expiry goes by this
         * TTL. */
        if (ms_cas_acq_rel(&entry->expiry, &current, encoded))
            return true;
    }
    if (ms_load_relaxed(at) == ttl_before)
        return true;
    ms_store_relaxed(at, ttl_before);
    return false;
}

void ms_slide_carry(const memstore *store, const struct ms_found *from,
                    const struct ms_reserved *to, int64_t expiry)
{
    const int64_t base = to->segment->time_base;
    uint32_t current = ms_load_relaxed(&to->entry->expiry);

    if ((store->kept & MS_KEPT_TTL) == 0)
        return;
    /* ORDER: acquire and release; readers change the expiry by compare-and-swap and then look at
     * the slot. One that comes before this is seen here; for one that comes after it, the slot
     * leads to the copy. */
    const uint32_t stored = ms_add_acq_rel(&from->entry->expiry, 0);
    const int64_t later = ms_expiry_decode(from->entry, stored, from->segment->time_base);
    const uint32_t next = ms_expiry_encode_coarse(later, base);

    if (later <= expiry || next == MS_EXPIRY_FAR)
        return;
    while (ms_expiry_decode(to->entry, current, base) < later &&
           !ms_cas_acq_rel(&to->entry->expiry, &current, next))
        ;
}
