/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include "config/units.h"

#include <string.h>

/* More than a hundred years is a typing mistake; it also keeps sums of times far from overflow. */
#define LONGEST_DURATION (UINT64_C(36500) * 24 * 60 * 60 * 1000)
/* The user half of a 48-bit address space, all there is to map. */
#define LARGEST_SIZE (UINT64_C(1) << 47)

_Static_assert(MS_SETTING_TEXT_SIZE >= MS_UNITS_TEXT_SIZE,
               "the text of a setting can be a number with its unit");

#define MEMBER(name)                                                                               \
    .offset = offsetof(struct ms_settings, name), .size = sizeof(((struct ms_settings *)0)->name)
/* After the documentation come further members of the row, mostly `.live = true`. */
#define ROW(path_, type_, member, min_, max_, initial_, doc_, ...)                                 \
    {.path = path_,                                                                                \
     .type = type_,                                                                                \
     MEMBER(member),                                                                               \
     .min = min_,                                                                                  \
     .max = max_,                                                                                  \
     .initial = initial_,                                                                          \
     .doc = doc_,                                                                                  \
     __VA_ARGS__}
#define DURATION(path, member, initial, ...)                                                       \
    ROW(path, MS_SETTING_DURATION, member, 0, LONGEST_DURATION, initial, __VA_ARGS__, )
#define SIZE(path, member, initial, ...)                                                           \
    ROW(path, MS_SETTING_SIZE, member, 0, LARGEST_SIZE, initial, __VA_ARGS__, )
#define INTEGER(path, member, max, initial, ...)                                                   \
    ROW(path, MS_SETTING_INTEGER, member, 0, max, initial, __VA_ARGS__, )
#define RATIO(path, member, initial, ...)                                                          \
    ROW(path, MS_SETTING_RATIO, member, 0, MS_UNITS_RATIO_ONE, initial, __VA_ARGS__, )
#define CHOICE(path, member, choices_, initial, ...)                                               \
    ROW(path, MS_SETTING_CHOICE, member, 0, UINT64_MAX, initial, __VA_ARGS__, .choices = choices_)
#define BOOL(path, member, initial, ...)                                                           \
    ROW(path, MS_SETTING_BOOL, member, 0, 1, initial, __VA_ARGS__, )

#define STRING(path, member, longest, ...)                                                         \
    ROW(path, MS_SETTING_STRING, member, 0, longest, "", __VA_ARGS__, )
/* What a path and an ending of ours take. */
#define LONGEST_PATH 4000
#define LONGEST_NAME 100

static const struct ms_setting_choice hash_functions[] = {
    {"fnv", MS_HASH_FNV},
    {"crc32", MS_HASH_CRC32},
    {"xxh3", MS_HASH_XXH3},
    {NULL, 0},
};

static const struct ms_setting_choice evictions[] = {
    {"adaptive", MS_EVICTION_ADAPTIVE},
    {"s3fifo", MS_EVICTION_S3FIFO},
    {"lru", MS_EVICTION_LRU},
    {"lfu", MS_EVICTION_LFU},
    {"fifo", MS_EVICTION_FIFO},
    {"none", MS_EVICTION_NONE},
    {NULL, 0},
};

static const struct ms_setting_choice eviction_goals[] = {
    {"hits", MS_EVICTION_GOAL_HITS},
    {"bytes", MS_EVICTION_GOAL_BYTES},
    {"balanced", MS_EVICTION_GOAL_BALANCED},
    {NULL, 0},
};

static const struct ms_setting_choice maintenances[] = {
    {"background", MS_MAINTENANCE_BACKGROUND},
    {"manual", MS_MAINTENANCE_MANUAL},
    {NULL, 0},
};

static const struct ms_setting_choice huge_pages[] = {
    {"auto", MS_HUGE_PAGES_AUTO},
    {"on", MS_HUGE_PAGES_ON},
    {"off", MS_HUGE_PAGES_OFF},
    {NULL, 0},
};

static const struct ms_setting_choice memory_pressures[] = {
    {"off", MS_MEMORY_PRESSURE_OFF},
    {"cgroup", MS_MEMORY_PRESSURE_CGROUP},
    {"psi", MS_MEMORY_PRESSURE_PSI},
    {NULL, 0},
};

static const struct ms_setting_choice store_errors[] = {
    {"bypass", MS_STORE_ERROR_BYPASS},
    {"fail", MS_STORE_ERROR_FAIL},
    {NULL, 0},
};

static const struct ms_setting_choice compressions[] = {
    {"none", MS_COMPRESSION_NONE},
    {"zstd", MS_COMPRESSION_ZSTD},
    {NULL, 0},
};

static const struct ms_setting_choice ttl_modes[] = {
    {"write", MS_TTL_MODE_WRITE},
    {"access", MS_TTL_MODE_ACCESS},
    {NULL, 0},
};

static const struct ms_setting_choice precisions[] = {
    {"millisecond", 1},
    {"second", 1000},
    {"minute", 60 * 1000},
    {NULL, 0},
};

const struct ms_setting ms_schema[] = {
    DURATION("life_window", life_window, "0",
             "no entry outlives this age, whatever its TTL; 0 = no bound", .live = true),
    DURATION("clean_window", clean_window, "0",
             "with life_window: longest wait until what has run out is swept; 0 = no bound of its "
             "own",
             .live = true),
    INTEGER("max_entries_in_window", max_entries_in_window, UINT64_C(1) << 40, "0",
            "sizes the index at open, so that filling to it never rebuilds; not a limit",
            .fixed = "the index is sized when the store is opened, and grows by itself"),
    SIZE("max_entry_size", max_entry_size, "0",
         "largest key and value together; 0 = whatever fits, which is half of the limit, and less "
         "than 1GiB each",
         .live = true),
    ROW("hard_max_cache_size", MS_SETTING_MEGABYTES, hard_max_cache_size, 0, LARGEST_SIZE, "0",
        "limit in MB of 2^20 bytes; the smaller of it and performance.memory_limit holds; 0 = not "
        "given",
        .live = true),
    ROW("shards", MS_SETTING_POWER_OF_TWO, shards, 1, 65536, "1024",
        "most parts of the index, each with a writer lock; fewer are used when the limit is under "
        "64KiB a shard, or 128KiB when it is under 4MiB",
        .fixed = "every key's place in the index depends on their number"),
    CHOICE("hash_function", hash_function, hash_functions, "xxh3",
           "how keys are hashed, seeded per store",
           .fixed = "every key's place in the index depends on it"),
    CHOICE("eviction", eviction, evictions, "adaptive",
           "what goes when the limit is reached; none = writes are refused",
           .fixed = "entries are kept in the order that the policy needs from the first one on"),
    CHOICE(
        "eviction_goal", eviction_goal, eviction_goals, "hits",
        "what eviction: adaptive saves where sizes differ: misses, bytes missed, or some of both",
        .fixed = "which entries are in the store follows from it from the first one on"),
    CHOICE("maintenance", maintenance, maintenances, "background",
           "background = by a thread of the library; manual = by calls of memstore_maintain()",
           .fixed = "whether the store has a thread is decided when it is opened"),
    CHOICE("huge_pages", huge_pages, huge_pages, "auto",
           "on = all memory is on huge pages, which makes lookups some percent faster, and what is "
           "unused of them is resident beyond the limit; auto = from 64MiB on, all but the index, "
           "large entries and the first 16MiB of others, within the limit",
           .fixed = "the system is asked when the memory is mapped"),
    CHOICE(
        "memory_pressure", memory_pressure, memory_pressures, "off",
        "when the limit gives way, to a quarter of itself at most, and comes back when there is "
        "room: off = never; cgroup = the process's control group, or one above it, is close to its "
        "memory limit; psi = waits for memory take a tenth of the time",
        .live = true),
    BOOL("secure_wipe", secure_wipe, "false",
         "whether memory that held keys and values is overwritten before it is used again or given "
         "back; memstore_compact(store, 0) has it done at once for all that was removed",
         .fixed = "what was removed before would not have been overwritten"),

    STRING("store_name", store_name, LONGEST_NAME,
           "what the store is called in its log and in the label `store` of "
           "monitoring.export_metrics; empty = a number in the log, no label",
           .fixed = "what was logged and exported would be of another store"),
    BOOL(
        "logger_enabled", logger_enabled, "false",
        "whether the default logger writes to stderr, a line for each record; one that the program "
        "has set is told in any case",
        .live = true),
    BOOL("verbose", verbose, "false",
         "whether details are logged, too: growth of the index, compaction", .live = true),

    CHOICE(
        "ttl.mode", ttl_mode, ttl_modes, "write",
        "what a TTL is counted from: write = the write that gave it; access = the last read, for "
        "4 bytes an entry",
        .fixed = "it decides how the entries that are there are laid out"),
    DURATION("ttl.default_ttl", default_ttl, "0",
             "what MEMSTORE_TTL_DEFAULT stands for; 0 = never expires", .live = true),
    DURATION("ttl.min_ttl", min_ttl, "0", "shortest TTL accepted; 0 = no bound", .live = true),
    DURATION("ttl.max_ttl", max_ttl, "0",
             "longest TTL accepted, also what bounds entries without one; 0 = no bound",
             .live = true),
    INTEGER("ttl.jitter", ttl_jitter, 90, "0",
            "percent by which a TTL is shortened at most, at random, so that entries written "
            "together do not all run out together; those of one batch do",
            .live = true),
    CHOICE("ttl.ttl_precision", ttl_precision, precisions, "millisecond",
           "expiry is rounded up to a whole one of the wall clock, beyond `ttl.max_ttl`, too",
           .live = true),
    DURATION("ttl.cleanup_interval", cleanup_interval, "0",
             "longest wait until what has expired is swept; 0 = 50ms and 1 % of the TTL",
             .live = true),
    INTEGER("ttl.batch_cleanup_size", batch_cleanup_size, 1000 * 1000 * 1000, "1000",
            "most entries one sweep step removes before it yields; 0 = no bound", .live = true),
    BOOL("ttl.store_creation_time", store_creation_time, "false",
         "whether entries keep the time they were created, for 8 bytes each",
         .fixed = "it decides how the entries that are there are laid out"),

    DURATION("performance.lock_timeout", lock_timeout, "1s",
             "longest wait anywhere in a write; 0 = do not wait; with manual maintenance a write "
             "that reclaims also waits for reads in progress",
             .live = true),
    INTEGER("performance.max_concurrent_readers", max_concurrent_readers, 65536, "0",
            "most views pinned and loaders called at once; one more waits; 0 = no bound",
            .fixed = "views are counted from the first one on, or not at all"),
    INTEGER("performance.max_concurrent_writers", max_concurrent_writers, 65536, "0",
            "most writers at work at once, a batch being one; the others wait; 0 = no bound",
            .fixed = "writers are counted from the first one on, or not at all"),
    ROW("performance.batch_size", MS_SETTING_INTEGER, batch_size, 1, 10000, "100",
        "asynchronous writes are applied when so many are queued", .live = true),
    ROW("performance.batch_timeout", MS_SETTING_DURATION, batch_timeout, 1, LONGEST_DURATION,
        "10ms", "asynchronous writes are applied when the oldest queued is this old", .live = true),
    BOOL("performance.enable_batch_optimization", enable_batch_optimization, "true",
         "whether asynchronous writes are queued; false = each is done at once", .live = true),
    INTEGER("performance.gc_percent", gc_percent, 10000, "100",
            "dead bytes, in percent of live bytes, that start a compaction; 0 = only when memory "
            "is short",
            .live = true),
    SIZE("performance.memory_limit", memory_limit, "64MB",
         "all that the store may map, index and bookkeeping included; 0 = not given", .live = true),
    BOOL("performance.enable_memory_stats", enable_memory_stats, "true",
         "whether bytes are told by kind, for which each memstore_get_memory_stats() visits every "
         "segment; false = only what is charged and what the index takes",
         .live = true),

    BOOL("monitoring.enable_metrics", enable_metrics, "true",
         "whether rates are kept by windows of metrics_interval and thresholds watched, for which "
         "the counters are summed up once a window; false = neither",
         .live = true),
    ROW("monitoring.metrics_interval", MS_SETTING_DURATION, metrics_interval, 1, LONGEST_DURATION,
        "30s", "how long a window is", .live = true),
    BOOL("monitoring.track_hit_rate", track_hit_rate, "true",
         "whether a window has a hit rate; costs nothing more than the counters that are there",
         .live = true),
    BOOL("monitoring.track_memory_usage", track_memory_usage, "true",
         "whether a window has a share of memory in use, for which every segment is visited once a "
         "window",
         .live = true),
    BOOL("monitoring.track_operation_latency", track_operation_latency, "false",
         "whether calls are measured, writes and batches all, single reads one in 256; some ns a "
         "read, about 70 a write, and 115 kB of memory for each 16 MiB of limit up to 8",
         .fixed = "calls are measured from the first one on, or not at all"),
    RATIO("monitoring.access_sample_ratio", access_sample, "0",
          "share of the keys whose uses are followed, for memstore_advise(); 0.01 is enough for "
          "any store: where it is less than 2048 keys more are followed, for 40960 uses at first; "
          "in the long run keys are followed by turns, an eighth of the time, or the share of it "
          "where that is more; more keys than fit what is set aside for them, 4 % of the limit "
          "between 230kB and 2.6MB, lower the share; 0 = none",
          .live = true),
    RATIO("monitoring.hit_rate_threshold", hit_rate_threshold, "0",
          "an alert is raised when the hit rate is below, of a window or of so many that they have "
          "100 reads; 0 = none",
          .live = true),
    RATIO("monitoring.memory_usage_threshold", memory_usage_threshold, "0",
          "an alert is raised when more than this share of the limit is in use at the end of a "
          "window; 0 = none",
          .live = true),
    DURATION("monitoring.latency_threshold", latency_threshold, "0",
             "with track_operation_latency: an alert is raised when more than 1 % of a window's "
             "measured calls took longer; 0 = none",
             .live = true),
    RATIO("monitoring.reclaim_pressure_threshold", reclaim_pressure_threshold, "0",
          "an alert is raised when more than this share of the writes, of a window or of so many "
          "that "
          "they have 100, found no free memory and had to reclaim some themselves; 0 = none",
          .live = true),
    RATIO(
        "monitoring.load_failure_threshold", load_failure_threshold, "0",
        "an alert is raised when more than this share of the loads, of a window or of so many that "
        "they have 10, failed; 0 = none",
        .live = true),
    RATIO("monitoring.pinned_threshold", pinned_threshold, "0",
          "with track_memory_usage: an alert is raised when views hold more than this share of the "
          "limit in place at the end of a window; 0 = none",
          .live = true),
    RATIO("monitoring.alert_hysteresis", alert_hysteresis, "0.01",
          "how far back behind its threshold a share has to be for its alert to be cleared, but no "
          "further than half of the threshold, nor than halfway from it to 1 of a hit rate",
          .live = true),
    STRING("monitoring.export_metrics", export_metrics, LONGEST_PATH,
           "a file to which the metrics are written each metrics_interval, for Prometheus' "
           "node_exporter; it goes when the store is closed; none, true or false = no file",
           .live = true, .flag_is_none = true),

    SIZE(
        "events.queue_memory", event_memory, "0",
        "what events that wait for subscribers may take; set aside within the limit while there is "
        "a subscription; 0 = a sixteenth of the limit, at most 16MiB",
        .live = true),

    DURATION("loader.timeout", load_timeout, "30s",
             "how long a load goes on being tried, retries and the wait for a place among "
             "loader.max_loads included; 0 = no bound",
             .live = true),
    DURATION("loader.retry_initial", load_retry_initial, "10ms",
             "longest pause before the first retry of a load; each further one is up to twice as "
             "long; the pause is random",
             .live = true),
    DURATION("loader.retry_max", load_retry_max, "1s", "longest pause before any retry of a load",
             .live = true),
    DURATION("loader.negative_ttl", load_negative_ttl, "1s",
             "how long it is remembered that the database has no such key; 0 = not at all",
             .live = true),
    INTEGER("loader.max_absent", load_max_absent, 1000 * 1000, "1000",
            "of how many keys that is remembered; the oldest make way", .live = true),
    INTEGER("loader.max_loads", load_max_loads, 65536, "0",
            "most calls of loaders at once; further ones wait in line; 0 = no bound",
            .fixed = "loads are counted from the first one on, or not at all"),
    ROW("loader.lease_timeout", MS_SETTING_DURATION, load_lease_timeout, 1, LONGEST_DURATION, "10s",
        "when a lease that is not filled ends and another caller gets one", .live = true),
    CHOICE("loader.on_store_error", load_on_store_error, store_errors, "bypass",
           "when the store cannot take a loaded value, or is closed: bypass = the caller gets it "
           "all the same, fail = the caller gets the error",
           .live = true),
    SIZE("loader.bypass_limit", load_bypass_limit, "16MB",
         "with bypass: bytes of such values held at most, beside the memory limit", .live = true),
    DURATION(
        "loader.refresh_after", load_refresh_after, "0",
        "age from which a value is loaded anew by one caller while the others get the old one; "
        "entries keep the time they were created for it, for 8 bytes each; 0 = not before it "
        "expires",
        .live = true),
    DURATION("loader.max_stale", load_max_stale, "0",
             "how long after its expiry a value is still given to callers whose load fails; until "
             "then it stays in memory, unless that is needed; 0 = not at all",
             .live = true),
    INTEGER("loader.breaker_failures", breaker_failures, 1000 * 1000, "0",
            "failed loads in a row after which a loader is not called for loader.breaker_open; 0 = "
            "it always is",
            .live = true),
    ROW("loader.breaker_open", MS_SETTING_DURATION, breaker_open, 1, LONGEST_DURATION, "5s",
        "how long loads are refused after that, before one is let through to try", .live = true),
    SIZE(
        "loader.max_load_bytes", load_max_load_bytes, "0",
        "how much the values of all calls of loaders at once may take, as far as the mean of those "
        "loaded before tells; further ones wait in line; 0 = no bound",
        .fixed = "loads are counted from the first one on, or not at all"),
    INTEGER("loader.warm_rate", load_warm_rate, 1000 * 1000 * 1000, "0",
            "most keys that one memstore_warm() asks its loader for in a second; 0 = no bound",
            .live = true),

    CHOICE(
        "snapshot.compression", snapshot_compression, compressions, "none",
        "how memstore_save() packs entries: none, or zstd, which a library built without libzstd "
        "refuses when saving",
        .live = true),
    BOOL("snapshot.fsync", snapshot_fsync, "true",
         "whether memstore_save() ends when the disk has the file; false = when the system has it, "
         "which a crash of the machine, not of the process, may lose, the older file with it",
         .live = true),
    SIZE(
        "snapshot.batch_memory", snapshot_batch_memory, "64MB",
        "what batches may overwrite during a memstore_save() before it has come there, kept beside "
        "the memory limit so that no batch is saved by half; beyond, saving fails",
        .live = true),
    {.path = NULL},
};

_Static_assert(sizeof ms_schema / sizeof ms_schema[0] <= MS_SETTINGS_MAX + 1,
               "there are more settings than others have room for");

const char *ms_schema_why_fixed(const struct ms_setting *setting)
{
    if (setting->live)
        return NULL;
    return setting->fixed != NULL ? setting->fixed : "it is read when the store is opened";
}

const char *ms_schema_skip_prefix(const char *key)
{
    static const char prefix[] = "storage.memory.";

    return strncmp(key, prefix, sizeof prefix - 1) == 0 ? key + sizeof prefix - 1 : key;
}

const struct ms_setting *ms_schema_find(const char *key)
{
    const char *const path = ms_schema_skip_prefix(key);

    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        if (strcmp(setting->path, path) == 0)
            return setting;
    }
    return NULL;
}

/* Longer keys are compared by their beginning, which is enough for a suggestion. */
#define LONGEST_COMPARED 63

/* tolower() without a locale. */
static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein's, one row of the table at a time. */
unsigned ms_schema_distance(const char *a, const char *b)
{
    unsigned row[LONGEST_COMPARED + 1];
    const size_t a_size = strnlen(a, LONGEST_COMPARED);
    const size_t b_size = strnlen(b, LONGEST_COMPARED);

    for (unsigned j = 0; j <= b_size; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_size; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= b_size; j++) {
            const unsigned replaced = diagonal + (to_lower(a[i - 1]) != to_lower(b[j - 1]));
            const unsigned shifted = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);

            diagonal = row[j];
            row[j] = replaced < shifted ? replaced : shifted;
        }
    }
    return row[b_size];
}

bool ms_schema_is_section(const char *name)
{
    const size_t size = strlen(name);

    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        if (size != 0 && strncmp(setting->path, name, size) == 0 && setting->path[size] == '.')
            return true;
    }
    return false;
}

static const char *last_part(const char *path)
{
    const char *const dot = strrchr(path, '.');

    return dot != NULL ? dot + 1 : path;
}

const struct ms_setting *ms_schema_nearest(const char *key)
{
    const char *const path = ms_schema_skip_prefix(key);
    const struct ms_setting *best = ms_schema;
    unsigned best_distance = UINT32_MAX;

    for (const struct ms_setting *setting = ms_schema; setting->path != NULL; setting++) {
        const unsigned whole = ms_schema_distance(path, setting->path);
        /* A right name in the wrong section, or in none, is near too; a little less than the
         * same path misspelt. */
        const unsigned last = 1 + ms_schema_distance(last_part(path), last_part(setting->path));
        const unsigned distance = whole < last ? whole : last;

        if (distance < best_distance) {
            best = setting;
            best_distance = distance;
        }
    }
    return best;
}

uint64_t ms_schema_load(const struct ms_setting *setting, const struct ms_settings *settings)
{
    const char *const member = (const char *)settings + setting->offset;
    uint64_t value = 0;
    uint32_t half;

    switch (setting->size) {
    case sizeof(bool):
        return *(const bool *)member;
    case sizeof half:
        memcpy(&half, member, sizeof half);
        return half;
    default:
        memcpy(&value, member, sizeof value);
        return value;
    }
}

void ms_schema_store(const struct ms_setting *setting, struct ms_settings *settings, uint64_t value)
{
    ms_settings_put(settings, setting->offset, setting->size, value);
}
