/* SPDX-License-Identifier: Apache-2.0 */
/* Advice about TTLs. */
#include "advice/judging.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A time as it is advised: to the second where that is enough. */
static int64_t rounded(int64_t ms)
{
    return ms >= 120000 ? (ms + 500) / 1000 * 1000 : ms;
}

static void say_time(char *out, size_t cap, int64_t ms)
{
    if (ms >= 120000 && ms % 1000 == 0)
        snprintf(out, cap, "%" PRId64 "s", ms / 1000);
    else
        snprintf(out, cap, "%" PRId64 "ms", ms);
}

/* What ends the life of entries, and how far another value than the one it has is of use. */
struct bound {
    const char *setting; /* "" = the TTLs that are given with entries alone */
    int64_t value;
    int64_t most; /* 0 = any */
    const char *bounded_by;
};

/* The setting that has a say in TTLs where none is given. */
static struct bound ttl_bound(const struct ms_findings_settings *settings)
{
    const int64_t max_ttl = settings->max_ttl, window = settings->life_window;

    if (settings->default_ttl == 0)
        return (struct bound){max_ttl != 0 ? "ttl.max_ttl" : "", max_ttl, window, "life_window"};
    if (max_ttl == 0 || (window != 0 && window < max_ttl))
        return (struct bound){"ttl.default_ttl", settings->default_ttl, window, "life_window"};
    return (struct bound){"ttl.default_ttl", settings->default_ttl, max_ttl, "ttl.max_ttl"};
}

/* What ends lives first. */
static struct bound bound_in_force(const struct ms_findings_settings *settings)
{
    const struct bound ttl = ttl_bound(settings);

    if (settings->life_window != 0 && (ttl.value == 0 || settings->life_window < ttl.value))
        return (struct bound){"life_window", settings->life_window, ttl.value, ttl.setting};
    return ttl;
}

static void say_change(struct ms_advice *advice, const char *setting, int64_t current,
                       int64_t suggested)
{
    advice->setting = setting;
    say_time(advice->current, sizeof advice->current, current);
    say_time(advice->suggested, sizeof advice->suggested, suggested);
}

/* Advise the least TTL that is enough, within ttl.min_ttl, or else a lower one of that. */
static void advise_shorter(const struct ms_findings_settings *settings, int64_t enough,
                           struct ms_advice *advice)
{
    const struct bound now = bound_in_force(settings), ttl = ttl_bound(settings);
    /* life_window counts from the write also where a TTL begins anew with each read. */
    const struct bound to = settings->default_ttl != 0 ? ttl : now;
    const bool is_ttl = strcmp(to.setting, "life_window") != 0;

    if (is_ttl && settings->min_ttl >= now.value) {
        say_change(advice, "ttl.min_ttl", settings->min_ttl, rounded(enough));
        MS_SAY(advice->expected,
               "%s may be as short then, and unread entries give up their memory "
               "earlier",
               to.setting);
        return;
    }
    const int64_t least = is_ttl ? settings->min_ttl : 0;
    say_change(advice, to.setting, to.value, rounded(enough) > least ? rounded(enough) : least);
    MS_SAY(advice->expected, "unread entries give up their memory earlier, 99 %% of hits stay");
}

void ms_judge_long_ttl(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_counts *counts = &findings->counts;
    const double unread = ms_share(counts->expired_unread, counts->expirations);
    const struct bound now = bound_in_force(&findings->settings);

    if (!counts->unread_is_known || counts->expirations < MS_ENOUGH_COUNTED || unread < 0.5)
        return;
    const int64_t reused = (int64_t)ms_spread_below(&findings->pattern.reuse_ages, 0.99);
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TTL_TOO_LONG, MS_ADVICE_SUGGESTION, "");
    MS_SAY(advice->what, "Most entries that expire were never read.");
    MS_SAY(advice->evidence,
           "%" PRIu64 " of %" PRIu64 " expired entries, %.1f %%, had not been read",
           counts->expired_unread, counts->expirations, ms_percent(unread));
    if (reused != 0)
        MS_SAY_ALSO(advice->evidence,
                    "; 99 %% of reads of a key come within %.0f s of the one before",
                    (double)reused / 1e3);
    if (reused != 0 && rounded(reused) < now.value) {
        advise_shorter(&findings->settings, reused, advice);
    } else if (findings->settings.sample_ratio == 0) {
        advice->setting = "monitoring.access_sample_ratio";
        MS_SAY(advice->current, "0");
        MS_SAY(advice->suggested, "0.01");
        MS_SAY(advice->expected,
               "after which time keys are read again, and so which TTL is enough");
    } else {
        MS_SAY(advice->expected, "%s",
               now.setting[0] == '\0' && reused != 0
                   ? "unread entries give up their memory earlier, with a shorter TTL where one is "
                     "given with them"
                   : "room for others, if what nobody reads need not be stored");
    }
}

/* Advise a TTL that is long enough, within its bounds, or else a higher bound. */
static void advise_longer(const struct bound *now, int64_t enough, struct ms_advice *advice)
{
    if (now->most == now->value && now->most != 0) {
        say_change(advice, now->bounded_by, now->most, rounded(enough));
        MS_SAY_ALSO(advice->expected, "; %s may be as long then", now->setting);
        return;
    }
    say_change(advice, now->setting, now->value,
               now->most != 0 && now->most < rounded(enough) ? now->most : rounded(enough));
}

void ms_judge_short_ttl(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const struct bound now = bound_in_force(&findings->settings);

    if (!ms_findings_are_enough(findings) || pattern->references == 0)
        return;
    const double late = pattern->late.total / (double)pattern->references;
    if (late < 0.05)
        return;
    const int64_t most = (int64_t)ms_spread_below(&pattern->late, 0.9);
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TTL_TOO_SHORT, MS_ADVICE_SUGGESTION, "");
    MS_SAY(advice->what, "Keys are read again soon after they have expired.");
    MS_SAY(advice->evidence,
           "%.1f %% of reads missed because the entry had expired, 90 %% of these within %.0f s",
           ms_percent(late), (double)most / 1e3);
    MS_SAY(advice->expected, "up to %.1f points fewer misses, if values may be so old%s",
           ms_percent(0.9 * late),
           now.setting[0] == '\0' ? ", with a longer TTL where one is given with them" : "");
    if (now.setting[0] != '\0')
        advise_longer(&now, now.value + most, advice);
}

void ms_judge_jitter(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_entries *entries = &findings->entries;

    if (entries->expiring < MS_ENOUGH_COUNTED || entries->burst_share < 0.25 ||
        findings->settings.ttl_jitter != 0)
        return;
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TTL_JITTER, MS_ADVICE_SUGGESTION, "ttl.jitter");
    MS_SAY(advice->what, "Many entries expire at one moment, and will be loaded at one moment.");
    MS_SAY(advice->evidence,
           "%.1f %% of %" PRIu64 " entries that expire do so within %" PRId64 " ms",
           ms_percent(entries->burst_share), entries->expiring, entries->burst_ms);
    MS_SAY(advice->current, "0");
    MS_SAY(advice->suggested, "10");
    MS_SAY(advice->expected, "they expire spread over the last tenth of their TTL");
}
