/* SPDX-License-Identifier: Apache-2.0 */
/* The life of segments: free, open, sealed, limbo; from there on recycle.c. */
#include "segment/pool.h"

#include "platform/clock.h"
#include "platform/testing.h"
#include "segment/backing.h"

/* ---- Lists ---- */

/* Insert by rank, searching from the newest end, where most belong. */
static void list_insert_locked(struct ms_segment_list *list, struct ms_segment *segment)
{
    struct ms_segment *older = list->newest;

    while (older != NULL && older->rank > segment->rank)
        older = older->older;

    segment->older = older;
    segment->newer = older != NULL ? older->newer : list->oldest;
    if (segment->newer != NULL)
        segment->newer->older = segment;
    else
        list->newest = segment;
    if (older != NULL)
        older->newer = segment;
    else
        list->oldest = segment;
    list->count++;
    list->bytes += ms_load_relaxed(&segment->used);
    list->entries += ms_load_relaxed(&segment->claimed);
}

static void list_remove_locked(struct ms_segment_list *list, struct ms_segment *segment)
{
    if (segment->older != NULL)
        segment->older->newer = segment->newer;
    else
        list->oldest = segment->newer;
    if (segment->newer != NULL)
        segment->newer->older = segment->older;
    else
        list->newest = segment->older;
    list->count--;
    list->bytes -= ms_load_relaxed(&segment->used);
    list->entries -= ms_load_relaxed(&segment->claimed);
}

static struct ms_segment_list *list_of(struct ms_arena *arena, const struct ms_segment *segment)
{
    switch (ms_load_relaxed(&segment->queue)) {
    case MS_QUEUE_NEW:
        return &arena->lists[MS_LIST_NEW];
    case MS_QUEUE_RECORDS:
        return &arena->lists[MS_LIST_RECORDS];
    default:
        return &arena->lists[MS_LIST_MAIN];
    }
}

/* ---- Opening ---- */

void ms_pool_init_segment(struct ms_arena *arena, struct ms_segment *segment,
                          const struct ms_placement *placement)
{
    ms_store_relaxed(&segment->gone, 0);
    ms_store_relaxed(&segment->stale_bytes, 0);
    ms_store_relaxed(&segment->stale_entries, 0);
    ms_store_relaxed(&segment->claimed, 0);
    ms_store_relaxed(&segment->settled, 0);
    segment->seen = 0;
    ms_store_relaxed(&segment->earliest, MS_NEVER);
    ms_store_relaxed(&segment->least_ttl, MS_TTL_UNKNOWN);
    segment->sequence = ms_add_relaxed(&arena->sequence, 1) + 1;
    segment->time_base = ms_clock_coarse_ms() - MS_TIME_BASE_MARGIN_MS;
    segment->due = MS_NEVER;
    segment->due_position = 0;
    segment->ttl_class = (uint8_t)placement->ttl_class;
    ms_store_relaxed(&segment->queue, (unsigned char)placement->queue);
    segment->is_aged = placement->privileged && placement->rank != 0;
    segment->rank = placement->rank;
    if (segment->rank == 0 && !arena->ranks_at_sealing)
        segment->rank = ms_add_relaxed(&arena->rank_clock, 1) + 1;
}

uint64_t ms_pool_withheld_bytes(const struct ms_arena *arena)
{
    const uint32_t missing =
        arena->reserve > arena->warm_count ? arena->reserve - arena->warm_count : 0;

    return (uint64_t)missing << arena->segment_shift;
}

struct ms_segment *ms_pool_open_segment(struct ms_arena *arena,
                                        const struct ms_placement *placement)
{
    const uint32_t withheld = placement->privileged ? 0 : arena->reserve;
    struct ms_segment *segment = NULL;

    ms_mutex_lock(&arena->pool_lock);
    ms_testing_reach(MS_POINT_POOL_LOCKED);
    if (arena->warm_count > withheld) {
        segment = ms_segment_pop(&arena->warm);
        arena->warm_count--;
    } else {
        segment = ms_backing_take(arena, placement->privileged ? 0 : ms_pool_withheld_bytes(arena));
    }
    if (segment != NULL) {
        ms_backing_shape(arena, segment, placement->queue);
        ms_pool_init_segment(arena, segment, placement);
        ms_store_relaxed(&segment->used, 0);
        ms_store_relaxed(&segment->state, MS_SEGMENT_OPEN);
    }
    ms_mutex_unlock(&arena->pool_lock);
    return segment;
}

/* Whole segments of that which the budget has room for: what is taken for one entry is not to make a segment of the
 * reserve too small to be opened. */
static uint64_t whole_segments_withheld(const struct ms_arena *arena)
{
    const uint64_t withheld = ms_pool_withheld_bytes(arena);
    const uint64_t limit = ms_budget_limit(&arena->budget);
    const uint64_t charged = ms_budget_charged(&arena->budget);
    const uint64_t whole = limit > charged ? (limit - charged) >> arena->segment_shift : 0;

    return withheld < whole << arena->segment_shift ? withheld : whole << arena->segment_shift;
}

bool ms_pool_extend_segment(struct ms_arena *arena, struct ms_segment *segment, uint32_t size,
                            bool privileged)
{
    ms_mutex_lock(&arena->pool_lock);
    ms_testing_reach(MS_POINT_POOL_LOCKED);
    const bool extended = ms_backing_extend(arena, segment, size,
                                            privileged ? whole_segments_withheld(arena)
                                                       : ms_pool_withheld_bytes(arena));
    ms_mutex_unlock(&arena->pool_lock);
    return extended;
}

/* In a full store the room for a row is a segment that is free beyond the reserve, which is room for several.
 * A reader may ask, so that no other lock is taken. */
static bool charge_row_locked(struct ms_arena *arena)
{
    while (!ms_budget_charge(&arena->budget, arena->pin_row_bytes, ms_pool_withheld_bytes(arena))) {
        if (arena->warm_count <= arena->reserve)
            return false;
        ms_backing_give(arena, ms_segment_pop(&arena->warm));
        arena->warm_count--;
    }
    return true;
}

void ms_pool_charge_rows(struct ms_arena *arena)
{
    while (arena->pin_rows_wanted != 0 && charge_row_locked(arena)) {
        const uint64_t others = arena->pin_rows_wanted & (arena->pin_rows_wanted - 1);

        /* ORDER: none of its own, like the pins that follow in the read section of who takes it, under the
         * lock. */
        ms_or_relaxed(&arena->pin_rows_made, arena->pin_rows_wanted ^ others);
        arena->pin_rows_wanted = others;
    }
}

/* Under the lock, which fork() takes, so that the child finds a row in use if it is charged. */
bool ms_arena_try_charge_row(struct ms_arena *arena, uint32_t number)
{
    const uint64_t row = UINT64_C(1) << number;

    if (!ms_mutex_try_lock(&arena->pool_lock))
        return false;
    ms_testing_reach(MS_POINT_POOL_LOCKED);
    if ((ms_load_relaxed(&arena->pin_rows_made) & row) == 0) {
        arena->pin_rows_wanted |= row;
        ms_pool_charge_rows(arena);
    }
    const bool charged = (ms_load_relaxed(&arena->pin_rows_made) & row) != 0;
    ms_mutex_unlock(&arena->pool_lock);
    return charged;
}

/* ---- Sealing and retiring ---- */

bool ms_pool_is_empty(struct ms_segment *segment)
{
    /* ORDER: seq_cst, like the addition and like the store of the state: of two threads, one that
     * seals and one that counts the last entry as gone, one sees both. */
    const uint64_t gone = ms_load_seq_cst(&segment->gone);

    return gone >> 32 == ms_load_relaxed(&segment->claimed);
}

void ms_pool_count_gone(struct ms_arena *arena, struct ms_segment *segment, uint32_t size)
{
    const uint32_t before = (uint32_t)ms_add_seq_cst(&segment->gone, ms_segment_gone_of(size));

    if (ms_unlikely(ms_pool_is_worn(arena, segment, before + size)) && before < arena->worn_from)
        ms_add_relaxed(&arena->worn, 1);
}

void ms_pool_push_limbo(struct ms_arena *arena, struct ms_segment *segment)
{
    ms_segment_push(&arena->limbo, segment);
    arena->limbo_bytes += ms_pool_bytes_of(arena, segment);
}

static void to_limbo_locked(struct ms_arena *arena, struct ms_segment *segment)
{
    ms_store_relaxed(&segment->state, MS_SEGMENT_LIMBO);
    if (ms_pool_is_worn(arena, segment, ms_segment_dead_bytes(segment)))
        ms_sub_relaxed(&arena->worn, 1);
    ms_pool_push_limbo(arena, segment);
}

/* False when it is known that some are. */
static bool note_spent_locked(struct ms_arena *arena, struct ms_segment *segment)
{
    if (ms_load_relaxed(&arena->may_be_spent) ||
        ms_load_relaxed(&segment->state) != MS_SEGMENT_OPEN || !ms_pool_is_empty(segment))
        return false;
    ms_store_relaxed(&arena->may_be_spent, true);
    return true;
}

static bool retire_locked(struct ms_arena *arena, struct ms_segment *segment)
{
    if (ms_load_relaxed(&segment->state) != MS_SEGMENT_SEALED || !ms_pool_is_empty(segment))
        return false;
    list_remove_locked(list_of(arena, segment), segment);
    to_limbo_locked(arena, segment);
    return true;
}

void ms_pool_seal(struct ms_arena *arena, struct ms_segment *segment)
{
    ms_mutex_lock(&arena->pool_lock);
    /* A large entry is sealed as soon as it is there; nothing is appended to it. */
    arena->solos += segment->is_solo;
    if (ms_pool_is_empty(segment)) {
        to_limbo_locked(arena, segment);
    } else {
        if (segment->rank == 0)
            segment->rank = ms_add_relaxed(&arena->rank_clock, 1) + 1;
        segment->pays_from = 0;
        ms_store_seq_cst(&segment->state, MS_SEGMENT_SEALED);
        list_insert_locked(list_of(arena, segment), segment);
        /* What died before the state was seen as sealed has nobody else to retire it. */
        retire_locked(arena, segment);
    }
    ms_mutex_unlock(&arena->pool_lock);
}

bool ms_arena_retire(struct ms_arena *arena, struct ms_segment *segment)
{
    ms_testing_reach(MS_POINT_RETIRING);
    ms_mutex_lock(&arena->pool_lock);
    const bool retired = retire_locked(arena, segment) || note_spent_locked(arena, segment);
    ms_mutex_unlock(&arena->pool_lock);
    return retired;
}

/* Under the pool lock, which fork() takes, so that the child finds either all of this done or none. */
bool ms_arena_abandon(struct ms_arena *arena, const struct ms_reserved *reserved)
{
    struct ms_segment *segment = reserved->segment;

    ms_mutex_lock(&arena->pool_lock);
    if (ms_load_relaxed(&segment->queue) != MS_QUEUE_RECORDS)
        ms_store_relaxed(&reserved->entry->mark, MS_MARK_DEAD);
    ms_add_release(&segment->settled, 1);
    ms_pool_count_gone(arena, segment, reserved->size);
    const bool retired = retire_locked(arena, segment);
    note_spent_locked(arena, segment);
    ms_mutex_unlock(&arena->pool_lock);
    return retired;
}

/* ---- Sealing what is open ---- */

/* Whether an open segment is to be sealed. Slot lock held. */
typedef bool (*choose_fn)(struct ms_segment *segment, void *context);

static void seal_if(struct ms_arena *arena, struct ms_segment **segment, choose_fn choose,
                    void *context)
{
    if (*segment == NULL || !choose(*segment, context))
        return;
    ms_pool_seal(arena, *segment);
    *segment = NULL;
}

static void seal_those(struct ms_arena *arena, choose_fn choose, void *context)
{
    for (size_t i = 0; i < ms_pool_slots(arena); i++) {
        struct ms_open_slot *slot = &arena->open[i];

        ms_mutex_lock(&slot->lock);
        seal_if(arena, &slot->spare, choose, context);
        seal_if(arena, &slot->segment, choose, context);
        ms_mutex_unlock(&slot->lock);
    }
}

static bool is_any(struct ms_segment *segment, void *unused)
{
    (void)segment;
    (void)unused;
    return true;
}

void ms_arena_seal_open(struct ms_arena *arena)
{
    seal_those(arena, is_any, NULL);
}

static bool is_this(struct ms_segment *segment, void *wanted)
{
    return segment == wanted;
}

void ms_arena_seal(struct ms_arena *arena, struct ms_segment *segment)
{
    seal_those(arena, is_this, segment);
}

struct look {
    uint32_t worn_from;
    bool at_once, sealed, left;
};

/* Whether nothing in an open segment lives, or so much is dead as makes up for what is unused. Slot lock held. */
static bool is_spent(struct ms_segment *segment, uint32_t worn_from)
{
    return ms_load_relaxed(&segment->claimed) != 0 && ms_segment_pending(segment) == 0 &&
           (ms_pool_is_empty(segment) || ms_segment_dead_bytes(segment) >= worn_from);
}

static bool is_done_with(struct ms_segment *segment, void *context)
{
    struct look *look = context;

    if (!is_spent(segment, look->worn_from))
        return false;
    const uint32_t claimed = ms_load_relaxed(&segment->claimed);
    if (!look->at_once && segment->seen != claimed) {
        segment->seen = claimed;
        look->left = true;
        return false;
    }
    look->sealed = true;
    return true;
}

bool ms_arena_seal_spent(struct ms_arena *arena, uint32_t worn_from, bool at_once, bool *left)
{
    struct look look = {.worn_from = worn_from, .at_once = at_once};

    /* First, so that what dies meanwhile tells. */
    ms_store_relaxed(&arena->may_be_spent, false);
    seal_those(arena, is_done_with, &look);
    *left = look.left;
    return look.sealed;
}

void ms_arena_requeue(struct ms_arena *arena, struct ms_segment *segment, enum ms_list list,
                      uint64_t rank)
{
    ms_mutex_lock(&arena->pool_lock);
    if (ms_load_relaxed(&segment->state) == MS_SEGMENT_SEALED) {
        list_remove_locked(list_of(arena, segment), segment);
        ms_store_relaxed(&segment->queue, list == MS_LIST_NEW ? MS_QUEUE_NEW : MS_QUEUE_MAIN);
        segment->rank = rank != 0 ? rank : ms_add_relaxed(&arena->rank_clock, 1) + 1;
        list_insert_locked(&arena->lists[list], segment);
    }
    ms_mutex_unlock(&arena->pool_lock);
}

/* What a writer that is gone had reserved in the segment is dead. */
static void forget_writers_of(struct ms_segment *segment, const struct ms_arena *arena)
{
    const uint32_t used = ms_load_relaxed(&segment->used);
    const uint32_t claimed = ms_load_relaxed(&segment->claimed);
    uint64_t gone = ms_load_relaxed(&segment->gone);

    if (ms_segment_pending(segment) == 0)
        return;
    /* A stretch for records is not made of entries, and belongs to one batch. */
    if (ms_load_relaxed(&segment->queue) == MS_QUEUE_RECORDS)
        gone = (uint64_t)claimed << 32 | used;
    for (uint32_t offset = 0; (gone >> 32) != claimed && offset < used;) {
        struct ms_entry *entry = (struct ms_entry *)(segment->base + offset);
        const uint32_t size = ms_arena_padded(arena, ms_entry_parts(entry, arena->kept).size);

        if (ms_mark_is_pending(ms_load_relaxed(&entry->mark))) {
            ms_store_relaxed(&entry->mark, MS_MARK_DEAD);
            gone += ms_segment_gone_of(size);
        }
        offset += size;
    }
    ms_store_relaxed(&segment->gone, gone);
    ms_store_relaxed(&segment->settled, claimed);
}

/* One that was counting an entry as gone may not have come to the count of worn segments. */
static void forget_calls(struct ms_segment *segment, void *context)
{
    struct ms_arena *arena = context;
    const unsigned state = ms_load_relaxed(&segment->state);

    ms_store_relaxed(&segment->borrowed, 0);
    forget_writers_of(segment, arena);
    if ((state == MS_SEGMENT_OPEN || state == MS_SEGMENT_SEALED) &&
        ms_pool_is_worn(arena, segment, ms_segment_dead_bytes(segment)))
        ms_add_relaxed(&arena->worn, 1);
}

void ms_arena_forget_calls(struct ms_arena *arena)
{
    ms_store_relaxed(&arena->worn, 0);
    ms_arena_each(arena, forget_calls, arena);
    ms_mutex_lock(&arena->pool_lock);
    for (int list = 0; list < MS_LISTS; list++) {
        for (struct ms_segment *segment = arena->lists[list].oldest, *next; segment != NULL;
             segment = next) {
            next = segment->newer;
            retire_locked(arena, segment);
        }
    }
    ms_mutex_unlock(&arena->pool_lock);
}
