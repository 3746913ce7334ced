#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""memstore in the order in which one needs it. Run it, read it, change it: every statement is checked.

usage: tutorial.py
"""

import asyncio
import time
from datetime import timedelta

import memstore


def first_steps():
    """Keys to bytes, each with its time to live."""
    with memstore.Store(memory_limit="64MB", default_ttl="1h") as store:
        store["block/42"] = b"header"  # for an hour
        store.set("block/43", b"header", ttl=60)  # for a minute
        store.set("genesis", b"header", ttl=None)  # for ever, or until room is needed

        assert store["block/42"] == b"header"
        assert store.get("block/44") is None  # what is not there is an outcome, not an exception
        assert "block/43" in store and len(store) == 3
        assert 59 < store.ttl("block/43") <= 60 and store.ttl("genesis") is None

        store.expire("block/43", timedelta(milliseconds=5))
        time.sleep(0.01)
        assert "block/43" not in store  # to the millisecond, and its memory is given back by itself


def several_at_once(store):
    """Batches are seen whole or not at all, by every reader."""
    store.set_many({"tx/1": b"10", "tx/2": b"20"}, ttl=60)
    assert store.get_many(["tx/1", "tx/2", "tx/3"]) == {"tx/1": b"10", "tx/2": b"20"}
    assert store.has_many(["tx/1", "tx/3"]) == {"tx/1": True, "tx/3": False}
    assert sorted(store.keys("tx/*")) == [b"tx/1", b"tx/2"]
    assert store.delete_pattern("tx/*") == 2


def without_races(store):
    """Conditions are judged and kept in one step."""
    assert store.add("lock", b"me", ttl=10) and not store.add("lock", b"you", ttl=10)
    assert store.incr("visits") == 1 and store.incr("visits", 10) == 11

    store["balance"] = b"100"
    value, version = store.get_versioned("balance")
    assert store.compare_and_set("balance", b"%d" % (int(value) - 30), version)
    assert not store.compare_and_set("balance", b"0", version)  # somebody was faster: read again


def without_copies(store):
    """A view is the store's own memory, which stays as it is until the block is left."""
    store["large"] = bytes(1_000_000)
    with store.view("large") as memory:
        store.clear()
        assert len(memory) == 1_000_000 and memory.readonly


def objects():
    """A Cache is a mapping of objects."""
    with memstore.Cache(memory_limit="64MB", default_ttl="10m") as cache:
        cache["user", 7] = {"name": "Ada"}
        assert cache["user", 7] == {"name": "Ada"}
        cache.set("nobody", None, ttl=30)  # None is a value
        assert cache.get("nobody", "default") is None


def functions(store):
    """Results of functions, each computed once however many threads ask."""
    calls = []

    @store.memoize(ttl=60)
    def report(year):
        calls.append(year)
        return {"year": year, "total": year * 2}

    assert report(2026) == report(2026) == {"year": 2026, "total": 4052} and calls == [2026]
    report.invalidate(2026)  # also while it is being computed; invalidate_tags() forgets what memoize(tags=…) marked
    report(2026)
    assert calls == [2026, 2026]

    @store.memoize(ttl=60)
    async def fetch(number):
        await asyncio.sleep(0.001)
        return number

    async def many():
        return await asyncio.gather(*[fetch(1) for _ in range(100)])

    assert asyncio.run(many()) == [1] * 100 and fetch.cache_info().misses == 100


def in_front_of_a_database(store):
    """What is not there is loaded: once for a key, and never older than the last delete."""
    database = {"row/1": b"one"}

    def load(key):
        return database.get(key)  # None: there is no such row, which is remembered for a moment

    assert store.get_or_load("row/1", load, ttl=60) == b"one"
    database["row/1"] = b"two"  # change the database first,
    store.delete("row/1")  # then delete the key
    assert store.get_or_load("row/1", load, ttl=60) == b"two"
    assert store.get_or_load("row/2", load) is None


def what_happens():
    """Events tell what goes, statistics what it comes to."""
    with memstore.Store(memory_limit="4MB") as store, store.subscribe(memstore.EventKind.EVICTED) as evicted:
        for i in range(20_000):
            store[f"key/{i}"] = bytes(400)
        event = evicted.get(timeout=60)
        assert event.kind is memstore.EventKind.EVICTED and len(event.value) == 400
        stats, memory = store.stats(), store.memory()
        assert stats.evictions > 0 and memory.charged <= memory.limit == 4_000_000
        print(f"{stats.entries:,} of {stats.sets:,} entries are left in {memory.charged:,} bytes")


def main():
    first_steps()
    with memstore.Store(memory_limit="64MB") as store:
        for chapter in (several_at_once, without_races, without_copies, functions, in_front_of_a_database):
            chapter(store)
    objects()
    what_happens()


if __name__ == "__main__":
    main()
