/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/report.h"

#include <inttypes.h>

static double percent(double share)
{
    return 100 * share;
}

static void put_advice(struct ms_text *out, const struct ms_advice_list *list)
{
    if (list->count == 0)
        ms_text_put(out, "Nothing to change.\n");
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ms_advice *advice = &list->items[i];

        ms_text_put(out, "[%s] %s\n", ms_advice_severity_name(advice->severity), advice->what);
        ms_text_put(out, "    because   %s\n", advice->evidence);
        if (advice->setting[0] != '\0')
            ms_text_put(out, "    set       %s: %s (is %s)\n", advice->setting, advice->suggested,
                        advice->current);
        ms_text_put(out, "    expect    %s\n", advice->expected);
    }
}

static void put_counts(struct ms_text *out, const struct ms_findings_counts *counts)
{
    ms_text_put(out,
                "\nEntries %" PRIu64 ", hits %" PRIu64 ", misses %" PRIu64 ", expired %" PRIu64
                ", evicted %" PRIu64 "\n",
                counts->entries, counts->hits, counts->misses, counts->expirations,
                counts->evictions);
    if (counts->unread_is_known)
        ms_text_put(out, "Never read: %" PRIu64 " of those expired, %" PRIu64 " of those evicted\n",
                    counts->expired_unread, counts->evicted_unread);
}

static void put_ttls(struct ms_text *out, const struct ms_findings_ttls *ttls)
{
    ms_text_put(out, "\nEntries by TTL, when they were written or moved\n");
    for (uint32_t i = 0; i < ttls->classes; i++) {
        if (ttls->entries[i] == 0)
            continue;
        if (i == 0)
            ms_text_put(out, "  never expire           ");
        else
            ms_text_put(out, "  from %14" PRIu64 " s  ", ttls->from_ms[i] / 1000);
        ms_text_put(out, "%12" PRIu64 "\n", ttls->entries[i]);
    }
}

#define BAR 40

static void put_spread(struct ms_text *out, const char *title, const char *unit,
                       const struct ms_spread *spread)
{
    static const char bar[] = "########################################";

    if (spread->total <= 0)
        return;
    ms_text_put(out, "\n%s\n", title);
    for (uint32_t i = 0; i < MS_SPREAD_BUCKETS; i++) {
        const double part = spread->counts[i] / spread->total;

        if (spread->counts[i] > 0)
            ms_text_put(out, "  below %14" PRIu64 " %-2s  %5.1f %%  %.*s\n", UINT64_C(1) << i, unit,
                        percent(part), (int)(part * BAR + 0.5), bar);
    }
}

static void put_curve(struct ms_text *out, const struct ms_findings_pattern *pattern)
{
    ms_text_put(out, "\nReads that miss, by performance.memory_limit (least recently used)\n");
    for (uint32_t i = 0; i < pattern->point_count; i++) {
        const struct ms_point *point = &pattern->points[i];

        ms_text_put(out, "  %10.1f MB  %5.1f %%%s\n", (double)point->bytes / 1e6,
                    percent(point->miss_ratio), i == pattern->at_limit ? "  the limit now" : "");
    }
    ms_text_put(out,
                "\nReads that miss with the limit now, by policy: lru %.1f %%, fifo %.1f %%, "
                "s3fifo %.1f %%, adaptive %.1f %%; the store %.1f %%\n",
                percent(pattern->policies[MS_MINI_LRU]), percent(pattern->policies[MS_MINI_FIFO]),
                percent(pattern->policies[MS_MINI_S3FIFO]),
                percent(pattern->policies[MS_MINI_ADAPTIVE]), percent(pattern->miss_ratio));
}

/* A key, with what is not printable as \xNN. */
static void put_key(struct ms_text *out, const struct ms_hot_key *key)
{
    const uint32_t kept = key->key_size < MS_HOT_KEY_BYTES ? key->key_size : MS_HOT_KEY_BYTES;

    for (uint32_t i = 0; i < kept; i++) {
        const unsigned char byte = (unsigned char)key->key[i];

        ms_text_put(out, byte >= ' ' && byte < 127 && byte != '\\' ? "%c" : "\\x%02x", byte);
    }
    if (kept < key->key_size)
        ms_text_put(out, "... (%" PRIu32 " bytes)", key->key_size);
}

static void put_hot_keys(struct ms_text *out, const struct ms_findings_pattern *pattern)
{
    if (pattern->hot_count == 0)
        return;
    ms_text_put(out, "\nKeys that are read most, of %" PRIu64 " reads taken at random\n",
                pattern->hot_noted);
    for (uint32_t i = 0; i < pattern->hot_count; i++) {
        const struct ms_hot_key *key = &pattern->hot[i];
        const double all = (double)pattern->hot_noted;

        ms_text_put(out, "  %5.1f %% (at least %.1f)  ", percent((double)key->count / all),
                    percent((double)(key->count - key->error) / all));
        put_key(out, key);
        ms_text_put(out, "\n");
    }
}

static void put_pattern(struct ms_text *out, const struct ms_findings_pattern *pattern)
{
    if (!pattern->is_tracked)
        return;
    ms_text_put(out,
                "\n%" PRIu32 " keys are followed, %.3g %% of all: %" PRIu64 " references, %" PRIu64
                " lost; %.1f %% of the keys were read once at most\n",
                pattern->followed, percent(pattern->ratio), pattern->sampled, pattern->missed,
                percent(pattern->read_once));
    put_curve(out, pattern);
    put_hot_keys(out, pattern);
    put_spread(out, "Time between reads of a key", "ms", &pattern->reuse_ages);
    put_spread(out, "TTLs given", "ms", &pattern->ttls);
    put_spread(out, "Time from an expiry to the read that came too late", "ms", &pattern->late);
    put_spread(out, "Time from the write of an entry that expires to a hit", "ms",
               &pattern->hit_ages);
}

void ms_report_text(const struct ms_findings *findings, const struct ms_advice_list *list,
                    struct ms_text *out)
{
    put_advice(out, list);
    put_counts(out, &findings->counts);
    if (findings->counts.entries != 0)
        put_ttls(out, &findings->ttls);
    put_spread(out, "Sizes of entries", "B", &findings->entries.sizes);
    put_spread(out, "What is left of TTLs", "ms", &findings->entries.ttls);
    put_pattern(out, &findings->pattern);
}
