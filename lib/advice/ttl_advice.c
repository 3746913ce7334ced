/* SPDX-License-Identifier: Apache-2.0 */
/* Advice about TTLs. */
#include "advice/judging.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void say_time(char *out, size_t cap, double ms)
{
    if (ms >= 120e3)
        snprintf(out, cap, "%.0fs", ms / 1e3);
    else
        snprintf(out, cap, "%.0fms", ms);
}

/* The setting that has a say in TTLs, and its value. */
static const char *ttl_setting(const struct ms_findings_settings *settings, int64_t *value)
{
    const bool has_default = settings->default_ttl != 0;

    *value = has_default ? settings->default_ttl : settings->max_ttl;
    return has_default || settings->max_ttl == 0 ? "ttl.default_ttl" : "ttl.max_ttl";
}

void ms_judge_long_ttl(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_counts *counts = &findings->counts;
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const double unread = ms_share(counts->expired_unread, counts->expirations);
    int64_t current;

    if (!counts->unread_is_known || counts->expirations < MS_ENOUGH_COUNTED || unread < 0.5)
        return;
    const char *setting = ttl_setting(&findings->settings, &current);
    const double reused = (double)ms_spread_below(&pattern->reuse_ages, 0.99);
    const bool is_foretold = reused != 0 && (current == 0 || reused < (double)current);
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TTL_TOO_LONG, MS_ADVICE_SUGGESTION,
                      is_foretold ? setting : "monitoring.access_sample_ratio");
    MS_SAY(advice->what, "Most entries that expire were never read.");
    MS_SAY(advice->evidence,
           "%" PRIu64 " of %" PRIu64 " expired entries, %.1f %%, had not been read",
           counts->expired_unread, counts->expirations, ms_percent(unread));
    if (is_foretold) {
        const size_t used = strlen(advice->evidence);

        ms_text_format(advice->evidence + used, sizeof advice->evidence - used,
                       "; 99 %% of reads of a key come within %.0f s of the one before",
                       reused / 1e3);
        say_time(advice->current, sizeof advice->current, (double)current);
        say_time(advice->suggested, sizeof advice->suggested, reused);
        MS_SAY(advice->expected, "unread entries give up their memory earlier, 99 %% of hits stay");
    } else {
        MS_SAY(advice->current, "%g", findings->settings.sample_ratio);
        MS_SAY(advice->suggested, "%g",
               findings->settings.sample_ratio != 0 ? findings->settings.sample_ratio : 0.01);
        MS_SAY(advice->expected,
               "after which time keys are read again, and so which TTL is enough");
    }
}

void ms_judge_short_ttl(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    int64_t current;

    if (!ms_findings_are_enough(findings) || pattern->references == 0)
        return;
    const double late = pattern->late.total / (double)pattern->references;
    if (late < 0.05)
        return;
    const char *setting = ttl_setting(&findings->settings, &current);
    const double ttl =
        current != 0 ? (double)current : (double)ms_spread_below(&pattern->ttls, 0.5);
    const double most = (double)ms_spread_below(&pattern->late, 0.9);
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TTL_TOO_SHORT, MS_ADVICE_SUGGESTION, setting);
    MS_SAY(advice->what, "Keys are read again soon after they have expired.");
    MS_SAY(advice->evidence,
           "%.1f %% of reads missed because the entry had expired, 90 %% of these within %.0f s",
           ms_percent(late), most / 1e3);
    say_time(advice->current, sizeof advice->current, (double)current);
    say_time(advice->suggested, sizeof advice->suggested, ttl + most);
    MS_SAY(advice->expected, "up to %.1f points fewer misses, if values may be so old",
           ms_percent(0.9 * late));
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
