# SPDX-License-Identifier: Apache-2.0
"""Resident memory stays where it is while everything is called over and over, the failures too."""

import asyncio
import gc
import itertools
import logging
import os

import memstore
import pytest
from memstore import EventKind

try:
    import numpy
except ImportError:
    numpy = None


def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def attempt(call):
    """Call; exceptions of the kinds that the calls below are to raise are part of the test."""
    try:
        call()
    except (memstore.Error, TypeError, ValueError, BufferError, OverflowError, ZeroDivisionError):
        pass


def calls(store, cache):
    key = bytearray(b"key")
    square = store.memoize(lambda n: n * n)
    failing = store.memoize(lambda n: 1 // n)
    cache_info = square.cache_info
    items = {f"key-{i}": b"v" * 100 for i in range(100)}
    mixed = [*items, key, b"bytes", memoryview(b"view")]
    doubled = cache.memoize()(lambda n: 2 * n)
    removals = store.subscribe(EventKind.REMOVALS, queue_size=10)
    closed = store.subscribe(EventKind.REMOVALS)
    closed.close()
    rows = []
    if numpy is not None:
        names = numpy.array([f"key-{i}" for i in range(100)], dtype="S8")
        values = numpy.arange(300, dtype="u4").reshape(100, 3)
        rows = [
            lambda: store.set_many(names, values=values),
            lambda: store.get_many(names),
            lambda: store.has_many(names),
            lambda: store.delete_many(values),
            lambda: store.set_many(names, values=values[:7]),
            lambda: store.set_many(names.reshape(10, 10), values=values),
        ]
    return [
        *rows,
        lambda: removals.get(0),
        lambda: removals.get(0),
        lambda: closed.get(0),
        lambda: store.subscribe(EventKind.ALERT).close(),
        lambda: store.subscribe(-1),
        lambda: store.event_stats(),
        lambda: cache.__setitem__(("a", 1), {"value": [1.5]}),
        lambda: cache.get(("a", 1)),
        lambda: cache["absent"],
        lambda: cache.__setitem__("key", (n for n in ())),
        lambda: cache.__setitem__([], 1),
        lambda: cache.pop("absent", None),
        lambda: doubled(4),
        lambda: doubled.invalidate(4),
        lambda: store.get("absent"),
        lambda: store.get("key-1", default=5),
        lambda: store["absent"],
        lambda: store.get(5),
        lambda: store.get(""),
        lambda: store.get("k", nonsense=1),
        lambda: store.set(key, key, ttl=100),
        lambda: store.set("key", "text"),
        lambda: store.set("key", b"", ttl="x"),
        lambda: store.set("key", bytes(110_000)),
        lambda: store.get_versioned("key"),
        lambda: store.set_many(items),
        lambda: store.set_many([("a", b"1"), ("b", 5), (key, key)]),
        lambda: store.set_many([(key, key)] * 50 + [("a",)]),
        lambda: store.get_many(mixed),
        lambda: store.get_many([*mixed, 5]),
        lambda: store.has_many(mixed),
        lambda: store.delete_many([key, "nothing"]),
        lambda: store.delete("key"),
        lambda: store.incr("n"),
        lambda: store.incr("key-1"),
        lambda: store.add("key-1", b""),
        lambda: store.replace("absent", key),
        lambda: store.compare_and_set("key-1", b"", 1),
        lambda: store.compare_and_delete("key-1", 1),
        lambda: store.ttl("key-1"),
        lambda: store.ttl("absent"),
        lambda: store.expires_at("key-1"),
        lambda: store.keys("key-1*"),
        lambda: store.keys("["),
        lambda: next(iter(store)),
        lambda: list(store),
        lambda: store.stats(),
        lambda: store.memory(),
        lambda: repr(store),
        lambda: store.view("key-1"),
        lambda: memoryview(store.view("key-1"))[1:],
        lambda: store.view("absent"),
        lambda: store.view("key-1").__enter__(),
        lambda: store.set("key", memoryview(b"abcdef")[::2]),
        lambda: store.get_or_load("absent", lambda key: None),
        lambda: store.get_or_load("large", lambda key: bytes(110_000)),
        lambda: store.get_or_load("wrong", lambda key: 5),
        lambda: square(7),
        lambda: square.invalidate(7),
        lambda: failing(0),
        cache_info,
        lambda: store.metrics_text(),
        lambda: memstore.Store(nonsense=1),
        lambda: memstore.Store(default_ttl="x"),
    ]


def slow_calls(store, folder):
    """What takes long, for every hundredth round."""
    path, numbers = folder / "snapshot", itertools.count()
    logger = logging.getLogger("memstore.test_leaks")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())

    async def load(key):
        await asyncio.sleep(0)
        if next(numbers) % 3 == 0:
            raise ValueError(key)
        return b"loaded"

    async def loads():
        keys = [f"load {next(numbers)}", "absent"]
        await asyncio.gather(*[store.aget_or_load(key, load, ttl=0.001) for key in keys * 3], return_exceptions=True)

    async def events():
        with store.subscribe() as removals:
            store["gone"] = b""
            store.delete("gone")
            async for _ in removals:
                break

    def call_back():
        with store.on_event(lambda event: None):
            store["gone"] = b""
            store.delete("gone")

    def log():
        with memstore.Store(memory_limit="1MB", logger=logger) as other:
            other["k"] = b"v"

    def other_store():
        with memstore.Store(memory_limit="8MB") as other:
            other.load(path)
            other.warm([b"a", b"b"], lambda keys: dict.fromkeys(keys, b"warmed"))

    def refuse(*_):
        raise ValueError

    return [
        lambda: asyncio.run(loads()),
        lambda: asyncio.run(events()),
        call_back,
        log,
        lambda: store.save(path),
        lambda: store.save(path, progress=refuse),
        lambda: store.save(folder / "nowhere" / "snapshot"),
        lambda: store.load(folder / "absent"),
        lambda: memstore.Store.snapshot_info(path),
        other_store,
        lambda: store.warm([b"a"], refuse),
        lambda: store.advise(),
    ]


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_nothing_leaks(tmp_path):
    with memstore.Store(memory_limit="8MB", max_entry_size="100kB") as store, memstore.Cache(memory_limit="4MB") as cache:
        every = calls(store, cache)
        seldom = slow_calls(store, tmp_path)

        def run(times):
            for i in range(times):
                for call in every:
                    attempt(call)
                # A view that was entered and not left is a cycle. Free-threaded Pythons look for those so seldom that all
                # of the store would be pinned.
                if i % 100 == 0:
                    for call in seldom:
                        attempt(call)
                    gc.collect()
            gc.collect()

        run(500)
        before = resident()
        # `./dev test --long` makes 10 million.
        run(-(-int(os.environ.get("MEMSTORE_LEAK_CALLS", "150000")) // len(every)))
        grown = resident() - before
    # One leaked object of 50 bytes a round would be 150 kB; the allocators' own ups and downs are below 2 MB.
    assert grown < 2_000_000


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_stores_give_their_memory_back():
    def use():
        with memstore.Store(memory_limit="16MB") as store:
            store.set_many({f"key-{i}": b"v" * 1000 for i in range(5000)})
            view = store.view("key-1")
        assert bytes(view) == b"v" * 1000

    for _ in range(5):
        use()
    before = resident()
    for _ in range(50):
        use()
    assert resident() - before < 8_000_000
