/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/breaker.h"

/* For how many times as long as it is open one counts as open that nobody asks for. */
#define COUNTED_TIMES 10

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

static bool is_open(const struct ms_breaker *breaker, const struct ms_breaker_rule *rule)
{
    return breaker->failures >= rule->failures;
}

/* Whether nobody asked for what is open for so many times as long as it is open, since it might be
 * tried again. */
static bool is_left(const struct ms_breaker *breaker, const struct ms_breaker_rule *rule,
                    int64_t now, int64_t times)
{
    return (now - breaker->open_until) / times > rule->open_ms;
}

static bool may_give_place(const struct ms_breaker *breaker, const struct ms_breaker_rule *rule,
                           int64_t now)
{
    return !is_open(breaker, rule) || is_left(breaker, rule, now, 1);
}

/* A place for a loader that has none: a free one, or that of another (see the head of breaker.h); or
 * NULL. */
static struct ms_breaker *find_place_locked(struct ms_breakers *breakers,
                                            const struct ms_breaker_rule *rule, int64_t now)
{
    struct ms_breaker *found = NULL;

    for (struct ms_breaker *at = breakers->table; at < breakers->table + MS_BREAKERS; at++) {
        if (at->failures == 0)
            return at;
        if (may_give_place(at, rule, now) &&
            (found == NULL || at->last_failure < found->last_failure))
            found = at;
    }
    return found;
}

static struct ms_breaker *take_place_locked(struct ms_breakers *breakers, uint64_t loader,
                                            const struct ms_breaker_rule *rule, int64_t now)
{
    struct ms_breaker *const place = find_place_locked(breakers, rule, now);

    if (place == NULL)
        return NULL;
    if (place->failures == 0)
        ms_add_relaxed(&breakers->failing, 1);
    *place = (struct ms_breaker){.loader = loader};
    return place;
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
    if (breaker != NULL && is_open(breaker, rule)) {
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
        breaker = take_place_locked(breakers, loader, rule, now);
    if (breaker != NULL) {
        breaker->failures += breaker->failures != UINT32_MAX;
        breaker->last_failure = now;
        if (is_open(breaker, rule))
            change = open_locked(breaker, now + rule->open_ms);
    }
    ms_mutex_unlock(&breakers->lock);
    return change;
}

static struct ms_breakers_sum sum_up_locked(const struct ms_breakers *breakers,
                                            const struct ms_breaker_rule *rule, int64_t now)
{
    struct ms_breakers_sum sum = {0};

    for (int i = 0; i < MS_BREAKERS; i++) {
        const struct ms_breaker *breaker = &breakers->table[i];

        if (!is_open(breaker, rule) || is_left(breaker, rule, now, COUNTED_TIMES))
            continue;
        sum.open++;
        sum.half_open += breaker->state == MS_BREAKER_HALF_OPEN || now >= breaker->open_until;
    }
    return sum;
}

struct ms_breakers_sum ms_breakers_sum_up(struct ms_breakers *breakers,
                                          const struct ms_breaker_rule *rule, int64_t now)
{
    if (rule->failures == 0)
        return (struct ms_breakers_sum){0};
    ms_mutex_lock(&breakers->lock);
    const struct ms_breakers_sum sum = sum_up_locked(breakers, rule, now);
    ms_mutex_unlock(&breakers->lock);
    return sum;
}

static enum ms_breaker_state state_after(enum ms_breaker_change change)
{
    switch (change) {
    case MS_BREAKER_OPENS:
    case MS_BREAKER_REOPENS:
        return MS_BREAKER_OPEN;
    case MS_BREAKER_HALF_OPENS:
        return MS_BREAKER_HALF_OPEN;
    case MS_BREAKER_STAYS:
    case MS_BREAKER_CLOSES:
        break;
    }
    return MS_BREAKER_CLOSED;
}

bool ms_breakers_stand(struct ms_breakers *breakers, uint64_t loader, enum ms_breaker_change change,
                       const struct ms_breaker_rule *rule, int64_t now, struct ms_breakers_sum *sum)
{
    ms_mutex_lock(&breakers->lock);
    const struct ms_breaker *breaker = find_locked(breakers, loader);
    const bool stands =
        (breaker != NULL ? breaker->state : MS_BREAKER_CLOSED) == state_after(change);
    *sum = rule->failures != 0 ? sum_up_locked(breakers, rule, now) : (struct ms_breakers_sum){0};
    ms_mutex_unlock(&breakers->lock);
    return stands;
}
