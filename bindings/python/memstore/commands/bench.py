# SPDX-License-Identifier: Apache-2.0
"""Measure this machine's speed in some seconds: a store beside a dict.

Times are the medians of rounds that take turns, in nanoseconds a key, of one thread, the loop of Python included, which is
shown as well. Keys are made before and used in random order.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..store import Store
from ._figures import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--entries", type=int, default=100_000, help="how many (100,000)")
    parser.add_argument("--size", type=int, default=100, help="bytes of a value (100)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _each(call: Callable[[Any], Any], arguments: Iterable[Any]) -> None:
    for argument in arguments:
        call(argument)


def _write(target: Any, keys: Iterable[str], value: bytes) -> None:
    for key in keys:
        target[key] = value


def _batches(keys: list[str], size: int) -> list[list[str]]:
    return [keys[i : i + size] for i in range(0, len(keys), size)]


def _cases(store: Store, plain: dict[str, bytes], keys: list[str], value: bytes) -> dict[str, Callable[[], None]]:
    absent = [f"absent/{key}" for key in keys]
    batches = _batches(keys, 100)
    entries = [dict.fromkeys(batch, value) for batch in batches]

    def view(key: str) -> None:
        with store.view(key):
            pass

    return {
        "the loop alone": lambda: _each(len, keys),
        "dict: write": lambda: _write(plain, keys, value),
        "dict: get": lambda: _each(plain.get, keys),
        "set": lambda: _write(store, keys, value),
        "get": lambda: _each(store.get, keys),
        "get, a miss": lambda: _each(store.get, absent),
        "view": lambda: _each(view, keys),
        "get_many of 100": lambda: _each(store.get_many, batches),
        "set_many of 100": lambda: _each(store.set_many, entries),
    }


def measure(entries: int, size: int, rounds: int) -> list[dict[str, Any]]:
    """Rows of what was measured, in nanoseconds a key."""
    if entries < 1 or size < 0 or rounds < 1:
        raise ValueError("there is at least one entry, one round, and no negative size")
    keys = [f"key/{i:x}" for i in range(entries)]
    random.Random(1).shuffle(keys)
    value = bytes(size)
    with Store(memory_limit=64_000_000 + 4 * entries * (size + 64)) as store:
        cases = _cases(store, {}, keys, value)
        store.set_many(dict.fromkeys(keys, value))
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, case in cases.items():
                started = time.perf_counter_ns()
                case()
                times[name].append((time.perf_counter_ns() - started) / entries)
    return [{"": name, "ns a key": round(statistics.median(measured), 1)} for name, measured in times.items()]


def run(options: argparse.Namespace) -> int:
    show(measure(options.entries, options.size, options.rounds), options.json)
    return 0
