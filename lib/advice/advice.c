/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/advice.h"

#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What less than this is not worth a change: a point is a hundredth of the reads. */
#define WORTH 0.02
#define NO_LOSS 0.005
/* Fewer references say too little. */
#define ENOUGH_SAMPLED 1000
#define ENOUGH_COUNTED 100

const char *ms_advice_name(enum ms_advice_kind kind)
{
    static const char *const names[] = {
        [MS_ADVICE_TRACKING] = "tracking",
        [MS_ADVICE_MORE_MEMORY] = "more_memory",
        [MS_ADVICE_LESS_MEMORY] = "less_memory",
        [MS_ADVICE_EVICTION] = "eviction",
        [MS_ADVICE_TTL_TOO_LONG] = "ttl_too_long",
        [MS_ADVICE_TTL_TOO_SHORT] = "ttl_too_short",
        [MS_ADVICE_TTL_JITTER] = "ttl_jitter",
        [MS_ADVICE_HOT_KEYS] = "hot_keys",
        [MS_ADVICE_READ_ONCE] = "read_once",
        [MS_ADVICE_LARGE_ENTRIES] = "large_entries",
        [MS_ADVICE_SHARDS] = "shards",
        [MS_ADVICE_REFUSED] = "refused",
        [MS_ADVICE_MEMORY_PRESSURE] = "memory_pressure",
    };

    return names[kind];
}

const char *ms_advice_severity_name(enum ms_advice_severity severity)
{
    static const char *const names[] = {"info", "suggestion", "warning"};

    return names[severity];
}

const char *ms_findings_policy_name(enum ms_mini_policy policy)
{
    static const char *const names[MS_MINI_POLICIES] = {"lru", "fifo", "s3fifo", "adaptive"};

    return names[policy];
}

/* ---- Writing ---- */

static struct ms_advice *add(struct ms_advice_list *list, enum ms_advice_kind kind,
                             enum ms_advice_severity severity, const char *setting)
{
    struct ms_advice *advice = &list->items[list->count++];

    *advice = (struct ms_advice){.kind = kind, .severity = severity, .setting = setting};
    return advice;
}

#define SAY(member, ...) ms_text_format(member, sizeof(member), __VA_ARGS__)

static double percent(double share)
{
    return 100 * share;
}

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

static void say_time(char *out, size_t cap, double ms)
{
    if (ms >= 120e3)
        snprintf(out, cap, "%.0fs", ms / 1e3);
    else
        snprintf(out, cap, "%.0fms", ms);
}

/* ---- Memory ---- */

static bool is_enough(const struct ms_findings *findings)
{
    return findings->pattern.is_tracked && findings->pattern.sampled >= ENOUGH_SAMPLED;
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

static void judge_more_memory(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;

    if (!is_enough(findings) || !is_whole(findings) || findings->counts.evictions == 0 ||
        pattern->point_count == 0)
        return;
    const struct ms_point *now = &pattern->points[pattern->at_limit];
    const struct ms_point *better = worth_growing_to(pattern);
    const double saved = now->miss_ratio - better->miss_ratio;

    if (saved < WORTH)
        return;
    struct ms_advice *advice =
        add(list, MS_ADVICE_MORE_MEMORY, MS_ADVICE_SUGGESTION, "performance.memory_limit");
    SAY(advice->what, "More memory would save misses.");
    SAY(advice->evidence,
        "by the reuse distances of %" PRIu64 " references, %.1f %% of reads miss with %.1f MB and "
        "%.1f %% with %.1f MB",
        pattern->sampled, percent(now->miss_ratio), (double)now->bytes / 1e6,
        percent(better->miss_ratio), (double)better->bytes / 1e6);
    say_size(advice->current, sizeof advice->current, findings->settings.limit);
    say_size(advice->suggested, sizeof advice->suggested, better->bytes);
    SAY(advice->expected, "%.1f points fewer misses", percent(saved));
}

/* The least size that the store can have and that misses no more than the limit does. */
static const struct ms_point *enough_of(const struct ms_findings_pattern *pattern,
                                        uint64_t least_limit)
{
    const struct ms_point *now = &pattern->points[pattern->at_limit];

    for (const struct ms_point *point = pattern->points; point < now; point++) {
        if (point->bytes >= least_limit && point->miss_ratio - now->miss_ratio < NO_LOSS)
            return point;
    }
    return now;
}

static void judge_less_memory(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;

    if (!is_enough(findings) || !is_whole(findings) || pattern->point_count == 0)
        return;
    const struct ms_point *now = &pattern->points[pattern->at_limit];
    const struct ms_point *enough = enough_of(pattern, findings->settings.least_limit);

    if (enough->bytes * 2 > now->bytes)
        return;
    struct ms_advice *advice =
        add(list, MS_ADVICE_LESS_MEMORY, MS_ADVICE_INFO, "performance.memory_limit");
    SAY(advice->what, "Less memory would do.");
    SAY(advice->evidence,
        "by the reuse distances of %" PRIu64 " references, %.1f %% of reads miss with %.1f MB and "
        "%.1f %% with %.1f MB",
        pattern->sampled, percent(now->miss_ratio), (double)now->bytes / 1e6,
        percent(enough->miss_ratio), (double)enough->bytes / 1e6);
    say_size(advice->current, sizeof advice->current, findings->settings.limit);
    say_size(advice->suggested, sizeof advice->suggested, enough->bytes);
    SAY(advice->expected, "%.1f MB free for others at %.1f points more misses",
        (double)(now->bytes - enough->bytes) / 1e6, percent(enough->miss_ratio - now->miss_ratio));
}

static void judge_memory_pressure(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_settings *settings = &findings->settings;

    if (is_whole(findings))
        return;
    struct ms_advice *advice =
        add(list, MS_ADVICE_MEMORY_PRESSURE, MS_ADVICE_WARNING, "performance.memory_limit");
    SAY(advice->what, "Memory is short, and the limit is lowered.");
    SAY(advice->evidence,
        "%.1f MB of %.1f MB configured are in force; the limit was lowered %" PRIu64 " times",
        (double)settings->limit / 1e6, (double)settings->configured_limit / 1e6,
        findings->counts.limit_lowered);
    say_size(advice->current, sizeof advice->current, settings->configured_limit);
    say_size(advice->suggested, sizeof advice->suggested, settings->limit);
    SAY(advice->expected,
        "a limit that stays; what is configured needs %.1f MB more for the "
        "process or the machine",
        (double)(settings->configured_limit - settings->limit) / 1e6);
}

/* ---- Eviction ---- */

/* The miniature of the policy there is, or MS_MINI_POLICIES: it has none. */
static int own_miniature(const struct ms_findings *findings)
{
    int i = 0;

    while (i < MS_MINI_POLICIES && strcmp(findings->settings.eviction,
                                          ms_findings_policy_name((enum ms_mini_policy)i)) != 0)
        i++;
    return i;
}

/* The policy whose miniature misses least; adaptive where it misses little more, since it goes on
 * adapting. */
static int best_policy(const struct ms_findings_pattern *pattern)
{
    int best = MS_MINI_ADAPTIVE;

    for (int i = 0; i < MS_MINI_POLICIES; i++) {
        if (pattern->policies[i] < pattern->policies[best])
            best = i;
    }
    return pattern->policies[MS_MINI_ADAPTIVE] - pattern->policies[best] < NO_LOSS
               ? MS_MINI_ADAPTIVE
               : best;
}

static void judge_eviction(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const int own = own_miniature(findings), best = best_policy(pattern);
    const bool is_simulated = own < MS_MINI_POLICIES;
    const double now = is_simulated ? pattern->policies[own] : pattern->miss_ratio;
    const double saved = now - pattern->policies[best];

    /* What is found out by other means than a miniature has to differ more. */
    if (!is_enough(findings) || findings->counts.evictions == 0 ||
        saved < (is_simulated ? WORTH : 2 * WORTH))
        return;
    char seen[64]; /* not simulated */
    SAY(seen, "; %s misses %.1f %%", findings->settings.eviction, percent(now));
    struct ms_advice *advice = add(list, MS_ADVICE_EVICTION, MS_ADVICE_SUGGESTION, "eviction");
    SAY(advice->what, "Another eviction policy would save misses.");
    SAY(advice->evidence,
        "by simulations of %" PRIu64 " references, lru misses %.1f %%, fifo %.1f %%, s3fifo %.1f "
        "%%, adaptive %.1f %%%s",
        pattern->sampled, percent(pattern->policies[MS_MINI_LRU]),
        percent(pattern->policies[MS_MINI_FIFO]), percent(pattern->policies[MS_MINI_S3FIFO]),
        percent(pattern->policies[MS_MINI_ADAPTIVE]), is_simulated ? "" : seen);
    SAY(advice->current, "%s", findings->settings.eviction);
    SAY(advice->suggested, "%s", ms_findings_policy_name((enum ms_mini_policy)best));
    SAY(advice->expected, "%.1f points fewer misses, from when the store is opened with it",
        percent(saved));
}

static void judge_read_once(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const bool keeps_all = strcmp(findings->settings.eviction, "lru") == 0 ||
                           strcmp(findings->settings.eviction, "fifo") == 0;

    if (!is_enough(findings) || !keeps_all || pattern->read_once < 0.6 ||
        findings->counts.evictions == 0)
        return;
    struct ms_advice *advice = add(list, MS_ADVICE_READ_ONCE, MS_ADVICE_SUGGESTION, "eviction");
    SAY(advice->what, "Most keys are read once at most, and %s keeps each as long as the others.",
        findings->settings.eviction);
    SAY(advice->evidence, "%.1f %% of %u keys followed were read once at most",
        percent(pattern->read_once), pattern->followed);
    SAY(advice->current, "%s", findings->settings.eviction);
    SAY(advice->suggested, "adaptive");
    SAY(advice->expected, "what is read once leaves after a twentieth of the memory");
}

/* ---- Times ---- */

static double share(uint64_t part, uint64_t all)
{
    return all != 0 ? (double)part / (double)all : 0;
}

/* The setting that has a say in TTLs, and its value. */
static const char *ttl_setting(const struct ms_findings_settings *settings, int64_t *value)
{
    const bool has_default = settings->default_ttl != 0;

    *value = has_default ? settings->default_ttl : settings->max_ttl;
    return has_default || settings->max_ttl == 0 ? "ttl.default_ttl" : "ttl.max_ttl";
}

static void judge_long_ttl(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_counts *counts = &findings->counts;
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const double unread = share(counts->expired_unread, counts->expirations);
    int64_t current;

    if (!counts->unread_is_known || counts->expirations < ENOUGH_COUNTED || unread < 0.5)
        return;
    const char *setting = ttl_setting(&findings->settings, &current);
    const double reused = (double)ms_spread_below(&pattern->reuse_ages, 0.99);
    const bool is_foretold = reused != 0 && (current == 0 || reused < (double)current);
    struct ms_advice *advice = add(list, MS_ADVICE_TTL_TOO_LONG, MS_ADVICE_SUGGESTION,
                                   is_foretold ? setting : "monitoring.access_sample_ratio");
    SAY(advice->what, "Most entries that expire were never read.");
    SAY(advice->evidence, "%" PRIu64 " of %" PRIu64 " expired entries, %.1f %%, had not been read",
        counts->expired_unread, counts->expirations, percent(unread));
    if (is_foretold) {
        const size_t used = strlen(advice->evidence);

        ms_text_format(advice->evidence + used, sizeof advice->evidence - used,
                       "; 99 %% of reads of a key come within %.0f s of the one before",
                       reused / 1e3);
        say_time(advice->current, sizeof advice->current, (double)current);
        say_time(advice->suggested, sizeof advice->suggested, reused);
        SAY(advice->expected, "unread entries give up their memory earlier, 99 %% of hits stay");
    } else {
        SAY(advice->current, "%g", findings->settings.sample_ratio);
        SAY(advice->suggested, "%g",
            findings->settings.sample_ratio != 0 ? findings->settings.sample_ratio : 0.01);
        SAY(advice->expected, "after which time keys are read again, and so which TTL is enough");
    }
}

static void judge_short_ttl(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    int64_t current;

    if (!is_enough(findings) || pattern->references == 0)
        return;
    const double late = pattern->late.total / (double)pattern->references;
    if (late < 0.05)
        return;
    const char *setting = ttl_setting(&findings->settings, &current);
    const double ttl =
        current != 0 ? (double)current : (double)ms_spread_below(&pattern->ttls, 0.5);
    const double most = (double)ms_spread_below(&pattern->late, 0.9);
    struct ms_advice *advice = add(list, MS_ADVICE_TTL_TOO_SHORT, MS_ADVICE_SUGGESTION, setting);
    SAY(advice->what, "Keys are read again soon after they have expired.");
    SAY(advice->evidence,
        "%.1f %% of reads missed because the entry had expired, 90 %% of these within %.0f s",
        percent(late), most / 1e3);
    say_time(advice->current, sizeof advice->current, (double)current);
    say_time(advice->suggested, sizeof advice->suggested, ttl + most);
    SAY(advice->expected, "up to %.1f points fewer misses, if values may be so old",
        percent(0.9 * late));
}

static void judge_jitter(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_entries *entries = &findings->entries;

    if (entries->expiring < ENOUGH_COUNTED || entries->burst_share < 0.25 ||
        findings->settings.ttl_jitter != 0)
        return;
    struct ms_advice *advice = add(list, MS_ADVICE_TTL_JITTER, MS_ADVICE_SUGGESTION, "ttl.jitter");
    SAY(advice->what, "Many entries expire at one moment, and will be loaded at one moment.");
    SAY(advice->evidence, "%.1f %% of %" PRIu64 " entries that expire do so within %" PRId64 " ms",
        percent(entries->burst_share), entries->expiring, entries->burst_ms);
    SAY(advice->current, "0");
    SAY(advice->suggested, "10");
    SAY(advice->expected, "they expire spread over the last tenth of their TTL");
}

/* ---- Keys, sizes, shards ---- */

static double hot_share(const struct ms_findings_pattern *pattern, uint32_t i)
{
    return share(pattern->hot[i].count - pattern->hot[i].error, pattern->hot_noted);
}

static void judge_hot_keys(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    double sum = 0;
    uint32_t count = 0;

    if (pattern->hot_noted < ENOUGH_COUNTED)
        return;
    for (; count < pattern->hot_count && hot_share(pattern, count) >= 0.05; count++)
        sum += hot_share(pattern, count);
    if (count == 0)
        return;
    struct ms_advice *advice =
        add(list, MS_ADVICE_HOT_KEYS, sum >= 0.5 ? MS_ADVICE_WARNING : MS_ADVICE_INFO, "");
    SAY(advice->what, "Few keys get much of the reads.");
    SAY(advice->evidence,
        "%u key%s get%s %.1f %% of reads, by %" PRIu64
        " reads taken at random, less %.1f points at "
        "most",
        count, count == 1 ? "" : "s", count == 1 ? "s" : "", percent(sum), pattern->hot_noted,
        percent(1.0 / MS_HOT_KEYS));
    SAY(advice->expected,
        "a view that the caller keeps (memstore_get_view) saves the lookups; loader.refresh_after "
        "keeps them from running out at once");
}

/* Entries of 2^bucket bytes and more, as parts of all. */
struct large {
    double entries, bytes, hits;
};

static struct large large_from(const struct ms_findings *findings, uint32_t bucket)
{
    const struct ms_spread *sizes = &findings->entries.sizes;
    const struct ms_spread *hits = &findings->pattern.hit_sizes;
    struct large large = {0};
    double bytes = 0;

    for (uint32_t i = 0; i < MS_SPREAD_BUCKETS; i++) {
        bytes += sizes->sums[i];
        if (i > bucket) {
            large.entries += sizes->counts[i] / sizes->total;
            large.bytes += sizes->sums[i];
            large.hits += hits->counts[i] / hits->total;
        }
    }
    large.bytes = bytes > 0 ? large.bytes / bytes : 0;
    return large;
}

static void judge_sizes(const struct ms_findings *findings, struct ms_advice_list *list)
{
    if (!is_enough(findings) || findings->entries.sizes.total < ENOUGH_COUNTED ||
        findings->pattern.hit_sizes.total <= 0 || findings->counts.evictions == 0)
        return;
    for (uint32_t bucket = 8; bucket < 40; bucket++) {
        const struct large large = large_from(findings, bucket);

        if (large.bytes < 0.3 || large.entries > 0.2 || large.hits > 0.02)
            continue;
        struct ms_advice *advice =
            add(list, MS_ADVICE_LARGE_ENTRIES, MS_ADVICE_SUGGESTION, "max_entry_size");
        SAY(advice->what, "Large entries take memory and are hardly read.");
        SAY(advice->evidence,
            "entries of %" PRIu64
            " bytes and more are %.1f %% of the entries, %.1f %% of the bytes "
            "and %.1f %% of the hits",
            UINT64_C(1) << bucket, percent(large.entries), percent(large.bytes),
            percent(large.hits));
        SAY(advice->current, "%" PRIu64, findings->settings.max_entry_size);
        SAY(advice->suggested, "%" PRIu64, UINT64_C(1) << bucket);
        SAY(advice->expected, "%.1f %% of the memory for the others", percent(large.bytes));
        return;
    }
}

static void judge_shards(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_entries *entries = &findings->entries;
    const double mean = share(entries->all_in_shards, entries->shards);
    const double most = (double)entries->fullest_shard;

    /* By chance a shard exceeds the mean by a few times its square root, which (most - mean)^2 >
     * 100 mean is far beyond. */
    if (mean < 1 || most < 2 * mean || (most - mean) * (most - mean) < 100 * mean ||
        strcmp(findings->settings.hash_function, "xxh3") == 0)
        return;
    struct ms_advice *advice = add(list, MS_ADVICE_SHARDS, MS_ADVICE_WARNING, "hash_function");
    SAY(advice->what, "Entries crowd in few shards: many keys have one hash.");
    SAY(advice->evidence,
        "the fullest of %u shards holds %" PRIu64 " entries, which is %.1f times the mean of %.1f",
        entries->shards, entries->fullest_shard, most / mean, mean);
    SAY(advice->current, "%s", findings->settings.hash_function);
    SAY(advice->suggested, "xxh3");
    SAY(advice->expected, "shards of equal size, from when the store is opened with it");
}

static void judge_refusals(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_counts *counts = &findings->counts;
    const double refused = share(counts->rejected_full, counts->rejected_full + counts->sets);

    if (counts->rejected_full == 0 || refused < 0.001)
        return;
    struct ms_advice *advice = add(list, MS_ADVICE_REFUSED, MS_ADVICE_WARNING, "eviction");
    SAY(advice->what, "Writes are refused because the store is full and evicts nothing.");
    SAY(advice->evidence, "%" PRIu64 " writes were refused, %.1f %% of all", counts->rejected_full,
        percent(refused));
    SAY(advice->current, "%s", findings->settings.eviction);
    SAY(advice->suggested, "adaptive");
    SAY(advice->expected, "none are, from when the store is opened with it; a larger "
                          "performance.memory_limit helps for as long as it is not full");
}

/* ---- Following keys ---- */

static void judge_tracking(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const double lost = share(pattern->missed, pattern->missed + pattern->sampled);
    const double ratio = findings->settings.sample_ratio;
    const bool few = pattern->is_tracked && pattern->sampled < ENOUGH_SAMPLED && ratio < 1 &&
                     pattern->references >= 10 * ENOUGH_SAMPLED;

    if (pattern->is_tracked && !few && lost < 0.05)
        return;
    struct ms_advice *advice =
        add(list, MS_ADVICE_TRACKING, MS_ADVICE_INFO, "monitoring.access_sample_ratio");
    SAY(advice->current, "%g", ratio);
    if (!pattern->is_tracked) {
        SAY(advice->what, "Some of the keys have to be followed to tell more.");
        SAY(advice->evidence, "no key is followed");
        SAY(advice->suggested, "0.01");
        SAY(advice->expected, "the miss-ratio curve, hot keys, other policies, TTLs against use");
    } else if (few) {
        const double wanted = pattern->ratio * 2 * ENOUGH_SAMPLED / (double)(pattern->sampled + 1);

        SAY(advice->what, "Too few keys are followed to tell much.");
        SAY(advice->evidence, "%" PRIu64 " of %" PRIu64 " reads are in the sample",
            pattern->sampled, pattern->references);
        SAY(advice->suggested, "%.2g", wanted < 1 ? wanted : 1);
        SAY(advice->expected, "a curve within two points");
    } else {
        SAY(advice->what, "So many keys are followed that not all of it can be digested.");
        SAY(advice->evidence, "%" PRIu64 " references, %.1f %% of the sample, were lost",
            pattern->missed, percent(lost));
        SAY(advice->suggested, "%.2g", ratio / 4);
        SAY(advice->expected, "a sample with less missing");
    }
}

static int compare(const void *a, const void *b)
{
    const struct ms_advice *x = a, *y = b;

    if (x->severity != y->severity)
        return (int)y->severity - (int)x->severity;
    return (int)x->kind - (int)y->kind;
}

void ms_advise(const struct ms_findings *findings, struct ms_advice_list *list)
{
    list->count = 0;
    judge_more_memory(findings, list);
    judge_less_memory(findings, list);
    judge_memory_pressure(findings, list);
    judge_eviction(findings, list);
    judge_read_once(findings, list);
    judge_long_ttl(findings, list);
    judge_short_ttl(findings, list);
    judge_jitter(findings, list);
    judge_hot_keys(findings, list);
    judge_sizes(findings, list);
    judge_shards(findings, list);
    judge_refusals(findings, list);
    judge_tracking(findings, list);
    qsort(list->items, list->count, sizeof *list->items, compare);
}
