#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replay an access trace through memstore.Store and show what the store can do.

usage: demo.py TRACE_FILE [MEMORY_LIMIT]

The trace is in the MSTRACE1 format, as benchmarks/ledger writes it: a 24-byte header (magic, u64 count, u32 flags with
bit 0 for sizes, u32 zero), then packed records of u64 key and u32 size, little-endian. Each request is a get and, on a
miss, a set.
"""

import struct
import sys
import time
from datetime import timedelta

import memstore

HEADER = struct.Struct("<8sQII")
RECORD = struct.Struct("<QI")
SIZE_WITHOUT_SIZES = 300  # bytes of a value where the trace tells none


def read_trace(path):
    """The requests of a trace, as a list of (key, value size)."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < HEADER.size or data[:8] != b"MSTRACE1":
        sys.exit(f"{path}: this is no MSTRACE1 trace (a compressed one is to be decompressed first)")
    _, count, flags, _ = HEADER.unpack_from(data)
    if len(data) != HEADER.size + count * RECORD.size:
        sys.exit(f"{path}: the header promises {count} records, {(len(data) - HEADER.size) / RECORD.size:.1f} follow")
    records = RECORD.iter_unpack(memoryview(data)[HEADER.size :])
    return [("state/%x" % key, size if flags & 1 else SIZE_WITHOUT_SIZES) for key, size in records]


def replay(store, requests):
    """Get, and set on a miss. Returns the seconds it took."""
    largest = memoryview(bytes(max((size for _, size in requests), default=0)))
    get, put = store.get, store.set
    started = time.perf_counter()
    for key, size in requests:
        if get(key) is None:
            put(key, largest[:size])
    return time.perf_counter() - started


def show_replay(path, limit):
    requests = read_trace(path)
    with memstore.Store(memory_limit=limit) as store:
        seconds = replay(store, requests)
        stats, memory = store.stats(), store.memory()
        print(f"  {len(requests):,} requests in {seconds:.2f} s: {len(requests) / max(seconds, 1e-9):,.0f} a second")
        print(f"  hit ratio {stats.hit_rate:.4f}, {stats.entries:,} entries, {stats.evictions:,} evictions")
        print(f"  {memory.charged / 1e6:.1f} MB of {memory.limit / 1e6:.1f} MB, index and all included")


def show_features():
    with memstore.Store({"ttl": {"default_ttl": "10m"}}) as store:
        store.set_many({"tx/1": b"10", "tx/2": b"20"}, ttl=timedelta(seconds=60))
        print("  set_many, get_many   ", store.get_many(["tx/1", "tx/2", "tx/3"]))
        print("  a counter            ", store.incr("height", 42), "lives", round(store.ttl("height")), "s")
        with store.view("tx/1") as memory:
            store.clear()
            print("  a view after a clear ", bytes(memory), "and", len(store), "entries")
        store.set("short", b"", ttl=0.005)
        time.sleep(0.01)
        print("  after its TTL        ", store.get("short"))
    with memstore.Cache(memory_limit="16MB") as cache:
        cache["block", 42] = {"transactions": ["tx/1", "tx/2"]}
        print("  a cache of objects   ", cache["block", 42])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: demo.py TRACE_FILE [MEMORY_LIMIT]")
    print(f"Python: {sys.argv[1]} through memstore.Store")
    show_replay(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "16MB")
    show_features()
