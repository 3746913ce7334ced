/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/report.h"

#include <inttypes.h>
#include <string.h>

/* A string in quotes. Each byte is the character of its number. */
static void put_string(struct ms_text *out, const char *bytes, size_t size)
{
    ms_text_put(out, "\"");
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)bytes[i];

        if (byte == '"' || byte == '\\')
            ms_text_put(out, "\\%c", byte);
        else
            ms_text_put(out, byte >= ' ' && byte < 127 ? "%c" : "\\u%04x", byte);
    }
    ms_text_put(out, "\"");
}

static void put_text(struct ms_text *out, const char *name, const char *text)
{
    ms_text_put(out, "\"%s\":", name);
    put_string(out, text, strlen(text));
}

static void put_number(struct ms_text *out, const char *name, uint64_t value)
{
    ms_text_put(out, "\"%s\":%" PRIu64, name, value);
}

static void put_real(struct ms_text *out, const char *name, double value)
{
    ms_text_put(out, "\"%s\":%.6g", name, value);
}

static const char *comma(uint32_t i)
{
    return i == 0 ? "" : ",";
}

static void put_advice(struct ms_text *out, const struct ms_advice *advice)
{
    ms_text_put(out, "{");
    put_number(out, "kind", advice->kind);
    ms_text_put(out, ",");
    put_text(out, "name", ms_advice_name(advice->kind));
    ms_text_put(out, ",");
    put_text(out, "severity", ms_advice_severity_name(advice->severity));
    ms_text_put(out, ",");
    put_text(out, "what", advice->what);
    ms_text_put(out, ",");
    put_text(out, "evidence", advice->evidence);
    ms_text_put(out, ",");
    put_text(out, "setting", advice->setting);
    ms_text_put(out, ",");
    put_text(out, "current", advice->current);
    ms_text_put(out, ",");
    put_text(out, "suggested", advice->suggested);
    ms_text_put(out, ",");
    put_text(out, "expected", advice->expected);
    ms_text_put(out, "}");
}

static void put_spread(struct ms_text *out, const char *name, const struct ms_spread *spread)
{
    uint32_t put = 0;

    ms_text_put(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < MS_SPREAD_BUCKETS; i++) {
        if (spread->counts[i] <= 0)
            continue;
        ms_text_put(out, "%s{\"below\":%" PRIu64 ",\"count\":%.6g,\"bytes\":%.15g}", comma(put++),
                    UINT64_C(1) << i, spread->counts[i], spread->sums[i]);
    }
    ms_text_put(out, "]");
}

static void put_settings(struct ms_text *out, const struct ms_findings_settings *settings)
{
    ms_text_put(out, ",\"settings\":{");
    put_number(out, "memory_limit", settings->limit);
    ms_text_put(out, ",");
    put_number(out, "configured_limit", settings->configured_limit);
    ms_text_put(out, ",");
    put_text(out, "eviction", settings->eviction);
    ms_text_put(out, ",");
    put_text(out, "hash_function", settings->hash_function);
    ms_text_put(out, ",");
    put_real(out, "access_sample_ratio", settings->sample_ratio);
    ms_text_put(out, "}");
}

static void put_counts(struct ms_text *out, const struct ms_findings_counts *counts)
{
    ms_text_put(out,
                ",\"counts\":{\"entries\":%" PRIu64 ",\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
                ",\"sets\":%" PRIu64 ",\"evictions\":%" PRIu64 ",\"expirations\":%" PRIu64,
                counts->entries, counts->hits, counts->misses, counts->sets, counts->evictions,
                counts->expirations);
    if (counts->unread_is_known)
        ms_text_put(out, ",\"expired_unread\":%" PRIu64 ",\"evicted_unread\":%" PRIu64,
                    counts->expired_unread, counts->evicted_unread);
    ms_text_put(out, "}");
}

static void put_entries(struct ms_text *out, const struct ms_findings_entries *entries)
{
    put_spread(out, "sizes", &entries->sizes);
    put_spread(out, "ttls_left", &entries->ttls);
    ms_text_put(out,
                ",\"expiry_burst\":{\"share\":%.6g,\"within_ms\":%" PRId64
                "},\"shards\":{\"count\":%" PRIu32 ",\"entries\":%" PRIu64 ",\"fullest\":%" PRIu64
                "}",
                entries->burst_share, entries->burst_ms, entries->shards, entries->all_in_shards,
                entries->fullest_shard);
}

static void put_ttls(struct ms_text *out, const struct ms_findings_ttls *ttls)
{
    ms_text_put(out, ",\"ttls\":[{\"never\":true,\"entries\":%" PRIu64 "}", ttls->entries[0]);
    for (uint32_t i = 1; i < ttls->classes; i++)
        ms_text_put(out, ",{\"from_ms\":%" PRIu64 ",\"entries\":%" PRIu64 "}", ttls->from_ms[i],
                    ttls->entries[i]);
    ms_text_put(out, "]");
}

static void put_curve(struct ms_text *out, const struct ms_findings_pattern *pattern)
{
    ms_text_put(out, ",\"curve\":[");
    for (uint32_t i = 0; i < pattern->point_count; i++) {
        const struct ms_point *point = &pattern->points[i];

        ms_text_put(out, "%s{\"bytes\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"miss_ratio\":%.6g}",
                    comma(i), point->bytes, point->entries, point->miss_ratio);
    }
    ms_text_put(out, "],\"policies\":[");
    for (uint32_t i = 0; i < (pattern->is_tracked ? MS_MINI_POLICIES : 0); i++)
        ms_text_put(out, "%s{\"policy\":\"%s\",\"miss_ratio\":%.6g}", comma(i),
                    ms_findings_policy_name((enum ms_mini_policy)i), pattern->policies[i]);
    ms_text_put(out, "]");
}

static void put_hot_keys(struct ms_text *out, const struct ms_findings_pattern *pattern)
{
    ms_text_put(out, ",\"hot_keys\":[");
    for (uint32_t i = 0; i < pattern->hot_count; i++) {
        const struct ms_hot_key *key = &pattern->hot[i];
        const uint32_t kept = key->key_size < MS_HOT_KEY_BYTES ? key->key_size : MS_HOT_KEY_BYTES;

        ms_text_put(out, "%s{\"key\":", comma(i));
        put_string(out, key->key, kept);
        ms_text_put(out, ",\"key_size\":%" PRIu32 ",\"share\":%.6g,\"error\":%.6g}", key->key_size,
                    (double)key->count / (double)pattern->hot_noted,
                    (double)key->error / (double)pattern->hot_noted);
    }
    ms_text_put(out, "]");
}

static void put_pattern(struct ms_text *out, const struct ms_findings_pattern *pattern)
{
    ms_text_put(out,
                ",\"tracking\":{\"on\":%s,\"ratio\":%.6g,\"keys\":%" PRIu32
                ",\"references\":%" PRIu64 ",\"sampled\":%" PRIu64 ",\"lost\":%" PRIu64
                ",\"miss_ratio\":%.6g,\"read_once\":%.6g}",
                pattern->is_tracked ? "true" : "false", pattern->ratio, pattern->followed,
                pattern->references, pattern->sampled, pattern->missed, pattern->miss_ratio,
                pattern->read_once);
    put_curve(out, pattern);
    put_hot_keys(out, pattern);
    put_spread(out, "reuse_ages", &pattern->reuse_ages);
    put_spread(out, "ttls_given", &pattern->ttls);
    put_spread(out, "late_reads", &pattern->late);
    put_spread(out, "hit_ages", &pattern->hit_ages);
    put_spread(out, "idle_ages", &pattern->idle_ages);
    put_spread(out, "hit_sizes", &pattern->hit_sizes);
}

void ms_report_json(const struct ms_findings *findings, const struct ms_advice_list *list,
                    struct ms_text *out)
{
    ms_text_put(out, "{\"advice\":[");
    for (uint32_t i = 0; i < list->count; i++) {
        ms_text_add(out, ",", i != 0);
        put_advice(out, &list->items[i]);
    }
    ms_text_put(out, "]");
    put_settings(out, &findings->settings);
    put_counts(out, &findings->counts);
    put_entries(out, &findings->entries);
    put_ttls(out, &findings->ttls);
    put_pattern(out, &findings->pattern);
    ms_text_put(out, "}\n");
}
