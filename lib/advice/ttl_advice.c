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

/* What is to end them earlier. */
static struct bound bound_to_shorten(const struct ms_findings_settings *settings)
{
    return settings->default_ttl != 0 ? ttl_bound(settings) : bound_in_force(settings);
}

static bool is_ttl(const struct bound *bound)
{
    return strcmp(bound->setting, "life_window") != 0;
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
    const struct bound now = bound_in_force(settings), to = bound_to_shorten(settings);

    if (is_ttl(&to) && settings->min_ttl >= now.value) {
        say_change(advice, "ttl.min_ttl", settings->min_ttl, rounded(enough));
        MS_SAY(advice->expected,
               "%s may be as short then, and unread entries give up their memory "
               "earlier",
               to.setting);
        return;
    }
    const int64_t least = is_ttl(&to) ? settings->min_ttl : 0;
    say_change(advice, to.setting, to.value, rounded(enough) > least ? rounded(enough) : least);
    MS_SAY(advice->expected, "unread entries give up their memory earlier, 99 %% of hits stay");
}

/* How old entries are when they are hit, by what ends them: life_window counts from the write also where a TTL
 * begins anew with each read. */
struct hits {
    bool since_read;
    const struct ms_spread *ages;
    int64_t most; /* of 99 % of them; 0 = that is not known */
};

static struct hits hits_of(const struct ms_findings *findings)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const struct bound to = bound_to_shorten(&findings->settings);
    const bool since_read = findings->settings.reads_renew && is_ttl(&to);
    const struct ms_spread *ages = since_read ? &pattern->idle_ages : &pattern->hit_ages;
    const bool enough = ms_findings_are_enough(findings);

    return (struct hits){since_read, ages, enough ? (int64_t)ms_spread_below(ages, 0.99) : 0};
}

static double unknown_share(const struct ms_spread *ages)
{
    double known = 0;

    for (uint32_t i = 0; i < MS_SPREAD_BUCKETS; i++)
        known += ages->counts[i];
    return ages->total > 0 ? 1 - known / ages->total : 0;
}

static void say_hits(const struct ms_findings *findings, const struct hits *hits,
                     struct ms_advice *advice)
{
    char time[32];

    say_time(time, sizeof time, rounded(hits->most));
    if (hits->most != 0)
        MS_SAY_ALSO(advice->evidence, "; 99 %% of hits come within %s of the %s", time,
                    hits->since_read ? "read or write before" : "write");
    else if (ms_findings_are_enough(findings) && hits->ages->total > 0)
        MS_SAY_ALSO(advice->evidence, "; of %.1f %% of hits it is not known how long after the %s",
                    ms_percent(unknown_share(hits->ages)),
                    hits->since_read ? "read or write before" : "write");
}

/* From this share of late reads on TTLs are too short. */
#define MUCH_LATE 0.05

/* The share of reads that missed because the entry had expired. */
static double late_share(const struct ms_findings_pattern *pattern)
{
    return pattern->references != 0 ? pattern->late.total / (double)pattern->references : 0;
}

void ms_judge_long_ttl(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_counts *counts = &findings->counts;
    const double unread = ms_share(counts->expired_unread, counts->expirations);
    const struct bound now = bound_in_force(&findings->settings);

    if (!counts->unread_is_known || counts->expirations < MS_ENOUGH_COUNTED || unread < 0.5)
        return;
    const struct hits hits = hits_of(findings);
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TTL_TOO_LONG, MS_ADVICE_SUGGESTION, "");
    MS_SAY(advice->what, "Most entries that expire were never read.");
    MS_SAY(advice->evidence,
           "%" PRIu64 " of %" PRIu64 " expired entries, %.1f %%, had not been read",
           counts->expired_unread, counts->expirations, ms_percent(unread));
    say_hits(findings, &hits, advice);
    if (hits.most != 0 && rounded(hits.most) < now.value &&
        late_share(&findings->pattern) < MUCH_LATE) {
        advise_shorter(&findings->settings, hits.most, advice);
    } else if (findings->settings.sample_ratio == 0) {
        advice->setting = "monitoring.access_sample_ratio";
        MS_SAY(advice->current, "0");
        MS_SAY(advice->suggested, "0.01");
        MS_SAY(advice->expected,
               "how old entries are when they are read, and so which TTL is enough");
    } else {
        MS_SAY(advice->expected, "%s",
               now.setting[0] == '\0' && hits.most != 0
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
    const double late = late_share(pattern);

    if (!ms_findings_are_enough(findings) || late < MUCH_LATE)
        return;
    const int64_t most = (int64_t)ms_spread_below(&pattern->late, 0.9);
    char time[32];

    say_time(time, sizeof time, rounded(most));
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TTL_TOO_SHORT, MS_ADVICE_SUGGESTION, "");
    MS_SAY(advice->what, "Keys are read again soon after they have expired.");
    MS_SAY(advice->evidence,
           "%.1f %% of reads missed because the entry had expired, 90 %% of these within %s",
           ms_percent(late), time);
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
