# SPDX-License-Identifier: Apache-2.0
"""Every public name that typed_sample.py does not call, with the types that a checker is to see: what records hold, the kinds of
things, exceptions. test_types.py checks it and runs it."""

import os
import tempfile
from datetime import datetime
from typing import Any, Optional, assert_type

import memstore
from memstore import Alert, EventKind, Phase, Store


def advice(one: memstore.Advice) -> None:
    assert_type(
        [
            one.name, one.severity, one.what, one.evidence, one.setting, one.current, one.suggested, one.expected,
        ],
        list[str],
    )  # fmt: skip


def cache_info(one: memstore.CacheInfo) -> None:
    assert_type([one.hits, one.misses, one.currsize], list[int])
    assert_type(one.maxsize, Optional[int])


def curve_point(one: memstore.CurvePoint) -> None:
    assert_type([one.bytes, one.entries], list[int])
    assert_type(one.miss_ratio, float)


def event(one: memstore.Event) -> None:
    assert_type(one.kind, EventKind)
    assert_type([one.key, one.value], list[bytes])
    assert_type([one.version, one.dropped], list[int])
    assert_type(one.expires_at, Optional[datetime])
    assert_type(one.at, datetime)
    assert_type(one.alert, Alert)
    assert_type(one.raised, bool)
    assert_type([one.alert_value, one.alert_threshold], list[float])


def event_stats(one: memstore.EventStats) -> None:
    assert_type([one.subscriptions, one.waiting, one.bytes, one.memory, one.queued, one.dropped], list[int])


def hot_key(one: memstore.HotKey) -> None:
    assert_type(one.key, bytes)
    assert_type(one.key_size, int)
    assert_type([one.share, one.error], list[float])


def latency(one: memstore.Latency) -> None:
    assert_type([one.count, one.one_in, one.slow], list[int])
    assert_type([one.total, one.p50, one.p90, one.p99, one.p999, one.p9999, one.max], list[float])


def memory_stats(one: memstore.MemoryStats) -> None:
    assert_type(
        [
            one.limit, one.charged, one.live, one.dead, one.index, one.overhead, one.pinned, one.free, one.segments,
            one.segment_size, one.stale, one.resident, one.configured_limit,
        ],
        list[int],
    )  # fmt: skip


def progress(one: memstore.Progress) -> None:
    assert_type(one.phase, Phase)
    assert_type(
        [
            one.done, one.total, one.stored, one.present, one.expired, one.left_out, one.absent, one.failed,
        ],
        list[int],
    )  # fmt: skip


def rates(one: memstore.Rates) -> None:
    assert_type(
        [
            one.window, one.hits, one.misses, one.sets, one.deletes, one.evictions, one.expirations, one.rejected,
            one.written_bytes, one.moved_bytes, one.hit_rate, one.memory_usage, one.reclaim_pressure, one.load_failure_rate,
            one.pinned, one.updates, one.loads, one.load_failures, one.stale_served,
        ],
        list[float],
    )  # fmt: skip
    assert_type(one.alerts, Alert)
    assert_type(one.alerts_raised, int)


def snapshot_info(one: memstore.SnapshotInfo) -> None:
    assert_type([one.version, one.entries, one.bytes], list[int])
    assert_type(one.compressed, bool)
    assert_type(one.saved_at, datetime)


def stats(one: memstore.Stats) -> None:
    assert_type(
        [
            one.hits, one.misses, one.sets, one.updates, one.deletes, one.evictions, one.expirations,
            one.rejected_too_large, one.rejected_invalid_ttl, one.rejected_full, one.rejected_memory,
            one.rejected_condition, one.entries, one.compactions, one.moved_bytes, one.written_bytes, one.rejected_timeout,
            one.loads, one.load_failures, one.load_retries, one.loads_coalesced, one.loads_overtaken, one.loads_bypassed,
            one.absent_loaded, one.absent_served, one.loads_refused, one.breakers_opened, one.breakers_open,
            one.stale_served, one.refreshes, one.refresh_failures, one.room_made, one.exports, one.export_failures,
            one.rejected_ttl_expired, one.rejected_gc_pressure, one.rejected_shard_overflow, one.rejected_key_exists,
            one.rejected_key_not_found, one.rejected_version_mismatch, one.rejected_not_a_number,
            one.limit_lowered, one.limit_raised, one.loads_timed_out, one.loads_without_place, one.loads_without_bytes,
            one.breakers_half_open,
        ],
        list[int],
    )  # fmt: skip


def ttl_class(one: memstore.TTLClass) -> None:
    assert_type(one.shortest, Optional[float])
    assert_type(one.entries, int)


def report(one: memstore.Report) -> None:
    assert_type(one.advice, tuple[memstore.Advice, ...])
    assert_type(one.curve, tuple[memstore.CurvePoint, ...])
    assert_type(one.hot_keys, tuple[memstore.HotKey, ...])
    assert_type(one.figures, dict[str, Any])
    assert_type(memstore.Report.from_json(one.to_json(), people=str(one)), memstore.Report)
    assert_type(one.to_html(title="a store", store="sample"), str)


def codecs() -> None:
    assert_type([memstore.PICKLE, memstore.JSON, memstore.MSGPACK, memstore.RAW], list[memstore.Codec])
    codec: memstore.Codec = memstore.JSON
    assert_type(codec.decode(bytes(codec.encode([1, 2]))), Any)


def kinds() -> None:
    assert_type(memstore.OPERATIONS, tuple[str, ...])
    assert_type(memstore.__version__, str)

    alerts: set[Alert] = {Alert.HIT_RATE, Alert.MEMORY_USAGE, Alert.LATENCY, Alert.RECLAIM_PRESSURE, Alert.LOAD_FAILURES, Alert.PINNED, Alert.BREAKER}
    assert len(alerts) > 1
    events: set[EventKind] = {EventKind.EXPIRED, EventKind.EVICTED, EventKind.DELETED, EventKind.REPLACED, EventKind.CLEARED, EventKind.REMOVALS, EventKind.ALERT}
    assert len(events) > 1
    phases: set[Phase] = {Phase.SAVING, Phase.VERIFYING, Phase.LOADING, Phase.WARMING}
    assert len(phases) > 1


def exceptions() -> None:
    raised: list[type[memstore.Error]] = [
        memstore.CacheClosed,
        memstore.CacheFull,
        memstore.Cancelled,
        memstore.CorruptSnapshot,
        memstore.EntryTooLarge,
        memstore.Error,
        memstore.GCPressure,
        memstore.IOFailed,
        memstore.InvalidArgument,
        memstore.InvalidConfig,
        memstore.InvalidPattern,
        memstore.InvalidTTL,
        memstore.KeyNotFound,
        memstore.LoaderFailed,
        memstore.LockTimeout,
        memstore.MemoryExhausted,
        memstore.MemoryFragmentation,
        memstore.NotANumber,
        memstore.ShardOverflow,
        memstore.TTLExpired,
        memstore.TTLNotSet,
        memstore.TTLUpdateFailed,
        memstore.Unsupported,
    ]
    for error in raised:
        assert_type(error("a sentence").status, str)
    assert issubclass(memstore.LoadRetry, Exception)


def main() -> None:
    with Store(memory_limit="16MB", track_operation_latency=True, access_sample_ratio=1) as store:
        with store.subscribe() as subscription:
            for i in range(100):
                store[f"k/{i}"] = b"v"
                store.get(f"k/{i}")
            store.delete("k/0")
            seen = subscription.get(timeout=60)
            assert seen is not None
            event(seen)
        event_stats(store.event_stats())
        latency(store.latency("get"))
        memory_stats(store.memory())
        rates(store.rates())
        stats(store.stats())
        advised = store.advise()
        report(advised)
        for an_advice in advised.advice:
            advice(an_advice)
        for a_point in advised.curve:
            curve_point(a_point)
        for a_key in advised.hot_keys:
            hot_key(a_key)
        cache_info(_memoized(store).cache_info())
        _saved(store)
    codecs()
    kinds()
    exceptions()


def _memoized(store: Store) -> memstore.Memoized[[int], int]:
    def square(n: int) -> int:
        return n * n

    return store.memoize(square)


def _saved(store: Store) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "snapshot")
        progress(store.save(path))
        snapshot_info(Store.snapshot_info(path))
    store["k"] = b"v"
    view: memstore.View = store.view("k")
    view.release()


if __name__ == "__main__":
    main()
