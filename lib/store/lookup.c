/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a lookup that are rarely needed, out of line so that the others stay short. */
#include "store/lookup.h"

bool ms_lookup_match_rare(const struct ms_lookup *lookup, uint32_t *place)
{
    const struct ms_arena *arena = &lookup->store->arena;
    const struct ms_entry *entry = ms_arena_entry(arena, *place);

    if (ms_entry_is_record(entry)) {
        *place = ms_record_resolve(arena, entry);
        if (*place == MS_PLACE_NONE)
            return false;
        entry = ms_arena_entry(arena, *place);
    }
    const struct ms_entry_parts parts = ms_entry_parts(entry, lookup->store->kept);
    return parts.key_size == lookup->key_size &&
           ms_key_equal(parts.key, lookup->key, lookup->key_size);
}

static bool match(void *context, uint32_t *place)
{
    return ms_lookup_match(context, place);
}

ms_place ms_lookup_walk(const struct ms_lookup *lookup, struct ms_probe probe, uint64_t hash)
{
    return ms_table_find(probe, hash, match, (void *)lookup);
}

bool ms_lookup_find_slot(memstore *store, const void *key, size_t key_size, uint64_t hash,
                         struct ms_index_slot *slot, struct ms_found *out)
{
    struct ms_lookup lookup = {.store = store, .key = key, .key_size = key_size};

    if (!ms_index_find_slot(&store->index, hash, match, &lookup, slot))
        return false;
    ms_found_at(store, ms_slot_place(slot), out);
    return true;
}

/* An entry that is still in its slot, after the clock was seen past its expiry, tells of a moment
 * at which its key was absent. So this ends when what is found is live, or is what was found
 * before: places are not used again within a read section. */
bool ms_lookup_renewed(const memstore *store, const void *key, size_t key_size, ms_place *place)
{
    const uint64_t hash = ms_store_hash(store, key, key_size);
    const struct ms_lookup lookup = {.store = store, .key = key, .key_size = key_size};

    for (;;) {
        const ms_place before = *place;

        *place = ms_lookup_place(&lookup, ms_index_probe(&store->index, hash), hash);
        if (*place == MS_PLACE_NONE)
            return false;
        if (ms_lookup_is_live(store, *place, ms_arena_entry(&store->arena, *place)))
            return true;
        if (*place == before)
            return false;
    }
}

bool ms_version_tell(const memstore *store, const struct ms_found *found, uint64_t *version)
{
    struct ms_found told = *found;

    if (!ms_entry_keep_version(told.entry)) {
        /* ORDER: acquire, pairs with the release by the mover: the copy is there. */
        const uint64_t moving = ms_load_acquire(&store->moving);

        if ((ms_place)(moving >> 32) != found->place)
            return false;
        ms_found_at(store, (ms_place)moving, &told);
        if (!ms_entry_keep_version(told.entry))
            return false;
    }
    *version = ms_found_version(store, &told);
    return true;
}

bool ms_lookup_has_expired(const memstore *store, ms_place place)
{
    const struct ms_segment *segment = ms_arena_segment_of(&store->arena, place);

    return ms_has_expired(
        ms_entry_expiry(ms_arena_entry(&store->arena, place), segment->time_base));
}
