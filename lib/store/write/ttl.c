/* SPDX-License-Identifier: Apache-2.0 */
/* From the TTL a caller gives to the expiry an entry gets. */
#include "store/write/ttl.h"

#include "store/store.h"

/* What can be added to any clock of ours without overflow: some 140 million years. */
#define LONGEST_TTL_MS (INT64_MAX / 2)

static bool is_within_bounds(const struct ms_settings *settings, int64_t ttl_ms)
{
    const int64_t max_ttl = ms_setting_of(settings, max_ttl);

    return ttl_ms >= ms_setting_of(settings, min_ttl) && (max_ttl == 0 || ttl_ms <= max_ttl);
}

int64_t ms_ttl_end(const memstore *store, int64_t ttl_ms, int64_t now)
{
    const int64_t precision = ms_setting_of(&store->settings, ttl_precision);

    if (precision == 1)
        return now + ttl_ms;
    /* A whole second or minute is one of the wall clock, which is what expiries are told by. */
    const int64_t offset = ms_clock_unix_offset_ms();
    const int64_t end = now + ttl_ms + offset;
    const int64_t over = end % precision;
    return (over > 0 ? end + precision - over : end - over) - offset;
}

/* Shorten a TTL within `ttl.jitter`, by a chance that is the same for what has one `lot`. */
static int64_t jittered(const memstore *store, int64_t ttl_ms, uint64_t lot)
{
    const int64_t percent = ms_setting_of(&store->settings, ttl_jitter);
    const int64_t most = ttl_ms / 100 * percent + ttl_ms % 100 * percent / 100;
    const int64_t least = ms_setting_of(&store->settings, min_ttl);

    if (most == 0)
        return ttl_ms;
    const uint64_t random = ms_mix64(lot ^ store->hasher.seed);
    ttl_ms -= (int64_t)(random % ((uint64_t)most + 1));
    return ttl_ms > least ? ttl_ms : least;
}

/* ms_ttl_to_life_at(), with jitter by this lot, or without when it is NULL. */
static int to_life(const memstore *store, int64_t ttl_ms, int64_t now, const uint64_t *lot,
                   struct ms_life *life)
{
    const struct ms_settings *settings = &store->settings;

    if (ttl_ms == MEMSTORE_TTL_DEFAULT)
        ttl_ms = ms_setting_of(settings, default_ttl);
    if (ttl_ms < 0 || ttl_ms > LONGEST_TTL_MS)
        return MEMSTORE_ERR_INVALID_TTL;
    /* "Never" is as long as it may be. */
    if (ttl_ms == MEMSTORE_TTL_NONE)
        ttl_ms = ms_setting_of(settings, max_ttl);
    else if (!is_within_bounds(settings, ttl_ms))
        return MEMSTORE_ERR_INVALID_TTL;
    else if (lot != NULL)
        ttl_ms = jittered(store, ttl_ms, *lot);

    const int64_t window = ms_setting_of(settings, life_window);
    life->ttl = ttl_ms;
    life->expiry = ttl_ms == MEMSTORE_TTL_NONE ? MS_NEVER : ms_ttl_end(store, ttl_ms, now);
    if (window != 0 && life->expiry > now + window)
        life->expiry = now + window;
    return MEMSTORE_OK;
}

int ms_ttl_to_life_at(const memstore *store, int64_t ttl_ms, int64_t now, struct ms_life *life)
{
    const uint64_t lot = (uint64_t)now;

    return to_life(store, ttl_ms, now, &lot, life);
}

int ms_ttl_to_life(const memstore *store, int64_t ttl_ms, struct ms_life *life)
{
    const struct ms_settings *settings = &store->settings;

    /* What never expires needs no clock. */
    if (ttl_ms == MEMSTORE_TTL_NONE && ms_setting_of(settings, max_ttl) == 0 &&
        ms_setting_of(settings, life_window) == 0) {
        *life = (struct ms_life){MS_NEVER, 0};
        return MEMSTORE_OK;
    }
    if (ms_setting_of(settings, ttl_jitter) == 0)
        return to_life(store, ttl_ms, ms_clock_exact_ms(), NULL, life);
    /* Many are written in one millisecond. */
    const uint64_t lot = ms_clock_real_ns();
    return to_life(store, ttl_ms, ms_clock_exact_ms(), &lot, life);
}

int ms_ttl_until(const memstore *store, int64_t unix_ms, struct ms_life *life)
{
    const int64_t now = ms_clock_unix_ms();

    if (unix_ms <= now)
        return MEMSTORE_ERR_TTL_EXPIRED;
    /* A clock before 1970 could make the difference overflow. */
    if (now < 0 && unix_ms > LONGEST_TTL_MS)
        return MEMSTORE_ERR_INVALID_TTL;
    const int status = to_life(store, unix_ms - now, now - ms_clock_unix_offset_ms(), NULL, life);
    life->ttl = 0;
    return status;
}
