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
                             const struct ms_breaker_rule *rule, int64_t now,
                             enum ms_breaker_change *change)
{
    bool let_through = true;

    *change = MS_BREAKER_STAYS;
    if (rule->failures == 0 || ms_load_relaxed(&breakers->failing) == 0)
        return true;
    ms_mutex_lock(&breakers->lock);
    struct ms_breaker *breaker = find_locked(breakers, loader);
    if (breaker != NULL && breaker->failures >= rule->failures) {
        let_through = now >= breaker->open_until;
        if (let_through) {
            breaker->open_until = now + rule->open_ms;
            *change =
                breaker->state == MS_BREAKER_HALF_OPEN ? MS_BREAKER_STAYS : MS_BREAKER_HALF_OPENS;
            breaker->state = MS_BREAKER_HALF_OPEN;
        }
    }
    ms_mutex_unlock(&breakers->lock);
    return let_through;
}

enum ms_breaker_change ms_breakers_succeeded(struct ms_breakers *breakers, uint64_t loader)
{
    enum ms_breaker_change change = MS_BREAKER_STAYS;

    if (ms_load_relaxed(&breakers->failing) == 0)
        return change;
    ms_mutex_lock(&breakers->lock);
    struct ms_breaker *breaker = find_locked(breakers, loader);
    if (breaker != NULL) {
        if (breaker->state != MS_BREAKER_CLOSED)
            change = MS_BREAKER_CLOSES;
        breaker->failures = 0;
        ms_sub_relaxed(&breakers->failing, 1);
    }
    ms_mutex_unlock(&breakers->lock);
    return change;
}

/* It has failed as often as opens it. */
static enum ms_breaker_change open_locked(struct ms_breaker *breaker, int64_t until)
{
    static const enum ms_breaker_change changes[] = {
        [MS_BREAKER_CLOSED] = MS_BREAKER_OPENS,
        [MS_BREAKER_OPEN] = MS_BREAKER_STAYS,
        [MS_BREAKER_HALF_OPEN] = MS_BREAKER_REOPENS,
    };
    const enum ms_breaker_change change = changes[breaker->state];

    breaker->state = MS_BREAKER_OPEN;
    breaker->open_until = until;
    return change;
}

enum ms_breaker_change ms_breakers_failed(struct ms_breakers *breakers, uint64_t loader,
                                          const struct ms_breaker_rule *rule, int64_t now)
{
    enum ms_breaker_change change = MS_BREAKER_STAYS;

    if (rule->failures == 0)
        return change;
    ms_mutex_lock(&breakers->lock);
    struct ms_breaker *breaker = find_locked(breakers, loader);
    if (breaker == NULL)
        breaker = take_place_locked(breakers, loader);
    if (breaker != NULL) {
        breaker->failures += breaker->failures != UINT32_MAX;
        if (breaker->failures >= rule->failures)
            change = open_locked(breaker, now + rule->open_ms);
    }
    ms_mutex_unlock(&breakers->lock);
    return change;
}

struct ms_breakers_sum ms_breakers_sum_up(struct ms_breakers *breakers,
                                          const struct ms_breaker_rule *rule, int64_t now)
{
    struct ms_breakers_sum sum = {0};

    if (rule->failures == 0)
        return sum;
    ms_mutex_lock(&breakers->lock);
    for (int i = 0; i < MS_BREAKERS; i++) {
        const struct ms_breaker *breaker = &breakers->table[i];

        if (breaker->failures < rule->failures)
            continue;
        sum.open++;
        sum.half_open += breaker->state == MS_BREAKER_HALF_OPEN || now >= breaker->open_until;
    }
    ms_mutex_unlock(&breakers->lock);
    return sum;
}
