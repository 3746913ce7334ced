/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/advice.h"

#include "advice/judging.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return pattern->policies[MS_MINI_ADAPTIVE] - pattern->policies[best] < MS_NO_LOSS
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
    if (!ms_findings_are_enough(findings) || findings->counts.evictions == 0 ||
        saved < (is_simulated ? MS_WORTH : 2 * MS_WORTH))
        return;
    char seen[64]; /* not simulated */
    MS_SAY(seen, "; %s misses %.1f %%", findings->settings.eviction, ms_percent(now));
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_EVICTION, MS_ADVICE_SUGGESTION, "eviction");
    MS_SAY(advice->what, "Another eviction policy would save misses.");
    MS_SAY(
        advice->evidence,
        "by simulations of %" PRIu64 " references, lru misses %.1f %%, fifo %.1f %%, s3fifo %.1f "
        "%%, adaptive %.1f %%%s",
        pattern->sampled_reads, ms_percent(pattern->policies[MS_MINI_LRU]),
        ms_percent(pattern->policies[MS_MINI_FIFO]), ms_percent(pattern->policies[MS_MINI_S3FIFO]),
        ms_percent(pattern->policies[MS_MINI_ADAPTIVE]), is_simulated ? "" : seen);
    MS_SAY(advice->current, "%s", findings->settings.eviction);
    MS_SAY(advice->suggested, "%s", ms_findings_policy_name((enum ms_mini_policy)best));
    MS_SAY(advice->expected, "%.1f points fewer misses, from when the store is opened with it",
           ms_percent(saved));
}

static void judge_read_once(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const bool keeps_all = strcmp(findings->settings.eviction, "lru") == 0 ||
                           strcmp(findings->settings.eviction, "fifo") == 0;

    if (!ms_findings_are_enough(findings) || !keeps_all || pattern->read_once < 0.6 ||
        findings->counts.evictions == 0 || best_policy(pattern) != MS_MINI_ADAPTIVE ||
        pattern->policies[MS_MINI_ADAPTIVE] > pattern->policies[own_miniature(findings)])
        return;
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_READ_ONCE, MS_ADVICE_SUGGESTION, "eviction");
    MS_SAY(advice->what,
           "Most keys are read once at most, and %s keeps each as long as the others.",
           findings->settings.eviction);
    MS_SAY(advice->evidence, "%.1f %% of %u keys followed were read once at most",
           ms_percent(pattern->read_once), pattern->followed);
    MS_SAY(advice->current, "%s", findings->settings.eviction);
    MS_SAY(advice->suggested, "adaptive");
    MS_SAY(advice->expected, "what is read once leaves after a twentieth of the memory");
}

/* ---- Keys, sizes, shards ---- */

/* Keys that are sure to get much of the reads, and by how much together: at least, and what may be more. */
struct hot_keys {
    uint32_t count;
    double share, error;
};

static struct hot_keys sum_up_hot(const struct ms_findings_pattern *pattern)
{
    struct hot_keys sum = {0};

    for (uint32_t i = 0; i < pattern->hot_count; i++) {
        const struct ms_hot_key *key = &pattern->hot[i];
        const double share = ms_share(key->count - key->error, pattern->hot_noted);

        if (share < 0.05)
            continue;
        sum.count++;
        sum.share += share;
        sum.error += ms_share(key->error, pattern->hot_noted);
    }
    return sum;
}

static void judge_hot_keys(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const struct hot_keys hot = sum_up_hot(pattern);

    if (pattern->hot_noted < MS_ENOUGH_COUNTED || hot.count == 0)
        return;
    struct ms_advice *advice = ms_advice_add(
        list, MS_ADVICE_HOT_KEYS, hot.share >= 0.5 ? MS_ADVICE_WARNING : MS_ADVICE_INFO, "");
    MS_SAY(advice->what, "Few keys get much of the reads.");
    MS_SAY(advice->evidence,
           "%u key%s get%s %.1f %% of reads or up to %.1f points more, by %" PRIu64
           " reads taken at random",
           hot.count, hot.count == 1 ? "" : "s", hot.count == 1 ? "s" : "", ms_percent(hot.share),
           ms_percent(hot.error), pattern->hot_noted);
    MS_SAY(
        advice->expected,
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
    const uint64_t most = findings->settings.max_entry_size;

    if (!ms_findings_are_enough(findings) || findings->entries.sizes.total < MS_ENOUGH_COUNTED ||
        findings->pattern.hit_sizes.total <= 0 || findings->counts.evictions == 0)
        return;
    for (uint32_t bucket = 8; bucket < 40; bucket++) {
        const struct large large = large_from(findings, bucket);

        if (large.bytes < 0.3 || large.entries > 0.2 || large.hits > 0.02)
            continue;
        /* Those that are there were written before. */
        if (most != 0 && most <= UINT64_C(1) << bucket)
            return;
        struct ms_advice *advice =
            ms_advice_add(list, MS_ADVICE_LARGE_ENTRIES, MS_ADVICE_SUGGESTION, "max_entry_size");
        MS_SAY(advice->what, "Large entries take memory and are hardly read.");
        MS_SAY(advice->evidence,
               "entries of %" PRIu64
               " bytes and more are %.1f %% of the entries, %.1f %% of the bytes "
               "and %.1f %% of the hits",
               UINT64_C(1) << bucket, ms_percent(large.entries), ms_percent(large.bytes),
               ms_percent(large.hits));
        MS_SAY(advice->current, "%" PRIu64, most);
        MS_SAY(advice->suggested, "%" PRIu64, UINT64_C(1) << bucket);
        MS_SAY(advice->expected, "%.1f %% of the memory for the others", ms_percent(large.bytes));
        return;
    }
}

static void judge_shards(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_entries *entries = &findings->entries;
    const double mean = ms_share(entries->all_in_shards, entries->shards);
    const double most = (double)entries->fullest_shard;

    /* By chance a shard exceeds the mean by a few times its square root, which (most - mean)^2 >
     * 100 mean is far beyond. */
    if (mean < 1 || most < 2 * mean || (most - mean) * (most - mean) < 100 * mean ||
        strcmp(findings->settings.hash_function, "xxh3") == 0)
        return;
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_SHARDS, MS_ADVICE_WARNING, "hash_function");
    MS_SAY(advice->what, "Entries crowd in few shards: many keys have one hash.");
    MS_SAY(advice->evidence,
           "the fullest of %u shards holds %" PRIu64
           " entries, which is %.1f times the mean of %.1f",
           entries->shards, entries->fullest_shard, most / mean, mean);
    MS_SAY(advice->current, "%s", findings->settings.hash_function);
    MS_SAY(advice->suggested, "xxh3");
    MS_SAY(advice->expected, "shards of equal size, from when the store is opened with it");
}

static void judge_refusals(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_counts *counts = &findings->counts;
    const double refused = ms_share(counts->rejected_full, counts->rejected_full + counts->sets);

    if (counts->rejected_full == 0 || refused < 0.001)
        return;
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_REFUSED, MS_ADVICE_WARNING, "eviction");
    MS_SAY(advice->what, "Writes are refused because the store is full and evicts nothing.");
    MS_SAY(advice->evidence, "%" PRIu64 " writes were refused, %.1f %% of all",
           counts->rejected_full, ms_percent(refused));
    MS_SAY(advice->current, "%s", findings->settings.eviction);
    MS_SAY(advice->suggested, "adaptive");
    MS_SAY(advice->expected, "none are, from when the store is opened with it; a larger "
                             "performance.memory_limit helps for as long as it is not full");
}

/* ---- Following keys ---- */

/* Ratios are set in these. */
#define MILLION 1000000

/* To two digits, and no less than one millionth. */
static uint32_t millionths_of(double ratio)
{
    double unit = 1;

    while (ratio * MILLION / unit >= 100)
        unit *= 10;
    const uint32_t millionths = (uint32_t)((uint32_t)(ratio * MILLION / unit + 0.5) * unit);
    return millionths != 0 ? millionths : 1;
}

/* As monitoring.access_sample_ratio takes it. */
static void say_ratio(char *out, size_t cap, uint32_t millionths)
{
    int size = snprintf(out, cap, "%u.%06u", millionths / MILLION, millionths % MILLION);

    while (out[size - 1] == '0')
        out[--size] = '\0';
    if (out[size - 1] == '.')
        out[--size] = '\0';
}

static void judge_tracking(const struct ms_findings *findings, struct ms_advice_list *list)
{
    const struct ms_findings_pattern *pattern = &findings->pattern;
    const double lost = ms_share(pattern->missed, pattern->missed + pattern->sampled);
    const double ratio = findings->settings.sample_ratio;
    const double wanted =
        pattern->ratio * 2 * MS_ENOUGH_SAMPLED / (double)(pattern->sampled_reads + 1);
    const uint32_t now = (uint32_t)(ratio * MILLION + 0.5);
    const uint32_t more = millionths_of(wanted < 1 ? wanted : 1), less = millionths_of(ratio / 4);
    const bool few = pattern->is_tracked && pattern->sampled_reads < MS_ENOUGH_SAMPLED &&
                     more > now && pattern->references >= 10 * MS_ENOUGH_SAMPLED;

    if (pattern->is_tracked && !few && (lost < 0.05 || less >= now))
        return;
    struct ms_advice *advice =
        ms_advice_add(list, MS_ADVICE_TRACKING, MS_ADVICE_INFO, "monitoring.access_sample_ratio");
    say_ratio(advice->current, sizeof advice->current, now);
    if (!pattern->is_tracked) {
        MS_SAY(advice->what, "Some of the keys have to be followed to tell more.");
        MS_SAY(advice->evidence, "no key is followed");
        MS_SAY(advice->suggested, "0.01");
        MS_SAY(advice->expected,
               "the miss-ratio curve, hot keys, other policies, TTLs against use");
    } else if (few) {
        MS_SAY(advice->what, "Too few keys are followed to tell much.");
        MS_SAY(advice->evidence, "%" PRIu64 " of %" PRIu64 " reads are in the sample",
               pattern->sampled_reads, pattern->references);
        say_ratio(advice->suggested, sizeof advice->suggested, more);
        MS_SAY(advice->expected, "a curve within two points");
    } else {
        MS_SAY(advice->what, "So many keys are followed that not all of it can be digested.");
        MS_SAY(advice->evidence, "%" PRIu64 " references, %.1f %% of the sample, were lost",
               pattern->missed, ms_percent(lost));
        say_ratio(advice->suggested, sizeof advice->suggested, less);
        MS_SAY(advice->expected, "a sample with less missing");
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
    ms_judge_more_memory(findings, list);
    ms_judge_less_memory(findings, list);
    ms_judge_memory_pressure(findings, list);
    judge_eviction(findings, list);
    judge_read_once(findings, list);
    ms_judge_long_ttl(findings, list);
    ms_judge_short_ttl(findings, list);
    ms_judge_jitter(findings, list);
    judge_hot_keys(findings, list);
    judge_sizes(findings, list);
    judge_shards(findings, list);
    judge_refusals(findings, list);
    judge_tracking(findings, list);
    qsort(list->items, list->count, sizeof *list->items, compare);
}
