# SPDX-License-Identifier: Apache-2.0
"""What is measured of one cache, in a process of its own."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy
from caches import PEERS, Peer

VALUE_SIZE = 100
BATCH = 100
ZIPF = 0.99


def key_of(number: int) -> str:
    """A new string each time, as a program that was asked has it."""
    return f"key-{number:016x}"


def numbers(entries: int, count: int, zipf: bool, seed: int) -> Sequence[int]:
    """Which entries are used, scattered over all of them."""
    random = numpy.random.default_rng(seed)
    if not zipf:
        return random.integers(entries, size=count).tolist()
    weights = 1 / numpy.arange(1, entries + 1) ** ZIPF
    ranks = numpy.searchsorted(numpy.cumsum(weights) / weights.sum(), random.random(count))
    return random.permutation(entries)[ranks].tolist()


def resident() -> int:
    """Resident bytes of this process, without its libraries."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) * 1024


def shm(peer: str) -> int:
    """Bytes that a cache on tmpfs takes there."""
    if peer != "diskcache":
        return 0
    import pathlib

    return sum(path.stat().st_blocks * 512 for path in pathlib.Path("/dev/shm").rglob("*") if path.is_file())


def timed(call: Callable[[str], object], keys: Sequence[str]) -> float:
    """Nanoseconds a call."""
    start = time.perf_counter_ns()
    for key in keys:
        call(key)
    return (time.perf_counter_ns() - start) / len(keys)


def chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(keys), BATCH):
        yield keys[at : at + BATCH]


def check(peer: Peer, get: Callable[[str], bytes | None], values: Callable[[int], bytes], entries: int) -> None:
    """That what is measured is a cache that gives back what was stored."""
    for number in range(0, entries, max(entries // 1000, 1)):
        found = get(key_of(number))
        if found is not None and found != values(number):
            raise SystemExit(f"{peer.described}: a value is not what was stored")
    if get("key-that-is-not-there") is not None:
        raise SystemExit(f"{peer.described}: a key is there that was not stored")


def measure(name: str, entries: int, operations: int) -> dict[str, float]:
    """Rows of the table for one cache."""
    peer = PEERS[name]
    gc.collect()
    before = resident() + shm(name)
    cache = peer.open(entries, VALUE_SIZE)
    get, store = peer.get(cache), peer.set(cache)

    def value_of(number: int) -> bytes:
        return number.to_bytes(8, "little") * (VALUE_SIZE // 8) + b"\0" * (VALUE_SIZE % 8)

    for number in range(entries):
        store(key_of(number), value_of(number))
    check(peer, get, value_of, entries)
    gc.collect()
    rows = {"resident an entry, B": (resident() + shm(name) - before) / entries}
    for row, zipf, seed in (("get Zipf", True, 1), ("get uniform", False, 2)):
        keys = [key_of(number) for number in numbers(entries, operations, zipf, seed)]
        rows[row] = timed(get, keys)
    keys = [key_of(number) for number in numbers(entries, operations, False, 3)]
    other = bytes(VALUE_SIZE)
    rows["overwrite uniform"] = timed(lambda key: store(key, other), keys)
    if peer.get_many is not None:
        rows[f"get_many({BATCH}) Zipf, a key"] = many(peer.get_many(cache), entries, operations)
    return rows


def many(get_many: Callable[[Sequence[str]], object], entries: int, operations: int) -> float:
    """Nanoseconds a key of a batch."""
    keys = [key_of(number) for number in numbers(entries, operations, True, 4)]
    batches = list(chunks(keys))
    start = time.perf_counter_ns()
    for batch in batches:
        get_many(batch)
    return (time.perf_counter_ns() - start) / len(keys)


if __name__ == "__main__":
    json.dump(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
