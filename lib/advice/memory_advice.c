/* SPDX-License-Identifier: Apache-2.0 */
/* Advice about the memory limit. */
#include "advice/judging.h"

#include <inttypes.h>
#include <stdio.h>

/* A size as a setting takes it, a little rounded up. */
static void say_size(char *out, size_t cap, uint64_t bytes)
{
    if (bytes >= 100000000)
        snprintf(out, cap, "%" PRIu64 "MB", (bytes + 999999) / 1000000);
    else if (bytes >= 100000)
        snprintf(out, cap, "%" PRIu64 "kB", (bytes + 999) / 1000);
    else
        snprintf(out, cap, "%" PRIu64, bytes);
}

/* Whether the limit in force is the one configured, which alone can be judged by what it brings. */
static bool is_whole(const struct ms_findings *findings)
{
    return findings->settings.limit >= findings->settings.configured_limit;
}

/* The least of the larger sizes that brings most of what the largest does. */
static const struct ms_point *worth_growing_to(const struct ms_findings_pattern *pattern)
{
    const struct ms_point *now = &pattern->points[pattern->at_limit];
    const struct ms_point *last = &pattern->points[pattern->point_count - 1];
    const double most = now->miss_ratio - last->miss_ratio;

    for (const struct ms_point *point = now + 1; point <= last; point++) {
        if (now->miss_ratio - point->miss_ratio >= 0.8 * most)
            return point;
    }
    return last;
}

void ms_judge_more_memory(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;

    if (!ms_findings_are_enough(findings) || !is_whole(findings) ||
        findings->counts.evictions == 0 || pattern->point_count == 0)
        return;
    const struct ms_point *now = &pattern->points[pattern->at_limit];
    const struct ms_point *better = worth_growing_to(pattern);
    const double saved = now->miss_ratio - better->miss_ratio;

    if (saved < MS_WORTH)
        return;
    struct ms_advice *advice = ms_advice_add(list, MS_ADVICE_MORE_MEMORY, MS_ADVICE_SUGGESTION,
                                             "performance.memory_limit");
    MS_SAY(advice->what, "More memory would save misses.");
    MS_SAY(advice->evidence,
           "by the reuse distances of %" PRIu64
           " references, %.1f %% of reads miss with %.1f MB and "
           "%.1f %% with %.1f MB",
           pattern->sampled, ms_percent(now->miss_ratio), (double)now->bytes / 1e6,
           ms_percent(better->miss_ratio), (double)better->bytes / 1e6);
    say_size(advice->current, sizeof advice->current, findings->settings.limit);
    say_size(advice->suggested, sizeof advice->suggested, better->bytes);
    MS_SAY(advice->expected, "%.1f points fewer misses", ms_percent(saved));
}

/* The least size that the store can have and that misses no more than the limit does. */
static const struct ms_point *enough_of(const struct ms_findings_pattern *pattern,
                                        uint64_t least_limit)
{
    const struct ms_point *now = &pattern->points[pattern->at_limit];

    for (const struct ms_point *point = pattern->points; point < now; point++) {
        if (point->bytes >= least_limit && point->miss_ratio - now->miss_ratio < MS_NO_LOSS)
            return point;
    }
    return now;
}

void ms_judge_less_memory(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;

    if (!ms_findings_are_enough(findings) || !is_whole(findings) || pattern->point_count == 0)
        return;
    const struct ms_point *now = &pattern->points[pattern->at_limit];
    const struct ms_point *enough = enough_of(pattern, findings->settings.least_limit);

    if (enough->bytes * 2 > now->bytes)
        return;
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_LESS_MEMORY, MS_ADVICE_INFO, "performance.memory_limit");
    MS_SAY(advice->what, "Less memory would do.");
    MS_SAY(advice->evidence,
           "by the reuse distances of %" PRIu64
           " references, %.1f %% of reads miss with %.1f MB and "
           "%.1f %% with %.1f MB",
           pattern->sampled, ms_percent(now->miss_ratio), (double)now->bytes / 1e6,
           ms_percent(enough->miss_ratio), (double)enough->bytes / 1e6);
    say_size(advice->current, sizeof advice->current, findings->settings.limit);
    say_size(advice->suggested, sizeof advice->suggested, enough->bytes);
    MS_SAY(advice->expected, "%.1f MB free for others at %.1f points more misses",
           (double)(now->bytes - enough->bytes) / 1e6,
           ms_percent(enough->miss_ratio - now->miss_ratio));
}

void ms_judge_memory_pressure(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_settings *settings = &findings->settings;

    if (is_whole(findings))
        return;
    struct ms_advice *advice = ms_advice_add(list, MS_ADVICE_MEMORY_PRESSURE, MS_ADVICE_WARNING,
                                             "performance.memory_limit");
    MS_SAY(advice->what, "Memory is short, and the limit is lowered.");
    MS_SAY(advice->evidence,
           "%.1f MB of %.1f MB configured are in force; the limit was lowered %" PRIu64 " times",
           (double)settings->limit / 1e6, (double)settings->configured_limit / 1e6,
           findings->counts.limit_lowered);
    say_size(advice->current, sizeof advice->current, settings->configured_limit);
    say_size(advice->suggested, sizeof advice->suggested, settings->limit);
    MS_SAY(advice->expected,
           "a limit that stays; what is configured needs %.1f MB more for the "
           "process or the machine",
           (double)(settings->configured_limit - settings->limit) / 1e6);
}
