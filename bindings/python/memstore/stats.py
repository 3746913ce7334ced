# SPDX-License-Identifier: Apache-2.0
"""What a store tells about itself. The fields are those of the C header ``memstore/stats.h``, in its order."""

from __future__ import annotations

from dataclasses import dataclass


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

    @property
    def hit_rate(self) -> float:
        """hits / (hits + misses), 0.0 when nothing was read."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """Where a store's bytes are. ``charged`` is what the limit is held against."""

    #: Bytes the store may use.
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
