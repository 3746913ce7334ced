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

int ms_ttl_to_expiry_at(const memstore *store, int64_t ttl_ms, int64_t now, int64_t *expiry)
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

    const int64_t window = ms_setting_of(settings, life_window);
    *expiry = ttl_ms == MEMSTORE_TTL_NONE
                  ? MS_NEVER
                  : round_up(now + ttl_ms, ms_setting_of(settings, ttl_precision));
    if (window != 0 && *expiry > now + window)
        *expiry = now + window;
    return MEMSTORE_OK;
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

int ms_ttl_until(int64_t unix_ms, int64_t *ttl_ms)
{
    const int64_t now = ms_clock_unix_ms();

    if (unix_ms <= now)
        return MEMSTORE_ERR_TTL_EXPIRED;
    /* A clock before 1970 could make the difference overflow. */
    if (now < 0 && unix_ms > LONGEST_TTL_MS)
        return MEMSTORE_ERR_INVALID_TTL;
    *ttl_ms = unix_ms - now;
    return MEMSTORE_OK;
}
