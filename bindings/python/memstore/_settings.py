# SPDX-License-Identifier: Apache-2.0
# Generated from lib/config/schema.c by `./dev docs`; do not edit.
"""The settings, as type checkers see them: by section, and as keywords."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Literal, TypedDict, Union

#: "1h", seconds, None for 0.
Duration = Union[str, int, float, timedelta, None]
#: "64MB", bytes, None for 0.
Size = Union[str, int, float, None]
Count = Union[str, int, None]
#: From 0 to 1.
Ratio = Union[str, float, None]
Switch = Union[str, bool]
Text = Union[str, "os.PathLike[str]", None]


class TtlSettings(TypedDict, total=False):
    """The section ``ttl``."""

    mode: Literal["write", "access"]
    default_ttl: Duration
    min_ttl: Duration
    max_ttl: Duration
    jitter: Count
    ttl_precision: Literal["millisecond", "second", "minute"]
    cleanup_interval: Duration
    batch_cleanup_size: Count
    store_creation_time: Switch


class PerformanceSettings(TypedDict, total=False):
    """The section ``performance``."""

    lock_timeout: Duration
    max_concurrent_readers: Count
    max_concurrent_writers: Count
    batch_size: Count
    batch_timeout: Duration
    enable_batch_optimization: Switch
    gc_percent: Count
    memory_limit: Size
    enable_memory_stats: Switch


class MonitoringSettings(TypedDict, total=False):
    """The section ``monitoring``."""

    enable_metrics: Switch
    metrics_interval: Duration
    track_hit_rate: Switch
    track_memory_usage: Switch
    track_operation_latency: Switch
    access_sample_ratio: Ratio
    hit_rate_threshold: Ratio
    memory_usage_threshold: Ratio
    latency_threshold: Duration
    reclaim_pressure_threshold: Ratio
    load_failure_threshold: Ratio
    pinned_threshold: Ratio
    alert_hysteresis: Ratio
    export_metrics: Union[Text, bool]


class EventsSettings(TypedDict, total=False):
    """The section ``events``."""

    queue_memory: Size


class LoaderSettings(TypedDict, total=False):
    """The section ``loader``."""

    timeout: Duration
    retry_initial: Duration
    retry_max: Duration
    negative_ttl: Duration
    max_absent: Count
    max_loads: Count
    lease_timeout: Duration
    on_store_error: Literal["bypass", "fail"]
    bypass_limit: Size
    refresh_after: Duration
    max_stale: Duration
    breaker_failures: Count
    breaker_open: Duration
    max_load_bytes: Size
    warm_rate: Count


class SnapshotSettings(TypedDict, total=False):
    """The section ``snapshot``."""

    compression: Literal["none", "zstd"]
    fsync: Switch
    batch_memory: Size


class StoreSettings(TypedDict, total=False):
    """The settings as keywords of ``Store``, beside ``memory_limit`` and ``default_ttl``: as sections, with the
    section before two underscores, and without it where that is enough."""

    life_window: Duration
    clean_window: Duration
    max_entries_in_window: Count
    max_entry_size: Size
    hard_max_cache_size: Count
    shards: Count
    hash_function: Literal["fnv", "crc32", "xxh3"]
    eviction: Literal["adaptive", "s3fifo", "lru", "lfu", "fifo", "none"]
    eviction_goal: Literal["hits", "bytes", "balanced"]
    maintenance: Literal["background", "manual"]
    huge_pages: Literal["auto", "on", True, "off", False]
    memory_pressure: Literal["off", False, "cgroup", "psi"]
    secure_wipe: Switch
    store_name: Text
    logger_enabled: Switch
    verbose: Switch
    ttl: TtlSettings
    ttl__mode: Literal["write", "access"]
    mode: Literal["write", "access"]
    ttl__default_ttl: Duration
    ttl__min_ttl: Duration
    min_ttl: Duration
    ttl__max_ttl: Duration
    max_ttl: Duration
    ttl__jitter: Count
    jitter: Count
    ttl__ttl_precision: Literal["millisecond", "second", "minute"]
    ttl_precision: Literal["millisecond", "second", "minute"]
    ttl__cleanup_interval: Duration
    cleanup_interval: Duration
    ttl__batch_cleanup_size: Count
    batch_cleanup_size: Count
    ttl__store_creation_time: Switch
    store_creation_time: Switch
    performance: PerformanceSettings
    performance__lock_timeout: Duration
    lock_timeout: Duration
    performance__max_concurrent_readers: Count
    max_concurrent_readers: Count
    performance__max_concurrent_writers: Count
    max_concurrent_writers: Count
    performance__batch_size: Count
    batch_size: Count
    performance__batch_timeout: Duration
    batch_timeout: Duration
    performance__enable_batch_optimization: Switch
    enable_batch_optimization: Switch
    performance__gc_percent: Count
    gc_percent: Count
    performance__memory_limit: Size
    performance__enable_memory_stats: Switch
    enable_memory_stats: Switch
    monitoring: MonitoringSettings
    monitoring__enable_metrics: Switch
    enable_metrics: Switch
    monitoring__metrics_interval: Duration
    metrics_interval: Duration
    monitoring__track_hit_rate: Switch
    track_hit_rate: Switch
    monitoring__track_memory_usage: Switch
    track_memory_usage: Switch
    monitoring__track_operation_latency: Switch
    track_operation_latency: Switch
    monitoring__access_sample_ratio: Ratio
    access_sample_ratio: Ratio
    monitoring__hit_rate_threshold: Ratio
    hit_rate_threshold: Ratio
    monitoring__memory_usage_threshold: Ratio
    memory_usage_threshold: Ratio
    monitoring__latency_threshold: Duration
    latency_threshold: Duration
    monitoring__reclaim_pressure_threshold: Ratio
    reclaim_pressure_threshold: Ratio
    monitoring__load_failure_threshold: Ratio
    load_failure_threshold: Ratio
    monitoring__pinned_threshold: Ratio
    pinned_threshold: Ratio
    monitoring__alert_hysteresis: Ratio
    alert_hysteresis: Ratio
    monitoring__export_metrics: Union[Text, bool]
    export_metrics: Union[Text, bool]
    events: EventsSettings
    events__queue_memory: Size
    queue_memory: Size
    loader: LoaderSettings
    loader__timeout: Duration
    timeout: Duration
    loader__retry_initial: Duration
    retry_initial: Duration
    loader__retry_max: Duration
    retry_max: Duration
    loader__negative_ttl: Duration
    negative_ttl: Duration
    loader__max_absent: Count
    max_absent: Count
    loader__max_loads: Count
    max_loads: Count
    loader__lease_timeout: Duration
    lease_timeout: Duration
    loader__on_store_error: Literal["bypass", "fail"]
    on_store_error: Literal["bypass", "fail"]
    loader__bypass_limit: Size
    bypass_limit: Size
    loader__refresh_after: Duration
    refresh_after: Duration
    loader__max_stale: Duration
    max_stale: Duration
    loader__breaker_failures: Count
    breaker_failures: Count
    loader__breaker_open: Duration
    breaker_open: Duration
    loader__max_load_bytes: Size
    max_load_bytes: Size
    loader__warm_rate: Count
    warm_rate: Count
    snapshot: SnapshotSettings
    snapshot__compression: Literal["none", "zstd"]
    compression: Literal["none", "zstd"]
    snapshot__fsync: Switch
    fsync: Switch
    snapshot__batch_memory: Size
    batch_memory: Size


class AllSettings(StoreSettings, total=False):
    """Those two, too."""

    default_ttl: Duration
    memory_limit: Size
