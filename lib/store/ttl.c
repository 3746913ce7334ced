/* SPDX-License-Identifier: Apache-2.0 */
/* From the TTL a caller gives to the expiry an entry gets. */
#include "store/store.h"

/* What can be added to any clock of ours without overflow: some 140 million years. */
#define LONGEST_TTL_MS (INT64_MAX / 2)

static bool is_within_bounds(const struct ms_settings *settings, int64_t ttl_ms)
{
    const int64_t max_ttl = ms_setting_of(settings, max_ttl);

    return ttl_ms >= ms_setting_of(settings, min_ttl) && (max_ttl == 0 || ttl_ms <= max_ttl);
}

static int64_t round_up(int64_t expiry, int64_t precision)
{
    return (expiry + precision - 1) / precision * precision;
}

/* Shorten a TTL within `ttl.jitter`: by chance from one millisecond to the next, but what a batch
 * gives one TTL, at one moment, runs out at one moment. */
static int64_t jittered(const memstore *store, int64_t ttl_ms, int64_t now)
{
    const int64_t percent = ms_setting_of(&store->settings, ttl_jitter);
    const int64_t most = ttl_ms / 100 * percent + ttl_ms % 100 * percent / 100;
    const int64_t least = ms_setting_of(&store->settings, min_ttl);

    if (most == 0)
        return ttl_ms;
    const uint64_t random = ms_mix64((uint64_t)now ^ store->hasher.seed);
    ttl_ms -= (int64_t)(random % ((uint64_t)most + 1));
    return ttl_ms > least ? ttl_ms : least;
}

/* ms_ttl_to_expiry_at(), with jitter or without. */
static int to_expiry(const memstore *store, int64_t ttl_ms, int64_t now, bool jitters,
                     int64_t *expiry)
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
    else if (jitters)
        ttl_ms = jittered(store, ttl_ms, now);

    const int64_t window = ms_setting_of(settings, life_window);
    *expiry = ttl_ms == MEMSTORE_TTL_NONE
                  ? MS_NEVER
                  : round_up(now + ttl_ms, ms_setting_of(settings, ttl_precision));
    if (window != 0 && *expiry > now + window)
        *expiry = now + window;
    return MEMSTORE_OK;
}

int ms_ttl_to_expiry_at(const memstore *store, int64_t ttl_ms, int64_t now, int64_t *expiry)
{
    return to_expiry(store, ttl_ms, now, true, expiry);
}

int ms_ttl_to_expiry(const memstore *store, int64_t ttl_ms, int64_t *expiry)
{
    const struct ms_settings *settings = &store->settings;

    /* What never expires needs no clock. */
    if (ttl_ms == MEMSTORE_TTL_NONE && ms_setting_of(settings, max_ttl) == 0 &&
        ms_setting_of(settings, life_window) == 0) {
        *expiry = MS_NEVER;
        return MEMSTORE_OK;
    }
    return ms_ttl_to_expiry_at(store, ttl_ms, ms_clock_exact_ms(), expiry);
}

int ms_ttl_until(const memstore *store, int64_t unix_ms, int64_t *expiry)
{
    const int64_t now = ms_clock_unix_ms();

    if (unix_ms <= now)
        return MEMSTORE_ERR_TTL_EXPIRED;
    /* A clock before 1970 could make the difference overflow. */
    if (now < 0 && unix_ms > LONGEST_TTL_MS)
        return MEMSTORE_ERR_INVALID_TTL;
    return to_expiry(store, unix_ms - now, ms_clock_exact_ms(), false, expiry);
}
