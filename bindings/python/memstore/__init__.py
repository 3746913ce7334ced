# SPDX-License-Identifier: Apache-2.0
"""memstore: an in-memory store for hot data, with a time to live per key and a byte limit that is true.

:class:`Store` keeps bytes; :class:`Cache` is a mapping of objects over it.
"""

from ._native import MEMSTORE_VERSION_STRING as __version__
from ._native import View
from ._settings import StoreSettings
from .advice import Advice, CurvePoint, HotKey, Report
from .cache import Cache
from .codec import JSON, MSGPACK, PICKLE, RAW, Codec
from .errors import (
    CacheClosed,
    CacheFull,
    Cancelled,
    CorruptSnapshot,
    EntryTooLarge,
    Error,
    GCPressure,
    InvalidArgument,
    InvalidConfig,
    InvalidPattern,
    InvalidTTL,
    IOFailed,
    KeyNotFound,
    LoaderFailed,
    LoadRetry,
    LockTimeout,
    MemoryExhausted,
    MemoryFragmentation,
    NotANumber,
    ShardOverflow,
    TTLExpired,
    TTLNotSet,
    TTLUpdateFailed,
    Unsupported,
)
from .events import Event, EventKind, EventStats, Subscription
from .memoize import CacheInfo, Memoized
from .snapshots import Phase, Progress, SnapshotInfo
from .stats import OPERATIONS, Alert, Latency, MemoryStats, Rates, Stats, TTLClass
from .store import DEFAULT_TTL, Store

__all__ = [
    "DEFAULT_TTL",
    "JSON",
    "MSGPACK",
    "OPERATIONS",
    "PICKLE",
    "RAW",
    "Advice",
    "Alert",
    "Cache",
    "CacheClosed",
    "CacheFull",
    "CacheInfo",
    "Cancelled",
    "Codec",
    "CorruptSnapshot",
    "CurvePoint",
    "EntryTooLarge",
    "Error",
    "Event",
    "EventKind",
    "EventStats",
    "GCPressure",
    "HotKey",
    "IOFailed",
    "InvalidArgument",
    "InvalidConfig",
    "InvalidPattern",
    "InvalidTTL",
    "KeyNotFound",
    "Latency",
    "LoadRetry",
    "LoaderFailed",
    "LockTimeout",
    "Memoized",
    "MemoryExhausted",
    "MemoryFragmentation",
    "MemoryStats",
    "NotANumber",
    "Phase",
    "Progress",
    "Rates",
    "Report",
    "ShardOverflow",
    "SnapshotInfo",
    "Stats",
    "Store",
    "StoreSettings",
    "Subscription",
    "TTLClass",
    "TTLExpired",
    "TTLNotSet",
    "TTLUpdateFailed",
    "Unsupported",
    "View",
    "__version__",
]
