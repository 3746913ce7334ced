/* SPDX-License-Identifier: Apache-2.0 */
/* Advice about the memory limit. */
#include "advice/judging.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* hard_max_cache_size is given in these. */
#define MIB (UINT64_C(1) << 20)

static uint64_t unit_of(uint64_t bytes)
{
    return bytes >= 100000000 ? 1000000 : bytes >= 100000 ? 1000 : 1;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* A size as performance.memory_limit takes it. */
static void say_size(char *out, size_t cap, uint64_t bytes)
{
    const uint64_t unit = bytes % unit_of(bytes) == 0 ? unit_of(bytes) : 1;

    snprintf(out, cap, "%" PRIu64 "%s", bytes / unit,
             unit == 1000000 ? "MB"
             : unit == 1000  ? "kB"
                             : "");
}

/* The size that a setting is advised for `bytes`: a little more, but not more than `most`, unless that is
 * less. */
static uint64_t rounded(uint64_t bytes, uint64_t most)
{
    const uint64_t more = round_up(bytes, unit_of(bytes));

    return more > most && bytes <= most ? bytes : more;
}

/* Whether the limit in force is the one configured, which alone can be judged by what it brings. */
static bool is_whole(const struct ms_findings *findings)
{
    return findings->settings.limit >= findings->settings.configured_limit;
}

/* What misses there are with the limit, and with another size. */
static void say_misses(const struct ms_findings_pattern *pattern, const struct ms_point *other,
                       struct ms_advice *advice)
{
    const struct ms_point *now = &pattern->points[pattern->at_limit];

    MS_SAY(advice->evidence,
           "by the reuse distances of %" PRIu64
           " references, %.1f %% of reads miss with %.1f MB and "
           "%.1f %% with %.1f MB",
           pattern->sampled_reads, ms_percent(now->miss_ratio), (double)now->bytes / 1e6,
           ms_percent(other->miss_ratio), (double)other->bytes / 1e6);
}

/* The least of the larger sizes that brings most of what the largest does, of those up to `bytes`. */
static const struct ms_point *least_growth(const struct ms_findings_pattern *pattern,
                                           uint64_t bytes)
{
    const struct ms_point *now = &pattern->points[pattern->at_limit];
    const struct ms_point *last = &pattern->points[pattern->point_count - 1];

    while (last > now && last->bytes > bytes)
        last--;
    const double most = now->miss_ratio - last->miss_ratio;

    for (const struct ms_point *point = now + 1; point <= last; point++) {
        if (now->miss_ratio - point->miss_ratio >= 0.8 * most)
            return point;
    }
    return last;
}

static double saved_by(const struct ms_findings_pattern *pattern, const struct ms_point *point)
{
    return pattern->points[pattern->at_limit].miss_ratio - point->miss_ratio;
}

/* What the store grows to while it is open, where that is worth it. */
static const struct ms_point *worth_growing_to(const struct ms_findings *findings)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const struct ms_point *point = least_growth(pattern, findings->settings.largest_limit);

    return saved_by(pattern, point) >= MS_WORTH ? point : least_growth(pattern, UINT64_MAX);
}

/* Name the setting that bounds the limit, with a value for so many bytes, which is returned. */
static uint64_t name_bound(const struct ms_findings_settings *settings, uint64_t bytes,
                           struct ms_advice *advice)
{
    if (settings->hard_max == 0 ||
        (settings->memory_limit != 0 && settings->memory_limit <= settings->hard_max)) {
        const uint64_t size = rounded(bytes, settings->largest_limit);

        say_size(advice->current, sizeof advice->current, settings->memory_limit);
        say_size(advice->suggested, sizeof advice->suggested, size);
        return size;
    }
    uint64_t size = round_up(bytes, MIB);
    if (size > settings->largest_limit && settings->largest_limit >= settings->hard_max + MIB &&
        bytes <= settings->largest_limit)
        size -= MIB;
    advice->setting = "hard_max_cache_size";
    MS_SAY(advice->current, "%" PRIu64, settings->hard_max / MIB);
    MS_SAY(advice->suggested, "%" PRIu64, size / MIB);
    return size;
}

/* The other setting that bounds the limit, where it is below `size`; "" = it is not. */
static const char *lower_bound_than(const struct ms_findings_settings *settings, uint64_t size,
                                    const char *setting)
{
    const bool is_hard = strcmp(setting, "hard_max_cache_size") == 0;
    const uint64_t other = is_hard ? settings->memory_limit : settings->hard_max;

    if (other == 0 || other >= size)
        return "";
    return is_hard ? "performance.memory_limit" : "hard_max_cache_size";
}

void ms_judge_more_memory(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;

    if (!ms_findings_are_enough(findings) || !is_whole(findings) ||
        findings->counts.evictions == 0 || pattern->point_count == 0)
        return;
    const struct ms_point *better = worth_growing_to(findings);
    const double saved = saved_by(pattern, better);

    if (saved < MS_WORTH)
        return;
    struct ms_advice *advice = ms_advice_add(list, MS_ADVICE_MORE_MEMORY, MS_ADVICE_SUGGESTION,
                                             "performance.memory_limit");
    MS_SAY(advice->what, "More memory would save misses.");
    say_misses(pattern, better, advice);
    const uint64_t size = name_bound(&findings->settings, better->bytes, advice);
    const char *other = lower_bound_than(&findings->settings, size, advice->setting);
    MS_SAY(advice->expected, "%.1f points fewer misses%s%s%s%s", ms_percent(saved),
           other[0] != '\0' ? ", with " : "", other, other[0] != '\0' ? " as high" : "",
           size > findings->settings.largest_limit ? ", from when the store is opened with it"
                                                   : "");
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
    say_misses(pattern, enough, advice);
    say_size(advice->current, sizeof advice->current, findings->settings.memory_limit);
    say_size(advice->suggested, sizeof advice->suggested, rounded(enough->bytes, UINT64_MAX));
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
    say_size(advice->current, sizeof advice->current, settings->memory_limit);
    say_size(advice->suggested, sizeof advice->suggested,
             rounded(settings->limit, settings->configured_limit));
    MS_SAY(advice->expected,
           "a limit that stays; what is configured needs %.1f MB more for the "
           "process or the machine",
           (double)(settings->configured_limit - settings->limit) / 1e6);
}
