/* SPDX-License-Identifier: Apache-2.0 */
/* What a program compiled against an earlier release relies on: sizes, offsets and numbers. A
 * line here is only ever added. */
#include "support/criterion.h"

#include <stdlib.h>

#define AT(type, member, offset)                                                                   \
    _Static_assert(offsetof(type, member) == (offset), #type "." #member " has moved")
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has another size")
/* A struct that its size tells apart may grow. */
#define SIZE_AT_LEAST(type, size) _Static_assert(sizeof(type) >= (size), #type " has shrunk")
#define VALUE(name, number) _Static_assert(name == (number), #name " was renumbered")

#if UINTPTR_MAX == UINT64_MAX
SIZE(memstore_key, 16);
AT(memstore_key, data, 0);
AT(memstore_key, size, 8);

SIZE(memstore_entry, 40);
AT(memstore_entry, key, 0);
AT(memstore_entry, value, 16);
AT(memstore_entry, value_size, 24);
AT(memstore_entry, ttl_ms, 32);

SIZE(memstore_view, 40);
AT(memstore_view, data, 0);
AT(memstore_view, size, 8);
AT(memstore_view, version, 16);
AT(memstore_view, expires_at_ms, 24);
AT(memstore_view, pin, 32);

SIZE_AT_LEAST(memstore_stats, 17 * 8);
AT(memstore_stats, struct_size, 0);
AT(memstore_stats, hits, 8);
AT(memstore_stats, misses, 16);
AT(memstore_stats, sets, 24);
AT(memstore_stats, updates, 32);
AT(memstore_stats, deletes, 40);
AT(memstore_stats, evictions, 48);
AT(memstore_stats, expirations, 56);
AT(memstore_stats, rejected_too_large, 64);
AT(memstore_stats, rejected_invalid_ttl, 72);
AT(memstore_stats, rejected_full, 80);
AT(memstore_stats, rejected_memory, 88);
AT(memstore_stats, rejected_condition, 96);
AT(memstore_stats, entries, 104);
AT(memstore_stats, compactions, 112);
AT(memstore_stats, moved_bytes, 120);
AT(memstore_stats, written_bytes, 128);
AT(memstore_stats, rejected_timeout, 136);
AT(memstore_stats, loads, 144);
AT(memstore_stats, load_failures, 152);
AT(memstore_stats, load_retries, 160);
AT(memstore_stats, loads_coalesced, 168);
AT(memstore_stats, loads_overtaken, 176);
AT(memstore_stats, loads_bypassed, 184);
AT(memstore_stats, absent_loaded, 192);
AT(memstore_stats, absent_served, 200);
AT(memstore_stats, loads_refused, 208);
AT(memstore_stats, breakers_opened, 216);
AT(memstore_stats, breakers_open, 224);
AT(memstore_stats, stale_served, 232);
AT(memstore_stats, refreshes, 240);
AT(memstore_stats, refresh_failures, 248);
AT(memstore_stats, room_made, 256);
AT(memstore_stats, exports, 264);
AT(memstore_stats, export_failures, 272);
AT(memstore_stats, rejected_ttl_expired, 280);
AT(memstore_stats, rejected_gc_pressure, 288);
AT(memstore_stats, rejected_shard_overflow, 296);
AT(memstore_stats, rejected_key_exists, 304);
AT(memstore_stats, rejected_key_not_found, 312);
AT(memstore_stats, rejected_version_mismatch, 320);
AT(memstore_stats, rejected_not_a_number, 328);
AT(memstore_stats, limit_lowered, 336);
AT(memstore_stats, limit_raised, 344);
AT(memstore_stats, loads_timed_out, 352);
AT(memstore_stats, loads_without_place, 360);
AT(memstore_stats, loads_without_bytes, 368);
AT(memstore_stats, breakers_half_open, 376);

SIZE_AT_LEAST(memstore_event, 112);
AT(memstore_event, struct_size, 0);
AT(memstore_event, kind, 8);
AT(memstore_event, key, 16);
AT(memstore_event, value, 32);
AT(memstore_event, at_ms, 72);
AT(memstore_event, dropped, 80);
AT(memstore_event, alert, 88);
AT(memstore_event, raised, 92);
AT(memstore_event, alert_value, 96);
AT(memstore_event, alert_threshold, 104);

SIZE_AT_LEAST(memstore_event_stats, 7 * 8);
AT(memstore_event_stats, struct_size, 0);
AT(memstore_event_stats, subscriptions, 8);
AT(memstore_event_stats, waiting, 16);
AT(memstore_event_stats, bytes, 24);
AT(memstore_event_stats, memory, 32);
AT(memstore_event_stats, queued, 40);
AT(memstore_event_stats, dropped, 48);

SIZE_AT_LEAST(memstore_memory_stats, 11 * 8);
AT(memstore_memory_stats, struct_size, 0);
AT(memstore_memory_stats, limit, 8);
AT(memstore_memory_stats, charged, 16);
AT(memstore_memory_stats, live, 24);
AT(memstore_memory_stats, dead, 32);
AT(memstore_memory_stats, index, 40);
AT(memstore_memory_stats, overhead, 48);
AT(memstore_memory_stats, pinned, 56);
AT(memstore_memory_stats, free, 64);
AT(memstore_memory_stats, segments, 72);
AT(memstore_memory_stats, segment_size, 80);
AT(memstore_memory_stats, stale, 88);
AT(memstore_memory_stats, resident, 96);
AT(memstore_memory_stats, configured_limit, 104);

SIZE_AT_LEAST(memstore_ttl_stats, 36 * 8);
AT(memstore_ttl_stats, struct_size, 0);
AT(memstore_ttl_stats, classes, 8);
AT(memstore_ttl_stats, entries, 16);
AT(memstore_ttl_stats, from_ms, 16 + 17 * 8);

SIZE_AT_LEAST(memstore_latency, 11 * 8);
AT(memstore_latency, struct_size, 0);
AT(memstore_latency, count, 8);
AT(memstore_latency, one_in, 16);
AT(memstore_latency, total_ns, 24);
AT(memstore_latency, p50_ns, 32);
AT(memstore_latency, p90_ns, 40);
AT(memstore_latency, p99_ns, 48);
AT(memstore_latency, p999_ns, 56);
AT(memstore_latency, p9999_ns, 64);
AT(memstore_latency, max_ns, 72);
AT(memstore_latency, slow, 80);

SIZE_AT_LEAST(memstore_progress, 10 * 8);
AT(memstore_progress, struct_size, 0);
AT(memstore_progress, phase, 8);
AT(memstore_progress, done, 16);
AT(memstore_progress, total, 24);
AT(memstore_progress, stored, 32);
AT(memstore_progress, present, 40);
AT(memstore_progress, expired, 48);
AT(memstore_progress, left_out, 56);
AT(memstore_progress, absent, 64);
AT(memstore_progress, failed, 72);

SIZE_AT_LEAST(memstore_snapshot_info, 40);
AT(memstore_snapshot_info, struct_size, 0);
AT(memstore_snapshot_info, version, 8);
AT(memstore_snapshot_info, compressed, 12);
AT(memstore_snapshot_info, saved_at_ms, 16);
AT(memstore_snapshot_info, entries, 24);
AT(memstore_snapshot_info, bytes, 32);

SIZE_AT_LEAST(memstore_rates, 18 * 8);
AT(memstore_rates, struct_size, 0);
AT(memstore_rates, window_seconds, 8);
AT(memstore_rates, hits, 16);
AT(memstore_rates, misses, 24);
AT(memstore_rates, sets, 32);
AT(memstore_rates, deletes, 40);
AT(memstore_rates, evictions, 48);
AT(memstore_rates, expirations, 56);
AT(memstore_rates, rejected, 64);
AT(memstore_rates, written_bytes, 72);
AT(memstore_rates, moved_bytes, 80);
AT(memstore_rates, hit_rate, 88);
AT(memstore_rates, memory_usage, 96);
AT(memstore_rates, alerts, 104);
AT(memstore_rates, alerts_raised, 112);
AT(memstore_rates, reclaim_pressure, 120);
AT(memstore_rates, load_failure_rate, 128);
AT(memstore_rates, pinned, 136);
AT(memstore_rates, updates, 144);
AT(memstore_rates, loads, 152);
AT(memstore_rates, load_failures, 160);
AT(memstore_rates, stale_served, 168);

SIZE_AT_LEAST(memstore_log_field, 24);
AT(memstore_log_field, name, 0);
AT(memstore_log_field, text, 8);
AT(memstore_log_field, kind, 16);

SIZE_AT_LEAST(memstore_log_record, 72);
AT(memstore_log_record, struct_size, 0);
AT(memstore_log_record, at_ms, 8);
AT(memstore_log_record, level, 16);
AT(memstore_log_record, store, 24);
AT(memstore_log_record, event, 32);
AT(memstore_log_record, message, 40);
AT(memstore_log_record, fields, 48);
AT(memstore_log_record, field_count, 56);
AT(memstore_log_record, suppressed, 64);
#endif

VALUE(MEMSTORE_TTL_NONE, 0);
VALUE(MEMSTORE_TTL_DEFAULT, -1);
VALUE(MEMSTORE_EVENT_EXPIRED, 1);
VALUE(MEMSTORE_EVENT_EVICTED, 2);
VALUE(MEMSTORE_EVENT_DELETED, 4);
VALUE(MEMSTORE_EVENT_REPLACED, 8);
VALUE(MEMSTORE_EVENT_CLEARED, 16);
VALUE(MEMSTORE_EVENT_REMOVALS, 31);
VALUE(MEMSTORE_EVENT_ALERT, 32);
VALUE(MEMSTORE_ALERT_RECLAIM_PRESSURE, 8);
VALUE(MEMSTORE_ALERT_LOAD_FAILURES, 16);
VALUE(MEMSTORE_ALERT_PINNED, 32);
VALUE(MEMSTORE_ALERT_BREAKER, 64);
VALUE(MEMSTORE_LOG_OFF, 0);
VALUE(MEMSTORE_LOG_ERROR, 1);
VALUE(MEMSTORE_LOG_DEBUG, 4);
VALUE(MEMSTORE_OPERATION_GET, 0);
VALUE(MEMSTORE_OPERATION_GET_VIEW, 1);
VALUE(MEMSTORE_OPERATION_HAS, 2);
VALUE(MEMSTORE_OPERATION_GET_MANY, 3);
VALUE(MEMSTORE_OPERATION_HAS_MANY, 4);
VALUE(MEMSTORE_OPERATION_SET, 5);
VALUE(MEMSTORE_OPERATION_SET_ASYNC, 6);
VALUE(MEMSTORE_OPERATION_SET_MANY, 7);
VALUE(MEMSTORE_OPERATION_INCREMENT, 8);
VALUE(MEMSTORE_OPERATION_DELETE, 9);
VALUE(MEMSTORE_OPERATION_DELETE_MANY, 10);
VALUE(MEMSTORE_OPERATION_UPDATE_TTL, 11);
VALUE(MEMSTORE_OPERATION_COMMIT, 12);
VALUE(MEMSTORE_OPERATION_LOAD, 13);
VALUE(MEMSTORE_ALERT_HIT_RATE, 1);
VALUE(MEMSTORE_ALERT_MEMORY_USAGE, 2);
VALUE(MEMSTORE_ALERT_LATENCY, 4);
VALUE(MEMSTORE_OK, 0);
VALUE(MEMSTORE_ERR_KEY_NOT_FOUND, -1);
VALUE(MEMSTORE_ERR_CACHE_FULL, -2);
VALUE(MEMSTORE_ERR_ENTRY_TOO_LARGE, -3);
VALUE(MEMSTORE_ERR_CACHE_CLOSED, -4);
VALUE(MEMSTORE_ERR_INVALID_TTL, -5);
VALUE(MEMSTORE_ERR_TTL_EXPIRED, -6);
VALUE(MEMSTORE_ERR_TTL_NOT_SET, -7);
VALUE(MEMSTORE_ERR_TTL_UPDATE_FAILED, -8);
VALUE(MEMSTORE_ERR_MEMORY_EXHAUSTED, -9);
VALUE(MEMSTORE_ERR_MEMORY_FRAGMENTATION, -10);
VALUE(MEMSTORE_ERR_SHARD_OVERFLOW, -11);
VALUE(MEMSTORE_ERR_GC_PRESSURE, -12);
VALUE(MEMSTORE_ERR_INVALID_ARGUMENT, -13);
VALUE(MEMSTORE_ERR_INVALID_CONFIG, -14);
VALUE(MEMSTORE_ERR_INVALID_PATTERN, -15);
VALUE(MEMSTORE_ERR_BUFFER_TOO_SMALL, -16);
VALUE(MEMSTORE_ERR_LOCK_TIMEOUT, -17);
VALUE(MEMSTORE_ERR_KEY_EXISTS, -18);
VALUE(MEMSTORE_ERR_VERSION_MISMATCH, -19);
VALUE(MEMSTORE_ERR_NOT_A_NUMBER, -20);
VALUE(MEMSTORE_ERR_LOADER_FAILED, -21);
VALUE(MEMSTORE_ERR_IO, -22);
VALUE(MEMSTORE_ERR_CORRUPT_SNAPSHOT, -23);
VALUE(MEMSTORE_ERR_UNSUPPORTED, -24);
VALUE(MEMSTORE_ERR_CANCELLED, -25);
VALUE(MEMSTORE_PHASE_SAVING, 1);
VALUE(MEMSTORE_PHASE_VERIFYING, 2);
VALUE(MEMSTORE_PHASE_LOADING, 3);
VALUE(MEMSTORE_PHASE_WARMING, 4);

/* Room for a struct of any size, filled with a pattern that shows what was written. */
#define ROOM 1024
#define UNTOUCHED 0xa5

static union {
    unsigned char bytes[ROOM];
    size_t struct_size;
    memstore_stats stats;
    memstore_memory_stats memory;
} room;

static void prepare(size_t struct_size)
{
    memset(&room, UNTOUCHED, sizeof room);
    room.struct_size = struct_size;
}

/* Bytes behind `from` that were written. */
static size_t count_written(size_t from)
{
    size_t written = 0;

    for (size_t i = from; i < ROOM; i++)
        written += room.bytes[i] != UNTOUCHED;
    return written;
}

static memstore *open_used(void)
{
    memstore *store = test_open_defaults();

    assert_ok(test_set(store, "key", "value", 0));
    assert_holds(store, "key", "value");
    assert_holds(store, "absent", NULL);
    return store;
}

Test(abi, an_older_program_gets_the_fields_it_knows_and_no_byte_more)
{
    memstore *store = open_used();
    const size_t three_fields = 4 * 8;

    prepare(three_fields);
    assert_ok(memstore_get_stats(store, &room.stats));
    cr_assert(room.stats.hits == 1 && room.stats.misses == 1 && room.stats.sets == 1);
    cr_assert_eq(count_written(three_fields), 0);
    cr_assert_eq(room.struct_size, three_fields);

    prepare(2 * 8);
    assert_ok(memstore_get_memory_stats(store, &room.memory));
    cr_assert_eq(room.memory.limit, memstore_capacity(store));
    cr_assert_eq(count_written(2 * 8), 0);
    memstore_destroy(store);
}

Test(abi, a_newer_program_gets_zeros_in_the_fields_we_do_not_know)
{
    memstore *store = open_used();

    prepare(sizeof(memstore_stats) + 64);
    assert_ok(memstore_get_stats(store, &room.stats));
    cr_assert_eq(room.stats.sets, 1);
    for (size_t i = sizeof(memstore_stats); i < sizeof(memstore_stats) + 64; i++)
        cr_assert_eq(room.bytes[i], 0);
    cr_assert_eq(count_written(sizeof(memstore_stats) + 64), 0);

    prepare(sizeof(memstore_memory_stats) + 64);
    assert_ok(memstore_get_memory_stats(store, &room.memory));
    for (size_t i = sizeof(memstore_memory_stats); i < sizeof(memstore_memory_stats) + 64; i++)
        cr_assert_eq(room.bytes[i], 0);
    cr_assert_eq(count_written(sizeof(memstore_memory_stats) + 64), 0);
    memstore_destroy(store);
}

Test(abi, a_size_that_holds_no_field_is_refused)
{
    memstore *store = open_used();

    for (size_t size = 0; size <= sizeof(size_t); size++) {
        prepare(size);
        assert_status(memstore_get_stats(store, &room.stats), MEMSTORE_ERR_INVALID_ARGUMENT);
        cr_assert_eq(count_written(sizeof(size_t)), 0);
        prepare(size);
        assert_status(memstore_get_memory_stats(store, &room.memory),
                      MEMSTORE_ERR_INVALID_ARGUMENT);
        cr_assert_eq(count_written(sizeof(size_t)), 0);
    }
    memstore_destroy(store);
}
