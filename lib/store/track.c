/* SPDX-License-Identifier: Apache-2.0 */
#include "store/track.h"

#include "store/store.h"

/* A key that is followed for each so many bytes of the limit. */
#define LIMIT_PER_KEY 4096
#define KEYS_MIN 1024
#define KEYS_MAX MS_REUSE_KEYS_MAX
#define MILLION 1000000
/* What of the limit entries can take, in a store that is full: the rest is for segments that are
 * being filled or emptied. */
#define USABLE 0.95

void ms_track_init(struct ms_track *track)
{
    *track = (struct ms_track){0};
    ms_mutex_init(&track->lock, MS_RANK_TRACK);
    ms_store_relaxed(&track->look_ms, INT64_MAX);
}

void ms_track_fini(struct ms_track *track)
{
    ms_mutex_destroy(&track->lock);
}

/* Track's lock held. */
static struct ms_sampler *sampler_of(memstore *store)
{
    return ms_load_relaxed(&store->track.sampler);
}

/* ---- On and off ---- */

static uint32_t keys_for(uint64_t limit)
{
    uint32_t keys = KEYS_MIN;

    while (keys < KEYS_MAX && (uint64_t)keys * LIMIT_PER_KEY < limit)
        keys *= 2;
    return keys;
}

static uint64_t cache_bytes(const memstore *store, uint64_t limit)
{
    return (uint64_t)((double)(limit - store->arena.overhead) * USABLE);
}

/* Zeroed memory out of the store's limit, for which entries make room. */
static void *alloc(memstore *store, size_t bytes)
{
    struct ms_arena *arena = &store->arena;
    const int64_t deadline = ms_store_deadline(store);
    struct ms_budget_mark mark = ms_budget_mark(&arena->budget);

    for (;;) {
        void *memory =
            ms_pages_alloc(&arena->pages, bytes, (uint64_t)arena->reserve << arena->segment_shift);

        if (memory != NULL || ms_room_make(store, bytes, deadline, &mark) != MEMSTORE_OK)
            return memory;
    }
}

/* A record that something was done with a followed key. */
struct use {
    ms_ring_turn turn;
    uint32_t size;
    uint64_t hash;
    uint64_t when; /* milliseconds << KIND_BITS | kind */
    int64_t expires_ms;
};

#define KIND_BITS 2
_Static_assert(MS_REFERENCE_RETIME < 1 << KIND_BITS, "kinds fit their bits");

/* A record that a key was read. */
struct noted_key {
    ms_ring_turn turn;
    uint32_t key_size;
    uint64_t hash;
    char key[MS_HOT_KEY_BYTES];
};

/* Cells of a ring of uses: one for each so many bytes of the limit. */
#define LIMIT_PER_CELL 65536
#define CELLS_MIN 128
#define CELLS_MAX 1024
/* There is a key for so many uses, about. */
#define USES_PER_KEY 8

static uint32_t cells_for(uint64_t limit)
{
    uint32_t cells = CELLS_MIN;

    while (cells < CELLS_MAX && (uint64_t)cells * LIMIT_PER_CELL < limit)
        cells *= 2;
    return cells;
}

static void init_rings(struct ms_sampler *sampler, uint32_t cells, char *memory)
{
    for (int i = 0; i < MS_TRACK_RINGS; i++) {
        ms_ring_init(&sampler->uses[i], cells, sizeof(struct use), memory);
        memory += cells * sizeof(struct use);
        ms_ring_init(&sampler->keys[i], cells / USES_PER_KEY, sizeof(struct noted_key), memory);
        memory += cells / USES_PER_KEY * sizeof(struct noted_key);
    }
}

/* Whether what is left of the limit is enough for a store. */
static bool leaves_a_store(const memstore *store, uint64_t limit, size_t bytes)
{
    return limit >= ms_arena_least_limit(&store->arena) + ms_pages_charge_of(bytes);
}

static struct ms_sampler *make_sampler(memstore *store, uint64_t limit, uint32_t millionths)
{
    const uint32_t keys = keys_for(limit), cells = cells_for(limit);
    const size_t rings = MS_TRACK_RINGS * (cells * sizeof(struct use) +
                                           cells / USES_PER_KEY * sizeof(struct noted_key));
    const size_t bytes = sizeof(struct ms_sampler) + rings + ms_pattern_bytes(keys);
    struct ms_sampler *sampler = leaves_a_store(store, limit, bytes) ? alloc(store, bytes) : NULL;

    if (sampler == NULL)
        return NULL;
    sampler->bytes = bytes;
    sampler->reads_before = ms_counters_total(&store->counters, MS_COUNT_READS);
    init_rings(sampler, cells, (char *)(sampler + 1));
    ms_pace_init(&sampler->pace, (double)millionths / MILLION);
    ms_pattern_init(&sampler->pattern, keys, MS_REUSE_ALL, cache_bytes(store, limit),
                    store->eviction.goal, (char *)(sampler + 1) + rings);
    return sampler;
}

/* One in so many of the followed keys' share of reads is taken for its key alone. */
#define TURNS_ONE_IN 8

/* `sampler`: NULL = nothing is followed. Track's lock held. */
static void publish_threshold(memstore *store, const struct ms_sampler *sampler)
{
    const uint64_t threshold =
        sampler != NULL ? ms_pace_threshold(&sampler->pace, &sampler->pattern.reuse) : 0;
    /* Half a word is compared in one instruction, and leaves out one hash of all. */
    const uint32_t below = threshold < UINT32_MAX ? (uint32_t)threshold : UINT32_MAX;

    if (ms_load_relaxed(&store->follows_below) != below)
        ms_store_relaxed(&store->follows_below, below);
}

bool ms_track_prepare(memstore *store, uint64_t limit, uint32_t millionths,
                      struct ms_sampler **sampler)
{
    *sampler = millionths != 0 ? make_sampler(store, limit, millionths) : NULL;
    return *sampler != NULL || millionths == 0;
}

uint64_t ms_track_charged(const memstore *store)
{
    const struct ms_sampler *sampler = ms_load_relaxed(&store->track.sampler);

    return sampler != NULL ? ms_pages_charge_of(sampler->bytes) : 0;
}

void ms_track_discard(memstore *store, struct ms_sampler *sampler)
{
    if (sampler != NULL)
        ms_pages_free(&store->arena.pages, sampler, sampler->bytes);
}

void ms_track_start(memstore *store, struct ms_sampler *sampler, uint32_t millionths)
{
    ms_mutex_lock(&store->track.lock);
    struct ms_sampler *old = sampler_of(store);
    /* ORDER: release, pairs with the acquire of put_use() and ms_track_try_key(): it is set up. */
    ms_store_release(&store->track.sampler, sampler);
    ms_store_relaxed(&store->track.missed, 0);
    ms_store_relaxed(&store->track.look_ms, INT64_MAX);
    publish_threshold(store, sampler);
    ms_store_relaxed(&store->turn_below,
                     (uint32_t)(MS_REUSE_ALL / TURNS_ONE_IN * millionths / MILLION));
    ms_mutex_unlock(&store->track.lock);
    for (uint32_t i = 0; i < store->counters.stripe_count; i++)
        ms_store_relaxed(&store->counters.stripes[i].next_turn, 0);
    ms_store_divert(store, MS_BOUNDS_TRACKED, sampler != NULL);
    if (old != NULL) {
        ms_rcu_synchronize();
        ms_track_discard(store, old);
    }
}

/* ---- Digesting; track's lock held ---- */

/* References that are digested before somebody else may have the lock: by a call that found no room, and by
 * the maintenance thread. */
#define DIGESTED_BY_CALL 64
#define DIGESTED_AT_ONCE 256

/* Whose turn it is: the ring whose first record is the oldest of all, and up to when its records are older
 * than the first ones of other rings. */
struct turn {
    struct ms_ring *ring; /* NULL = there is no record */
    uint64_t until;       /* milliseconds, inclusive */
};

static uint64_t time_of(const struct use *use)
{
    return use->when >> KIND_BITS;
}

static struct turn next_turn(struct ms_sampler *sampler)
{
    struct turn turn = {NULL, UINT64_MAX};
    uint64_t oldest = UINT64_MAX;

    for (uint32_t used = ms_load_relaxed(&sampler->used); used != 0; used &= used - 1) {
        const int i = __builtin_ctz(used);
        const struct use *use = ms_ring_at(&sampler->uses[i], 0);

        if (use == NULL)
            continue;
        if (time_of(use) < oldest) {
            turn = (struct turn){&sampler->uses[i], oldest};
            oldest = time_of(use);
        } else if (time_of(use) < turn.until) {
            turn.until = time_of(use);
        }
    }
    return turn;
}

static void digest_use(struct ms_sampler *sampler, const struct use *use)
{
    const struct ms_reference reference = {
        .kind = (enum ms_reference_kind)(use->when & ((1 << KIND_BITS) - 1)),
        .hash = use->hash,
        .size = use->size,
        .now_ms = (int64_t)time_of(use),
        .expires_ms = use->expires_ms,
    };

    if (ms_reuse_follows(&sampler->pattern.reuse, reference.hash))
        ms_pattern_note(&sampler->pattern, &reference);
}

/* Up to so many uses of those whose turn it is, as many at a time as are fetched at a time. Returns how
 * many. */
static uint32_t digest_turn(struct ms_sampler *sampler, struct turn turn, uint32_t most)
{
    const struct use *uses[MS_PATTERN_EXPECTED];
    uint64_t hashes[MS_PATTERN_EXPECTED];
    uint32_t n = 0;

    most = most < MS_PATTERN_EXPECTED ? most : MS_PATTERN_EXPECTED;
    while (n < most && (uses[n] = ms_ring_at(turn.ring, n)) != NULL &&
           time_of(uses[n]) <= turn.until) {
        hashes[n] = uses[n]->hash;
        n++;
    }
    ms_pattern_expect(&sampler->pattern, hashes, n);
    for (uint32_t i = 0; i < n; i++)
        digest_use(sampler, uses[i]);
    ms_ring_take(turn.ring, n);
    return n;
}

static void digest_keys(struct ms_sampler *sampler)
{
    for (uint32_t used = ms_load_relaxed(&sampler->used); used != 0; used &= used - 1) {
        struct ms_ring *ring = &sampler->keys[__builtin_ctz(used)];
        const struct noted_key *noted;

        for (uint32_t n = 0; n <= ring->mask && (noted = ms_ring_at(ring, 0)) != NULL; n++) {
            ms_hot_note(&sampler->pattern.hot, noted->hash, noted->key, noted->key_size);
            ms_ring_take(ring, 1);
        }
    }
}

static uint64_t reads_since(const memstore *store, const struct ms_sampler *sampler)
{
    return ms_counters_total(&store->counters, MS_COUNT_READS) - sampler->reads_before;
}

uint64_t ms_track_reads_locked(const memstore *store)
{
    const struct ms_sampler *sampler = ms_load_relaxed(&store->track.sampler);

    return ms_pace_reads(&sampler->pace, reads_since(store, sampler));
}

static bool is_diverted(const memstore *store)
{
    return (ms_store_bounds(store) & MS_BOUNDS_TRACKED) != 0;
}

/* The maintenance thread is to divert reads, or not any more, or to look when. */
static void plan_look(memstore *store)
{
    if (store->settings.maintenance != MS_MAINTENANCE_BACKGROUND)
        return;
    ms_store_relaxed(&store->track.look_ms, 0);
    if (!ms_maintenance_is_me())
        ms_maintenance_try_wake(store);
}

static void keep_pace(memstore *store, struct ms_sampler *sampler)
{
    const bool paused = sampler->pace.pauses;

    ms_pace_keep(&sampler->pace, &sampler->pattern.reuse, reads_since(store, sampler),
                 sampler->pattern.sampled);
    if (sampler->pace.pauses == paused)
        return;
    if (paused) {
        ms_pattern_pass(&sampler->pattern, ms_clock_coarse_ms() - sampler->paused_ms);
    } else {
        sampler->paused_ms = ms_clock_coarse_ms();
        plan_look(store);
    }
}

/* Up to so many uses. False when none are left. */
static bool digest_locked(memstore *store, struct ms_sampler *sampler, uint32_t most)
{
    struct turn turn = {NULL, 0};

    digest_keys(sampler);
    for (uint32_t done = 0; done < most && (turn = next_turn(sampler)).ring != NULL;)
        done += digest_turn(sampler, turn, most - done);
    /* A pause in which reads are not diverted ends when they are. */
    if (is_diverted(store))
        keep_pace(store, sampler);
    publish_threshold(store, sampler);
    return turn.ring != NULL;
}

void ms_track_settle_locked(memstore *store)
{
    struct ms_sampler *sampler = sampler_of(store);

    /* Not more than there can be at a time, though others go on. */
    digest_locked(store, sampler, MS_TRACK_RINGS * (sampler->uses[0].mask + 1));
}

static void digest_due(memstore *store)
{
    bool more = true;

    if (!ms_load_relaxed(&store->track.due))
        return;
    ms_store_relaxed(&store->track.due, false);
    for (uint32_t i = 0; more && i < MS_TRACK_RINGS * CELLS_MAX / DIGESTED_AT_ONCE; i++) {
        ms_mutex_lock(&store->track.lock);
        struct ms_sampler *sampler = sampler_of(store);
        more = sampler != NULL && digest_locked(store, sampler, DIGESTED_AT_ONCE);
        ms_mutex_unlock(&store->track.lock);
    }
}

/* ---- Pauses ---- */

/* From one look whether a pause is over to the next, at least. */
#define LOOK_MS 10

/* When the pause is over if reads go on to come as they did in it, and before it has lasted twice as long as now. */
static int64_t time_of_look(const memstore *store, const struct ms_sampler *sampler)
{
    const struct ms_pace *pace = &sampler->pace;
    const uint64_t reads = reads_since(store, sampler), passed = reads - pace->paused;
    const uint64_t left =
        ms_pace_left(pace, &sampler->pattern.reuse, reads, sampler->pattern.sampled);
    const double part = left < passed ? (double)left / (double)passed : 1;
    const int64_t ms = (int64_t)(part * (double)(ms_clock_coarse_ms() - sampler->paused_ms));

    return ms_clock_exact_ms() + (ms > LOOK_MS ? ms : LOOK_MS);
}

/* Divert reads, but not in a pause. The settings lock is held. */
static void divert(memstore *store)
{
    bool follows = is_diverted(store);

    ms_mutex_lock(&store->track.lock);
    struct ms_sampler *sampler = sampler_of(store);
    if (sampler != NULL) {
        keep_pace(store, sampler);
        publish_threshold(store, sampler);
        follows = !sampler->pace.pauses;
        ms_store_relaxed(&store->track.look_ms, follows ? INT64_MAX : time_of_look(store, sampler));
    }
    ms_mutex_unlock(&store->track.lock);
    if (follows != is_diverted(store))
        ms_store_divert(store, MS_BOUNDS_TRACKED, follows);
}

static void look_at_pause(memstore *store)
{
    if (ms_load_relaxed(&store->track.look_ms) > ms_clock_exact_ms())
        return;
    if (!ms_mutex_try_lock(&store->settings_lock)) {
        ms_store_relaxed(&store->track.look_ms, ms_clock_exact_ms() + LOOK_MS);
        return;
    }
    divert(store);
    ms_mutex_unlock(&store->settings_lock);
}

void ms_track_digest(memstore *store)
{
    digest_due(store);
    if (ms_load_relaxed(&store->track.look_ms) != INT64_MAX)
        look_at_pause(store);
}

void ms_track_forget_users(memstore *store)
{
    struct ms_sampler *sampler = ms_load_relaxed(&store->track.sampler);

    for (int i = 0; sampler != NULL && i < MS_TRACK_RINGS; i++) {
        ms_ring_reset(&sampler->uses[i]);
        ms_ring_reset(&sampler->keys[i]);
    }
}

/* ---- For who asks ---- */

void ms_track_resize(memstore *store)
{
    ms_mutex_lock(&store->track.lock);
    if (sampler_of(store) != NULL)
        ms_pattern_resize(&sampler_of(store)->pattern,
                          cache_bytes(store, ms_budget_limit(&store->arena.budget)));
    ms_mutex_unlock(&store->track.lock);
}

uint32_t ms_track_hot_keys(memstore *store, struct ms_hot_key *out, uint64_t *noted)
{
    uint32_t count = 0;

    *noted = 0;
    ms_mutex_lock(&store->track.lock);
    if (sampler_of(store) != NULL) {
        ms_track_settle_locked(store);
        *noted = sampler_of(store)->pattern.hot.noted;
        count = ms_hot_sorted(&sampler_of(store)->pattern.hot, out);
    }
    ms_mutex_unlock(&store->track.lock);
    return count;
}

void ms_track_forget(memstore *store)
{
    bool pauses = false;

    ms_mutex_lock(&store->track.lock);
    if (sampler_of(store) != NULL) {
        ms_track_settle_locked(store);
        ms_pattern_forget(&sampler_of(store)->pattern);
        ms_pace_forget(&sampler_of(store)->pace);
        sampler_of(store)->reads_before = ms_counters_total(&store->counters, MS_COUNT_READS);
        ms_store_relaxed(&store->track.missed, 0);
        pauses = sampler_of(store)->pace.pauses;
    }
    if (pauses && ms_load_relaxed(&store->track.look_ms) != INT64_MAX)
        ms_store_relaxed(&store->track.look_ms, 0);
    ms_mutex_unlock(&store->track.lock);
    /* The pause is over. */
    if (pauses)
        ms_maintenance_wake(store);
}

/* ---- Records of what is done ---- */

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
    struct use *use = claim(sampler->uses, ring, &ticket);
    if (use == NULL)
        return false;
    use->size = reference->size;
    use->hash = reference->hash;
    use->when = (uint64_t)reference->now_ms << KIND_BITS | reference->kind;
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
    struct noted_key *noted = claim(sampler->keys, ring, &ticket);
    if (noted == NULL)
        return false;
    noted->hash = hash;
    noted->key_size = (uint32_t)key_size;
    memcpy(noted->key, key, key_size < sizeof noted->key ? key_size : sizeof noted->key);
    ms_ring_filled(noted, ticket);
    tell_if_filling(store, &sampler->keys[ring], ticket, false);
    return true;
}

/* There is no room: digest a few. False when somebody else has the lock. */
static bool help(memstore *store)
{
    if (!ms_mutex_try_lock(&store->track.lock))
        return false;
    struct ms_sampler *sampler = sampler_of(store);
    if (sampler != NULL)
        digest_locked(store, sampler, DIGESTED_BY_CALL);
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

/* A read, now, of what is this large; 0 = it found nothing. */
static struct ms_reference read_of(uint64_t hash, uint32_t size)
{
    return (struct ms_reference){
        .kind = MS_REFERENCE_READ,
        .hash = hash,
        .size = size,
        .now_ms = ms_clock_coarse_ms(),
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
    if (sampler_of(store) != NULL) {
        ms_track_settle_locked(store);
        ms_pattern_clear(&sampler_of(store)->pattern);
    }
    ms_mutex_unlock(&store->track.lock);
}
