/* SPDX-License-Identifier: Apache-2.0 */
/* Figures, and texts of them. Compiled as glue.c is, after it. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#include "glue.h"
#endif

/* Copies the first n of some figures, of eight bytes each, which a call with this status has told. */
static inline int glue_tell(int status, const void *fields, size_t size, void *out, size_t n)
{
    if (status != MEMSTORE_OK)
        return status;
    if (n > size / sizeof(uint64_t))
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (n != 0)
        memcpy(out, fields, n * sizeof(uint64_t));
    return MEMSTORE_OK;
}

static inline int glue_get_stats(memstore *store, uint64_t *out, size_t n)
{
    memstore_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_stats(store, &s);
    const uint64_t fields[] = {
        s.hits,
        s.misses,
        s.sets,
        s.updates,
        s.deletes,
        s.evictions,
        s.expirations,
        s.rejected_too_large,
        s.rejected_invalid_ttl,
        s.rejected_full,
        s.rejected_memory,
        s.rejected_condition,
        s.entries,
        s.compactions,
        s.moved_bytes,
        s.written_bytes,
        s.rejected_timeout,
        s.loads,
        s.load_failures,
        s.load_retries,
        s.loads_coalesced,
        s.loads_overtaken,
        s.loads_bypassed,
        s.absent_loaded,
        s.absent_served,
        s.loads_refused,
        s.breakers_opened,
        s.breakers_open,
        s.stale_served,
        s.refreshes,
        s.refresh_failures,
        s.room_made,
        s.exports,
        s.export_failures,
        s.rejected_ttl_expired,
        s.rejected_gc_pressure,
        s.rejected_shard_overflow,
        s.rejected_key_exists,
        s.rejected_key_not_found,
        s.rejected_version_mismatch,
        s.rejected_not_a_number,
        s.limit_lowered,
        s.limit_raised,
        s.loads_timed_out,
        s.loads_without_place,
        s.loads_without_bytes,
        s.breakers_half_open,
    };

    return glue_tell(status, fields, sizeof fields, out, n);
}

static inline int glue_get_memory_stats(memstore *store, uint64_t *out, size_t n)
{
    memstore_memory_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_memory_stats(store, &s);
    const uint64_t fields[] = {
        s.limit, s.charged,  s.live,         s.dead,  s.index,    s.overhead,         s.pinned,
        s.free,  s.segments, s.segment_size, s.stale, s.resident, s.configured_limit,
    };

    return glue_tell(status, fields, sizeof fields, out, n);
}

static inline int glue_get_ttl_stats(memstore *store, uint64_t *entries, uint64_t *from_ms,
                                     size_t n)
{
    memstore_ttl_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_ttl_stats(store, &s);

    if (status != MEMSTORE_OK)
        return status;
    if (n < s.classes)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    memcpy(entries, s.entries, s.classes * sizeof *entries);
    memcpy(from_ms, s.from_ms, s.classes * sizeof *from_ms);
    return (int)s.classes;
}

static inline int glue_get_latency(memstore *store, int operation, uint64_t *out, size_t n)
{
    memstore_latency l = {.struct_size = sizeof l};
    const int status = memstore_get_latency(store, operation, &l);
    const uint64_t fields[] = {
        l.count,  l.one_in,  l.total_ns, l.p50_ns, l.p90_ns,
        l.p99_ns, l.p999_ns, l.p9999_ns, l.max_ns, l.slow,
    };

    return glue_tell(status, fields, sizeof fields, out, n);
}

static inline int glue_get_rates(memstore *store, double *out, size_t n, uint64_t *alerts)
{
    memstore_rates r = {.struct_size = sizeof r};
    const int status = memstore_get_rates(store, &r);
    const double fields[] = {
        r.window_seconds,
        r.hits,
        r.misses,
        r.sets,
        r.deletes,
        r.evictions,
        r.expirations,
        r.rejected,
        r.written_bytes,
        r.moved_bytes,
        r.hit_rate,
        r.memory_usage,
        r.reclaim_pressure,
        r.load_failure_rate,
        r.pinned,
        r.updates,
        r.loads,
        r.load_failures,
        r.stale_served,
    };

    const int told = glue_tell(status, fields, sizeof fields, out, n);

    if (told == MEMSTORE_OK) {
        alerts[0] = r.alerts;
        alerts[1] = r.alerts_raised;
    }
    return told;
}

static inline int glue_get_event_stats(memstore *store, uint64_t *out, size_t n)
{
    memstore_event_stats s = {.struct_size = sizeof s};
    const int status = memstore_get_event_stats(store, &s);
    const uint64_t fields[] = {
        s.subscriptions, s.waiting, s.bytes, s.memory, s.queued, s.dropped,
    };

    return glue_tell(status, fields, sizeof fields, out, n);
}

struct glue_text {
    void *data; /* for free() */
    size_t size;
};

static int glue_keep_text(const char *data, size_t size, void *context)
{
    struct glue_text *text = context;

    text->data = malloc(size);
    if (text->data == NULL)
        return 1;
    memcpy(text->data, data, size);
    text->size = size;
    return 0;
}

/* A text that a function has written, kept: its size. */
static int64_t glue_written_text(memstore *store,
                                 int (*write)(memstore *, memstore_write_fn, void *), void **kept)
{
    struct glue_text text = {NULL, 0};
    const int status = write(store, glue_keep_text, &text);

    *kept = text.data;
    if (status == MEMSTORE_ERR_IO)
        return MEMSTORE_ERR_MEMORY_EXHAUSTED;
    return status == MEMSTORE_OK ? (int64_t)text.size : status;
}

static inline int64_t glue_metrics_text(memstore *store, void **kept)
{
    return glue_written_text(store, memstore_metrics_text, kept);
}

static inline int64_t glue_advise(memstore *store, int for_people, void **kept)
{
    return glue_written_text(store, for_people ? memstore_advise_text : memstore_advise_json, kept);
}
