# SPDX-License-Identifier: Apache-2.0
"""What a store tells about itself. The fields are those of the C header ``memstore/stats.h``, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Final, Optional

from . import _native


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store has done since it was opened or since ``reset_stats()``."""

    #: Reads that found a live entry.
    hits: int
    #: Reads that found none; hits + misses is the number of keys read.
    misses: int
    #: Entries stored by any writing call, new and overwritten.
    sets: int
    #: Those of ``sets`` that replaced a live entry.
    updates: int
    #: Live entries that were deleted.
    deletes: int
    #: Live entries removed to make room.
    evictions: int
    #: Entries removed because their time was over.
    expirations: int
    #: Writes refused with EntryTooLarge.
    rejected_too_large: int
    #: Writes refused with InvalidTTL or TTLExpired.
    rejected_invalid_ttl: int
    #: Writes refused with CacheFull.
    rejected_full: int
    #: Writes refused with MemoryExhausted, GCPressure or ShardOverflow.
    rejected_memory: int
    #: Writes whose condition did not hold: add, replace, compare_and_set, incr.
    rejected_condition: int
    #: Live entries now.
    entries: int
    #: Segments emptied by moving what was alive in them.
    compactions: int
    #: Bytes moved by compaction and by eviction's second chances.
    moved_bytes: int
    #: Bytes appended by writes.
    written_bytes: int
    #: Writes, deletes included, refused with LockTimeout.
    rejected_timeout: int
    #: Values that loaders gave.
    loads: int
    #: Loads that failed.
    load_failures: int
    #: Times that a loader was called again.
    load_retries: int
    #: Callers that waited for the load of another.
    loads_coalesced: int
    #: Those of ``loads`` that were not stored because the key was written meanwhile.
    loads_overtaken: int
    #: Those of ``loads`` that the store could not take.
    loads_bypassed: int
    #: Loads that found that the key does not exist.
    absent_loaded: int
    #: Callers told so without a load.
    absent_served: int
    #: Loads that were not tried because the breaker was open: ``loader.breaker_failures``.
    loads_refused: int
    #: Times that a breaker opened.
    breakers_opened: int
    #: Breakers open now.
    breakers_open: int
    #: Failed loads in whose place a value that had expired was given: ``loader.max_stale``.
    stale_served: int
    #: Those of ``loads`` that were for a key that was there: ``loader.refresh_after``.
    refreshes: int
    #: Those of ``load_failures`` likewise.
    refresh_failures: int
    #: Entries whose writers had to reclaim memory themselves, or were refused for want of it.
    room_made: int
    #: Files written for ``monitoring.export_metrics``.
    exports: int
    #: Times that it could not be written.
    export_failures: int
    #: Those of ``rejected_invalid_ttl`` that raised TTLExpired.
    rejected_ttl_expired: int
    #: Those of ``rejected_memory`` that raised GCPressure,
    rejected_gc_pressure: int
    #: and ShardOverflow.
    rejected_shard_overflow: int
    #: Those of ``rejected_condition`` because the key existed,
    rejected_key_exists: int
    #: did not exist,
    rejected_key_not_found: int
    #: had another version,
    rejected_version_mismatch: int
    #: or held no number.
    rejected_not_a_number: int
    #: Times that ``memory_pressure`` has lowered the limit in force,
    limit_lowered: int
    #: and raised it again.
    limit_raised: int
    #: Those of ``load_failures`` that asked for another attempt after all of ``loader.timeout``.
    loads_timed_out: int
    #: Those that waited so long for a place among ``loader.max_loads``,
    loads_without_place: int
    #: and among ``loader.max_load_bytes``.
    loads_without_bytes: int
    #: Those of ``breakers_open`` that let a load through to try.
    breakers_half_open: int

    @property
    def hit_rate(self) -> float:
        """hits / (hits + misses), 0.0 when nothing was read."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """Where a store's bytes are. ``charged`` is what the limit is held against."""

    #: Bytes the store may use, which ``memory_pressure`` may have lowered.
    limit: int
    #: Bytes charged to the limit: segments, large entries, index, bookkeeping.
    charged: int
    #: Bytes of live entries: headers, keys, values, padding.
    live: int
    #: Bytes of replaced, deleted and expired entries that are not reclaimed yet.
    dead: int
    #: Bytes of index tables.
    index: int
    #: Bytes of everything else that is not entries.
    overhead: int
    #: Bytes of segments that views hold.
    pinned: int
    #: Bytes that are charged and hold nothing yet.
    free: int
    #: Segments in use, large entries included.
    segments: int
    #: Bytes of one ordinary segment.
    segment_size: int
    #: Bytes of expired entries that are kept for ``loader.max_stale``.
    stale: int
    #: Bytes of the store's mappings that are in memory, as the kernel tells.
    resident: int
    #: What ``limit`` is while memory is not short.
    configured_limit: int


@dataclass(frozen=True, slots=True)
class TTLClass:
    """Entries with similar TTLs, which lie together: by the TTL that was left when they were written or last moved."""

    #: The shortest TTL of the class in seconds, which reaches to that of the next; ``None``: they never expire.
    shortest: Optional[float]
    #: Live entries.
    entries: int

    @classmethod
    def _all(cls, counts: tuple[int, ...]) -> list[TTLClass]:
        number, room = counts[0], len(counts) // 2
        entries, from_ms = counts[1 : 1 + number], counts[1 + room : 1 + room + number]
        expiring = [cls(start / 1000, count) for start, count in zip(from_ms[1:], entries[1:])]
        return [cls(None, entries[0]), *expiring]


def _operations() -> tuple[str, ...]:
    names: list[str] = []
    while (name := _native.operation_name(len(names))) is not None:
        names.append(name)
    return tuple(names)


#: The operations whose latencies are measured, by name.
OPERATIONS: Final = _operations()

_NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the calls of one operation took, in seconds, since the store was opened or ``reset_stats()``.

    Quantiles are within 1.6 % of a duration that was measured; one above 67 s is told as ``max``.
    The time that Python takes is not in them.
    """

    #: Calls that were measured.
    count: int
    #: One in how many calls is measured: 1, or 256 for single reads.
    one_in: int
    #: All measured calls together.
    total: float
    #: Half of the measured calls took no longer.
    p50: float
    #: 90 % took no longer.
    p90: float
    #: 99 % took no longer.
    p99: float
    #: 99.9 % took no longer.
    p999: float
    #: 99.99 % took no longer.
    p9999: float
    #: The longest measured call, exactly.
    max: float
    #: Measured calls that took longer than ``monitoring.latency_threshold``.
    slow: int

    @classmethod
    def _of(cls, counts: tuple[int, ...]) -> Latency:
        count, one_in, *durations, slow = counts
        fields: list[Any] = [count, one_in, *(duration / _NANOSECONDS for duration in durations), slow]
        return cls(*fields)


class Alert(IntFlag):
    """What is over its threshold."""

    #: The hit rate is under ``monitoring.hit_rate_threshold``.
    HIT_RATE = _native.MEMSTORE_ALERT_HIT_RATE
    #: The memory in use is over ``monitoring.memory_usage_threshold``.
    MEMORY_USAGE = _native.MEMSTORE_ALERT_MEMORY_USAGE
    #: More than 1 % of the measured calls took over ``monitoring.latency_threshold``.
    LATENCY = _native.MEMSTORE_ALERT_LATENCY
    #: The share of writes that had to reclaim is over ``monitoring.reclaim_pressure_threshold``.
    RECLAIM_PRESSURE = _native.MEMSTORE_ALERT_RECLAIM_PRESSURE
    #: The share of loads that failed is over ``monitoring.load_failure_threshold``.
    LOAD_FAILURES = _native.MEMSTORE_ALERT_LOAD_FAILURES
    #: The memory that views hold is over ``monitoring.pinned_threshold``.
    PINNED = _native.MEMSTORE_ALERT_PINNED
    #: The breaker of loads is open or half open: ``loader.breaker_failures``.
    BREAKER = _native.MEMSTORE_ALERT_BREAKER


@dataclass(frozen=True, slots=True)
class Rates:
    """What went on in the last whole window of ``monitoring.metrics_interval``; before the first one has ended, since
    the store was opened. Rates are per second."""

    #: How long the window was; 0.0 = nothing to tell yet.
    window: float
    #: Reads that found a live entry.
    hits: float
    #: Reads that found none.
    misses: float
    #: Entries stored.
    sets: float
    #: Live entries that were deleted.
    deletes: float
    #: Live entries removed to make room.
    evictions: float
    #: Entries removed because their time was over.
    expirations: float
    #: Writes refused, for whatever reason.
    rejected: float
    #: Bytes appended by writes.
    written_bytes: float
    #: Bytes moved by compaction and by eviction's second chances.
    moved_bytes: float
    #: hits / (hits + misses) of the window; 0.0 when nothing was read or ``monitoring.track_hit_rate`` is off.
    hit_rate: float
    #: The share of the limit in use when the window ended; 0.0 before, or when ``monitoring.track_memory_usage`` is off.
    memory_usage: float
    #: What is over its threshold now.
    alerts: Alert
    #: How often something went over its threshold since the store was opened.
    alerts_raised: int
    #: The share of the window's writes that had to reclaim memory themselves.
    reclaim_pressure: float
    #: The share of its loads that failed.
    load_failure_rate: float
    #: The share of the limit that views held when it ended.
    pinned: float
    #: Of sets, those that replaced a live entry.
    updates: float
    #: Values that loaders gave.
    loads: float
    #: Loads that failed.
    load_failures: float
    #: Expired values served in place of a load that failed.
    stale_served: float

    @classmethod
    def _of(cls, fields: tuple[float, ...]) -> Rates:
        typed: list[Any] = [*fields[:12], Alert(int(fields[12])), int(fields[13]), *fields[14:]]
        return cls(*typed)
