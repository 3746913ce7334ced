/* SPDX-License-Identifier: Apache-2.0 */
/* Records of what is done with followed keys, and of which reads are taken at random. */
#include "store/maintenance.h"
#include "store/store.h"
#include "store/track/follow.h"
#include "store/track/sampler.h"
#include "store/track/track.h"

/* Cells of a ring for which the thread is woken: that costs as much as some 300 records, and a call that finds
 * a smaller one full has little to do. */
#define WAKES_FROM 512

/* A ring that fills is seen to by the maintenance thread, which may be woken for it, but not for one of
 * keys. Each quarter it is looked at how full it is: the thread was the last to write what tells it. */
MS_ALWAYS_INLINE void tell_if_filling(memstore *store, const struct ms_ring *ring, uint32_t ticket,
                                      bool wakes)
{
    const uint32_t cells = ring->mask + 1;

    if (ms_likely((ticket & (cells / 4 - 1)) != 0))
        return;
    const uint32_t used = ms_ring_used(ring, ticket);
    if (used > cells / 4)
        ms_store_relaxed(&store->track.due, true);
    if (wakes && cells >= WAKES_FROM && used > cells / 4 * 3)
        ms_maintenance_try_wake(store);
}

/* The number of the calling thread's ring, where something will be. A thread without a number shares
 * one. */
MS_ALWAYS_INLINE uint32_t ring_of_thread(struct ms_sampler *sampler)
{
    const uint32_t slot = ms_thread_slot_plus_one - 1;
    const uint32_t ring = ms_likely(slot < MS_TRACK_OWN_RINGS)
                              ? slot
                              : MS_TRACK_OWN_RINGS + slot % (MS_TRACK_RINGS - MS_TRACK_OWN_RINGS);

    if (ms_unlikely((ms_load_relaxed(&sampler->used) >> ring & 1) == 0))
        atomic_fetch_or_explicit(&sampler->used, 1u << ring, memory_order_relaxed);
    return ring;
}

/* A cell of such a ring. */
MS_ALWAYS_INLINE void *claim(struct ms_ring rings[MS_TRACK_RINGS], uint32_t ring, uint32_t *ticket)
{
    return ms_likely(ring < MS_TRACK_OWN_RINGS) ? ms_ring_claim_alone(&rings[ring], ticket)
                                                : ms_ring_claim(&rings[ring], ticket);
}

/* In a read section. False when there is no room. */
MS_ALWAYS_INLINE bool put_use(memstore *store, const struct ms_reference *reference)
{
    /* ORDER: acquire, pairs with the release of ms_track_start(). */
    struct ms_sampler *sampler = ms_load_acquire(&store->track.sampler);
    uint32_t ticket;

    if (sampler == NULL)
        return true;
    const uint32_t ring = ring_of_thread(sampler);
    struct ms_track_use *use = claim(sampler->uses, ring, &ticket);
    if (use == NULL)
        return false;
    use->size = reference->size;
    use->hash = reference->hash;
    use->when = (uint64_t)reference->now_ms << MS_TRACK_KIND_BITS | reference->kind;
    use->expires_ms = reference->expires_ms;
    ms_ring_filled(use, ticket);
    tell_if_filling(store, &sampler->uses[ring], ticket, true);
    return true;
}

bool ms_track_try_key(memstore *store, uint64_t hash, const void *key, size_t key_size)
{
    /* ORDER: as above. */
    struct ms_sampler *sampler = ms_load_acquire(&store->track.sampler);
    uint32_t ticket;

    if (sampler == NULL)
        return true;
    const uint32_t ring = ring_of_thread(sampler);
    struct ms_track_noted *noted = claim(sampler->keys, ring, &ticket);
    if (noted == NULL)
        return false;
    noted->hash = hash;
    noted->key_size = (uint32_t)key_size;
    memcpy(noted->key, key, key_size < sizeof noted->key ? key_size : sizeof noted->key);
    ms_ring_filled(noted, ticket);
    tell_if_filling(store, &sampler->keys[ring], ticket, false);
    return true;
}

/* References that a call digests that found no room. */
#define DIGESTED_BY_CALL 64

/* There is no room: digest a few. False when somebody else has the lock. */
static bool help(memstore *store)
{
    if (!ms_mutex_try_lock(&store->track.lock))
        return false;
    struct ms_sampler *sampler = ms_track_sampler_locked(store);
    if (sampler != NULL)
        ms_track_digest_locked(store, sampler, DIGESTED_BY_CALL);
    ms_mutex_unlock(&store->track.lock);
    return true;
}

/* How often at most: what is older in other rings comes first. */
#define HELPS 16

/* There was no room. Whether to try once more, the n-th time; else the reference is lost. */
static bool has_helped(memstore *store, int n)
{
    if (n < HELPS && help(store))
        return true;
    ms_add_relaxed(&store->track.missed, 1);
    return false;
}

static void note(memstore *store, const struct ms_reference *reference)
{
    for (int n = 0;; n++) {
        const ms_reader section = ms_section_begin();
        const bool done = put_use(store, reference);

        ms_section_end(section);
        if (ms_likely(done) || !has_helped(store, n))
            return;
    }
}

static MS_NOINLINE void note_key(memstore *store, uint64_t hash, const void *key, size_t key_size)
{
    for (int n = 0;; n++) {
        const ms_reader section = ms_section_begin();
        const bool done = ms_track_try_key(store, hash, key, key_size);

        ms_section_end(section);
        if (ms_likely(done) || !has_helped(store, n))
            return;
    }
}

/* What an entry takes, its slot included. */
#define SLOT_BYTES 8

static uint32_t entry_bytes(const memstore *store, size_t key_size, size_t value_size)
{
    const uint64_t bytes = ms_arena_padded(
        &store->arena, (uint32_t)(store->short_head + key_size + value_size + SLOT_BYTES));

    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* A read, now, of what is this large; 0 = it found nothing. By the exact clock then, as an expiry is: a miss
 * right after one would be taken for one after an eviction. */
static struct ms_reference read_of(uint64_t hash, uint32_t size)
{
    return (struct ms_reference){
        .kind = MS_REFERENCE_READ,
        .hash = hash,
        .size = size,
        .now_ms = size != 0 ? ms_clock_coarse_ms() : ms_clock_exact_ms(),
    };
}

bool ms_track_try_hit(memstore *store, uint64_t hash, size_t key_size, size_t value_size)
{
    const struct ms_reference reference = read_of(hash, entry_bytes(store, key_size, value_size));

    return put_use(store, &reference);
}

void ms_track_read_of(memstore *store, uint64_t hash, size_t key_size, bool found,
                      size_t value_size)
{
    const struct ms_reference reference =
        read_of(hash, found ? entry_bytes(store, key_size, value_size) : 0);

    note(store, &reference);
}

void ms_track_key(memstore *store, const void *key, size_t key_size)
{
    note_key(store, ms_store_hash(store, key, key_size), key, key_size);
}

void ms_track_read(memstore *store, const void *key, size_t key_size, int status, size_t value_size,
                   bool by_turn)
{
    const bool found = status == MEMSTORE_OK;

    /* The bytes of a key that no entry has are not looked at. */
    if (key_size > MS_KEY_SIZE_MAX || (!found && status != MEMSTORE_ERR_KEY_NOT_FOUND))
        return;
    const uint64_t hash = ms_store_hash(store, key, key_size);
    if (ms_unlikely(by_turn))
        note_key(store, hash, key, key_size);
    if (!by_turn || ms_track_follows(store, hash))
        ms_track_read_of(store, hash, key_size, found, value_size);
}

/* Of a thread that has counted so many reads, the number of the next that is taken at random. */
static uint64_t draw_turn(const memstore *store, const struct ms_counter_stripe *stripe,
                          uint64_t count)
{
    const uint32_t below = ms_load_relaxed(&store->turn_below);
    const uint64_t mean = below != 0 ? MS_REUSE_ALL / below : MS_REUSE_ALL;
    const uint64_t drawn = ms_mix64(count ^ (uint64_t)(uintptr_t)stripe);

    return count + (drawn >> 32) * 2 * mean / MS_REUSE_ALL;
}

bool ms_track_take_turn(memstore *store, struct ms_counter_stripe *stripe)
{
    const uint64_t count = ms_load_relaxed(&stripe->counts[MS_COUNT_READS]);

    if (count <= ms_load_relaxed(&stripe->next_turn))
        return false;
    ms_store_relaxed(&stripe->next_turn, draw_turn(store, stripe, count));
    return true;
}

size_t ms_track_next_turn(memstore *store, struct ms_counter_stripe *stripe, uint64_t first,
                          size_t n)
{
    const uint64_t turn = ms_load_relaxed(&stripe->next_turn);
    const size_t next = turn > first ? turn - first : 0;

    if (next < n)
        ms_store_relaxed(&stripe->next_turn, draw_turn(store, stripe, first + next + 1));
    return next;
}

void ms_track_any_read(memstore *store, const void *key, size_t key_size, int status,
                       size_t value_size)
{
    const bool by_turn = ms_track_is_turn(store, ms_latency_turn++);

    if (by_turn || ms_track_follows(store, ms_store_hash(store, key, key_size)))
        ms_track_read(store, key, key_size, status, value_size, by_turn);
}

static void note_now(memstore *store, enum ms_reference_kind kind, uint64_t hash, uint32_t size,
                     int64_t expiry)
{
    note(store, &(struct ms_reference){kind, hash, size, ms_clock_coarse_ms(), expiry});
}

void ms_track_write(memstore *store, uint64_t hash, size_t key_size, size_t value_size,
                    int64_t expiry)
{
    note_now(store, MS_REFERENCE_WRITE, hash, entry_bytes(store, key_size, value_size), expiry);
}

void ms_track_delete(memstore *store, uint64_t hash)
{
    note_now(store, MS_REFERENCE_DELETE, hash, 0, MS_NEVER);
}

void ms_track_retime(memstore *store, uint64_t hash, int64_t expiry)
{
    note_now(store, MS_REFERENCE_RETIME, hash, 0, expiry);
}

void ms_track_clear(memstore *store)
{
    ms_mutex_lock(&store->track.lock);
    if (ms_track_sampler_locked(store) != NULL) {
        ms_track_settle_locked(store);
        ms_pattern_clear(&ms_track_sampler_locked(store)->pattern);
    }
    ms_mutex_unlock(&store->track.lock);
}
