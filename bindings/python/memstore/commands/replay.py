# SPDX-License-Identifier: Apache-2.0
"""Replay a trace of accesses: which share of them a store answers, and how fast.

Each request is a get, and on a miss a set. A trace is an MSTRACE1 file, or text with a request a line: key, and perhaps the
value's size and its TTL in seconds, separated by commas or spaces; a first line may name the columns. ``-`` is the standard
input. The benchmarks' program `replay` does the same many times faster.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterable
from typing import Any

from ..errors import NO_ROOM
from ..store import Store
from ._figures import show
from ._trace import LARGEST_SIZE, Request, read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", help="the file, or - for the standard input")
    parser.add_argument("--memory-limit", default="64MB", metavar="LIMIT,...", help="limits to try (64MB)")
    parser.add_argument("--eviction", default="adaptive", metavar="POLICY,...", help="policies to try (adaptive)")
    parser.add_argument("--size", type=int, default=300, help="bytes of a value where the trace tells none (300)")
    parser.add_argument("--requests", type=int, metavar="N", help="read no more than so many")
    parser.add_argument("--json", action="store_true", help="as JSON")


def replay(requests: Iterable[Request], limit: str, eviction: str) -> dict[str, Any]:
    """Replay requests with a store; what came of it, as a row."""
    requests = list(requests)
    largest = memoryview(bytes(max((request.size for request in requests), default=0)))
    with Store({"memory_limit": limit, "eviction": eviction}) as store:
        refused = 0
        started = time.perf_counter()
        for key, size, ttl in requests:
            if store.get(key) is None:
                try:
                    store.set(key, largest[:size], ttl)
                except NO_ROOM:
                    refused += 1
        seconds = time.perf_counter() - started
        stats, memory = store.stats(), store.memory()
        return {
            "eviction": eviction,
            "limit": limit,
            "requests": len(requests),
            "hit ratio": round(stats.hit_rate, 4),
            "entries": stats.entries,
            "evictions": stats.evictions,
            "without room": refused,
            "bytes used": memory.charged,
            "a second": int(len(requests) / max(seconds, 1e-9)),
        }


def run(options: argparse.Namespace) -> int:
    if options.requests is not None and options.requests < 0:
        raise ValueError(f"--requests: {options.requests} is negative")
    if not 0 <= options.size <= LARGEST_SIZE:
        raise ValueError(f"--size: from 0 to {LARGEST_SIZE}, not {options.size}")
    most = None if options.requests is None else min(options.requests, sys.maxsize)
    requests = list(itertools.islice(read(options.trace, options.size), most))
    limits, policies = options.memory_limit.split(","), options.eviction.split(",")
    show([replay(requests, limit, policy) for policy in policies for limit in limits], options.json)
    return 0
