/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/breaker.h"

void ms_breakers_init(struct ms_breakers *breakers)
{
    ms_mutex_init(&breakers->lock, MS_RANK_BREAKERS);
}

void ms_breakers_fini(struct ms_breakers *breakers)
{
    ms_mutex_destroy(&breakers->lock);
}

/* The breaker of a loader, or NULL. */
static struct ms_breaker *find_locked(struct ms_breakers *breakers, uint64_t loader)
{
    for (struct ms_breaker *at = breakers->table; at < breakers->table + MS_BREAKERS; at++) {
        if (at->failures != 0 && at->loader == loader)
            return at;
    }
    return NULL;
}

/* A place for a loader that has none, or NULL. */
static struct ms_breaker *take_place_locked(struct ms_breakers *breakers, uint64_t loader)
{
    for (struct ms_breaker *at = breakers->table; at < breakers->table + MS_BREAKERS; at++) {
        if (at->failures == 0) {
            *at = (struct ms_breaker){.loader = loader};
            ms_add_relaxed(&breakers->failing, 1);
            return at;
        }
    }
    return NULL;
}

bool ms_breakers_let_through(struct ms_breakers *breakers, uint64_t loader,
                             const struct ms_breaker_rule *rule, int64_t now)
{
    bool let_through = true;

    if (rule->failures == 0 || ms_load_relaxed(&breakers->failing) == 0)
        return true;
    ms_mutex_lock(&breakers->lock);
    struct ms_breaker *breaker = find_locked(breakers, loader);
    if (breaker != NULL && breaker->failures >= rule->failures) {
        let_through = now >= breaker->open_until;
        if (let_through)
            breaker->open_until = now + rule->open_ms;
    }
    ms_mutex_unlock(&breakers->lock);
    return let_through;
}

void ms_breakers_succeeded(struct ms_breakers *breakers, uint64_t loader)
{
    if (ms_load_relaxed(&breakers->failing) == 0)
        return;
    ms_mutex_lock(&breakers->lock);
    struct ms_breaker *breaker = find_locked(breakers, loader);
    if (breaker != NULL) {
        breaker->failures = 0;
        ms_sub_relaxed(&breakers->failing, 1);
    }
    ms_mutex_unlock(&breakers->lock);
}

bool ms_breakers_failed(struct ms_breakers *breakers, uint64_t loader,
                        const struct ms_breaker_rule *rule, int64_t now)
{
    bool opened = false;

    if (rule->failures == 0)
        return false;
    ms_mutex_lock(&breakers->lock);
    struct ms_breaker *breaker = find_locked(breakers, loader);
    if (breaker == NULL)
        breaker = take_place_locked(breakers, loader);
    if (breaker != NULL) {
        breaker->failures += breaker->failures != UINT32_MAX;
        opened = breaker->failures == rule->failures;
        if (breaker->failures >= rule->failures)
            breaker->open_until = now + rule->open_ms;
    }
    ms_mutex_unlock(&breakers->lock);
    return opened;
}

uint32_t ms_breakers_open(struct ms_breakers *breakers, const struct ms_breaker_rule *rule)
{
    uint32_t open = 0;

    if (rule->failures == 0)
        return 0;
    ms_mutex_lock(&breakers->lock);
    for (int i = 0; i < MS_BREAKERS; i++)
        open += breakers->table[i].failures >= rule->failures;
    ms_mutex_unlock(&breakers->lock);
    return open;
}
