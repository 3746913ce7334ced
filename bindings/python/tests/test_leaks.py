# SPDX-License-Identifier: Apache-2.0
"""Resident memory stays where it is while everything is called over and over, the failures too."""

import gc
import os

import memstore
import pytest


def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def attempt(call):
    """Call; exceptions of the kinds that the calls below are to raise are part of the test."""
    try:
        call()
    except (memstore.Error, TypeError, ValueError, BufferError, OverflowError, ZeroDivisionError):
        pass


def calls(store):
    key = bytearray(b"key")
    square = store.memoize(lambda n: n * n)
    failing = store.memoize(lambda n: 1 // n)
    cache_info = square.cache_info
    items = {f"key-{i}": b"v" * 100 for i in range(100)}
    mixed = [*items, key, b"bytes", memoryview(b"view")]
    return [
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


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_nothing_leaks():
    with memstore.Store(memory_limit="8MB", max_entry_size="100kB") as store:
        every = calls(store)

        def run(times):
            for i in range(times):
                for call in every:
                    attempt(call)
                # A view that was entered and not left is a cycle. Free-threaded Pythons look for those so seldom that all
                # of the store would be pinned.
                if i % 100 == 0:
                    gc.collect()
            gc.collect()

        run(500)
        before = resident()
        # 150,000 calls; `./dev test --long` makes 10 million.
        run(int(os.environ.get("MEMSTORE_LEAK_ROUNDS", "3000")))
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
