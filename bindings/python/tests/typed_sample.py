# SPDX-License-Identifier: Apache-2.0
"""Every public call, with the types that a checker is to see. test_types.py checks it and runs it."""

import asyncio
import logging
import os
import tempfile
from collections.abc import Coroutine, ItemsView, Iterator, ValuesView
from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Union, assert_type

import memstore
from memstore import Cache, Event, EventKind, EventStats, Latency, MemoryStats, Rates, Stats, Store, Subscription, TTLClass


def reading_and_writing(store: Store) -> None:
    store.set("text", b"value", ttl=60)
    store.set(b"bytes", bytearray(b"value"), ttl=timedelta(minutes=1))
    store.set(memoryview(b"view"), memoryview(b"value"), ttl=None)
    store["item"] = b"value"
    store.set_async("later", b"value", ttl=memstore.DEFAULT_TTL)
    store.flush()
    assert_type(store.get("text"), Optional[bytes])
    assert_type(store.get("text", b""), bytes)
    assert_type(store.get("text", 5), Union[bytes, int])
    assert_type(store["item"], bytes)
    assert_type(store.get_versioned("item"), tuple[Optional[bytes], int])
    assert_type("item" in store, bool)
    assert_type(len(store), int)
    assert_type(store.size(), int)
    assert_type(iter(store), Iterator[bytes])
    assert_type(store.delete("text"), bool)
    del store["item"]


def views(store: Store) -> None:
    store["item"] = b"value"
    with store.view("item") as memory:
        assert_type(memory, memoryview)
    view = store.view("item")
    assert_type(view.version, int)
    assert_type(view.released, bool)
    assert_type(len(view), int)
    view.release()


def batches(store: Store) -> None:
    store.set_many({"a": b"1", "b": b"2"}, ttl=5)
    store.set_many([("c", b"3"), (b"d", b"4")])
    store.set_many(["e", b"f"], values=[b"5", memoryview(b"6")], ttl=60)
    assert_type(store.get_many(["a", "b"]), dict[str, bytes])
    assert_type(store.get_many([b"a"]), dict[bytes, bytes])
    assert_type(store.has_many(["a"]), dict[str, bool])
    assert_type(store.delete_many(["a", b"b"]), int)


def conditions(store: Store) -> None:
    assert_type(store.add("new", b"1"), bool)
    assert_type(store.replace("new", b"2", ttl=None), bool)
    assert_type(store.compare_and_set("new", b"3", store.get_versioned("new")[1]), bool)
    assert_type(store.compare_and_delete("new", store.get_versioned("new")[1]), bool)
    assert_type(store.incr("count", 5, initial=1, ttl=60), int)


def times(store: Store) -> None:
    store.set_until("k", b"v", datetime.now(timezone.utc) + timedelta(hours=1))
    store.set_until("k", b"v", 4_000_000_000.0)
    assert_type(store.ttl("k"), Optional[float])
    assert_type(store.expires_at("k"), datetime)
    assert_type(store.created_at("k"), datetime)
    store.expire("k", timedelta(seconds=1))


def patterns(store: Store) -> None:
    assert_type(store.keys("a*"), list[bytes])
    assert_type(store.count("a*"), int)
    assert_type(store.delete_pattern("a*"), int)


def loading(store: Store) -> None:
    def load(key: str) -> Optional[bytes]:
        return key.encode() if key else None

    async def aload(key: str) -> tuple[bytes, float]:
        return key.encode(), 5.0

    assert_type(store.get_or_load("row", load, ttl=5, timeout=1), Optional[bytes])
    assert_type(asyncio.run(store.aget_or_load("arow", aload, ttl=5)), Optional[bytes])


def memoizing(store: Store, cache: Cache[str, int]) -> None:
    @store.memoize(ttl=60)
    def square(n: int, *, scale: float = 1.0) -> float:
        return n * n * scale

    @store.memoize
    async def asquare(n: int) -> int:
        return n * n

    @store.memoize(tags=_tags)
    def tagged(n: int) -> int:
        return n

    @store.memoize(tags=["all"])
    def also_tagged(n: int) -> int:
        return n

    @cache.memoize(key=_text, name="cube", tags=["cubes"])
    def cube(n: int) -> int:
        return n**3

    class Account:
        @store.memoize(key=_year)
        def balance(self, year: int) -> int:
            return year

    assert_type(square(5, scale=2.0), float)
    assert_type(asyncio.run(_awaited(asquare(5))), int)
    assert_type(cube(3), int)
    assert_type(Account().balance(5), int)
    assert_type(square.cache_info(), memstore.CacheInfo)
    assert_type(square.invalidate(5, scale=2.0), bool)
    assert_type(square.cache_key(5), bytes)
    square.cache_clear()
    assert_type(tagged(5) + also_tagged(5), int)
    assert_type(store.invalidate_tags("n/5", "all"), int)
    assert_type(cache.invalidate_tags("cubes"), int)
    assert_type(square.cache_parameters(), dict[str, Any])


def _text(n: int) -> str:
    return str(n)


def _tags(n: int) -> list[str]:
    return [f"n/{n}"]


def _year(account: object, year: int) -> int:
    return year


async def _awaited(coroutine: Coroutine[Any, Any, int]) -> int:
    return await coroutine


def events(store: Store) -> None:
    seen: list[Event] = []
    with store.subscribe(EventKind.DELETED | EventKind.EVICTED, queue_size=10) as subscription:
        assert_type(subscription, Subscription)
        store["k"] = b"v"
        store.delete("k")
        event = subscription.get(timeout=60)
        assert_type(event, Optional[Event])
        assert_type(subscription.dropped, int)
        assert_type(subscription.closed, bool)
    store.on_event(seen.append, EventKind.REMOVALS).close()
    assert_type(store.event_stats(), EventStats)


def statistics(store: Store) -> None:
    assert_type(store.stats(), Stats)
    assert_type(store.stats().hits, int)
    assert_type(store.stats().hit_rate, float)
    assert_type(store.memory(), MemoryStats)
    assert_type(store.ttls(), list[TTLClass])
    assert_type(store.hit_rate(), float)
    assert_type(store.latency("set"), Latency)
    assert_type(store.rates(), Rates)
    assert_type(store.metrics_text(), str)
    assert_type(store.advise(), memstore.Report)
    assert_type(str(store.advise()), str)
    assert_type(store.advise().to_json(), str)
    store.reset_stats()


def snapshots(store: Store) -> None:
    def stop_never(progress: memstore.Progress) -> bool:
        return progress.done > progress.total

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "snapshot")
        assert_type(store.save(path, stop_never), memstore.Progress)
        assert_type(store.load(path), memstore.Progress)
        assert_type(Store.snapshot_info(path), memstore.SnapshotInfo)
    assert_type(store.warm(["x", "y"], lambda keys: {"x": b"row"}, ttl=60), memstore.Progress)


def management(store: Store) -> None:
    assert_type(store.capacity(), int)
    assert_type(store.maintain(0.01), bool)
    store.compact(0.9)
    store.reconfigure("ttl.default_ttl", timedelta(hours=1))
    assert_type(store.setting("max_ttl"), str)
    store.clear()
    assert_type(store.closed, bool)
    store.close()
    asyncio.run(_closed(store))


async def _closed(store: Store) -> None:
    async with memstore.Store() as other:
        await other.aflush()
    await store.aclose()


def caches(cache: Cache[str, int]) -> None:
    cache["a"] = 1
    cache.set("b", 2, ttl=60)
    assert_type(cache["a"], int)
    assert_type(cache.get("a"), Optional[int])
    assert_type(cache.get("a", 5), int)
    cache.set_many({"a": 1}, ttl=60)
    cache.set_many([("b", 2)])
    assert_type(cache.get_many(["a", "b"]), dict[str, int])
    assert_type(cache.delete_many(["c"]), int)
    assert_type(cache.ttl("b"), Optional[float])
    assert_type(list(cache), list[str])
    assert_type(cache.items(), ItemsView[str, int])
    assert_type(cache.values(), ValuesView[int])
    assert_type(list(cache.items()), list[tuple[str, int]])
    assert_type(cache.pop("a"), int)
    assert_type(cache.pop("a", None), Optional[int])
    assert_type(cache.setdefault("c", 3), int)
    assert_type(cache.popitem(), tuple[str, int])
    assert_type(cache.store, Store)
    cache.clear()
    cache.close()


def keywords() -> None:
    settings: memstore.StoreSettings = {"eviction": "lru", "shards": 4, "ttl": {"max_ttl": "24h"}, "loader__timeout": 5}
    settings["huge_pages"] = "off"
    with Store(memory_limit="16MB", logger=None, **settings) as store:
        assert_type(store.capacity(), int)
    cache: Cache[str, int] = Cache(codec="json", memory_limit="16MB", default_ttl=timedelta(hours=1), jitter=5)
    cache.close()


def errors(store: Store) -> None:
    try:
        store["absent"]
    except memstore.KeyNotFound as missing:
        assert_type(missing.status, str)
    try:
        store.set("k", b"v", ttl=-1)
    except memstore.Error:
        pass


def main() -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("ttl: {default_ttl: 1h}\n")
        file.flush()
        with assert_type(Store.from_yaml(file.name, environment=False, shards=16), Store) as reloaded:
            reloaded.reload_yaml(file.name, environment=False, shards=16)
    settings: memstore.Store
    with Store(
        {"ttl": {"store_creation_time": True}},
        memory_limit="16MB",
        default_ttl=60,
        track_operation_latency=True,
        logger=logging.getLogger("sample"),
    ) as settings:
        store: Store = settings
        cache: Cache[str, int] = Cache(memory_limit="16MB", codec=memstore.JSON)
        for use in (reading_and_writing, views, batches, conditions, times, patterns, loading, events, statistics, snapshots, errors):
            use(store)
        keywords()
        memoizing(store, cache)
        caches(cache)
        management(store)


if __name__ == "__main__":
    main()
