# SPDX-License-Identifier: Apache-2.0
"""memstore.integrations.aiocache."""

import asyncio
import pathlib
import re
import shutil
import subprocess
import sys
from unittest import mock

import memstore
import pytest
from conftest import upstream_tests, wait_until

pytest.importorskip("aiocache")

import aiocache
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer, StringSerializer
from memstore.integrations.aiocache import MemstoreCache


HERE = pathlib.Path(__file__).parent
#: They look into a dict of aiocache's own, or read with a serializer what none has written.
ABOUT_ITS_OWN = "test_raw or (key_builder and (TestMemoryRedLock or TestMemoryOptimisticLock)) or Redis or Memcached"


def test_aiocaches_own_tests(tmp_path):
    source = upstream_tests("aiocache")
    if not (source / "acceptance" / "test_base.py").is_file():
        pytest.skip("aiocache's source distribution is not there")
    folder = tmp_path / "tests" / "acceptance"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "utils.py"):
        shutil.copy(source / name, folder.parent)
    for name in ("__init__.py", "test_base.py", "test_lock.py", "test_decorators.py"):
        shutil.copy(source / "acceptance" / name, folder)
    shutil.copy(HERE / "aiocache_fixtures.py", folder / "conftest.py")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--rootdir", str(tmp_path),
         "-k", f"not ({ABOUT_ITS_OWN})", str(folder)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.search(r"(\d+) passed", result.stdout)[1]) > 50


@pytest.fixture
def cache():
    made = MemstoreCache(memory_limit="16MB", namespace="test:")
    yield made
    made.store.close()


def test_every_method(cache):
    async def run():
        assert await cache.set("k", [1]) is True
        assert await cache.get("k") == [1] and await cache.get("absent", default=5) == 5
        assert await cache.add("new", 1) is True
        with pytest.raises(ValueError, match="already exists"):
            await cache.add("new", 2)
        assert await cache.exists("k") and not await cache.exists("absent")
        assert await cache.multi_set([("a", None), ("b", 2)], ttl=60) is True
        assert await cache.multi_get(["b", "absent", "a", "k"]) == [2, None, None, [1]]
        assert 59 < cache.store.ttl("test:b") <= 60 and cache.store.ttl("test:k") is None
        assert await cache.expire("k", 30) and not await cache.expire("absent", 30)
        assert 29 < cache.store.ttl("test:k") <= 30
        assert await cache.expire("k", 0) and cache.store.ttl("test:k") is None
        assert (await cache.delete("k"), await cache.delete("k")) == (1, 0)
        assert (await cache.increment("n"), await cache.increment("n", 5)) == (1, 6)
        with pytest.raises(TypeError):
            await cache.increment("a")
        assert await cache.raw("count", "test:*") == 4

    asyncio.run(run())


def test_integers_are_counters_and_others_are_pickled(cache):
    async def run():
        for value in (0, -5, 2**63, True, 1.5, "7", b"7", [1]):
            await cache.set("k", value)
            found = await cache.get("k", default="absent")
            assert found == value and type(found) is type(value)
        await cache.set("n", 5)
        assert await cache.increment("n", 2) == 7 == await cache.get("n")

    asyncio.run(run())


def test_a_lock_of_a_key_that_is_absent_never_fails(cache):
    async def run():
        async with OptimisticLock(cache, "k") as lock:
            await cache.set("k", "another's")
            await lock.cas("mine")
        return await cache.get("k")

    assert asyncio.run(run()) == "mine"


def test_a_lock_is_released_although_its_entry_was_moved_when_it_was_read(cache, monkeypatch):
    store = mock.Mock(wraps=cache.store)
    store.compare_and_delete.side_effect = [False, mock.DEFAULT]
    monkeypatch.setattr(type(cache), "store", property(lambda self: store))

    async def run():
        async with RedLock(cache, "k", lease=60):
            pass
        return await cache.get("k-lock")

    assert asyncio.run(run()) is None
    assert store.compare_and_delete.call_count == 2


def test_a_namespace_is_cleared_alone(cache):
    async def run():
        await cache.set("k", 1)
        await cache.set("k", 2, namespace="other*:")
        await cache.set("k", 3, namespace="otherx:")
        assert await cache.clear(namespace="other*:")
        assert await cache.get("k") == 1 and await cache.get("k", namespace="otherx:") == 3
        assert await cache.clear()
        return len(cache.store)

    assert asyncio.run(run()) == 0


def test_times_to_live():
    async def run():
        async with MemstoreCache(ttl=50, memory_limit="16MB") as cache:
            await cache.set("default", 1)
            await cache.set("own", 1, ttl=20)
            await cache.set("short", 1, ttl=0.01)
            assert 49 < cache.store.ttl("default") <= 50 and 19 < cache.store.ttl("own") <= 20
            assert wait_until(lambda: "short" not in cache.store)
            return cache.store

    assert asyncio.run(run()).closed


def test_of_a_batch_what_has_room_is_kept():
    async def run():
        async with MemstoreCache(max_entry_size=1000) as cache:
            await cache.set("b", "old")
            await cache.multi_set([("a", "small"), ("b", "x" * 5000), ("c", 5)], ttl=60)
            assert await cache.multi_get(["a", "b", "c"]) == ["small", None, 5]
            assert 59 < cache.store.ttl("a") <= 60

    asyncio.run(run())


def test_a_cache_can_be_used_after_it_was_closed():
    async def run():
        cache = MemstoreCache(memory_limit="16MB")
        await cache.set("k", 1)
        await cache.close()
        assert await cache.get("k") is None and await cache.set("k", 2) and await cache.get("k") == 2
        assert cache.store.capacity() == 16_000_000
        await cache.close()

    asyncio.run(run())


def test_a_store_that_was_given_outlives_the_caches_that_share_it(store):
    async def run():
        async with MemstoreCache(store=store) as one:
            await one.set("k", 1)
        async with MemstoreCache(store=store) as two:
            assert await two.get("k") == 1

    asyncio.run(run())
    assert not store.closed


def test_serializers(store):
    async def run():
        text = MemstoreCache(serializer=StringSerializer(), store=store)
        await text.set("k", 5)
        assert store["k"] == b"5" and await text.get("k") == "5"
        as_json = MemstoreCache(serializer=JsonSerializer(), store=store)
        await as_json.set("j", {"a": 1})
        assert store["j"] == b'{"a": 1}' and await as_json.get("j") == {"a": 1}

    asyncio.run(run())
    with pytest.raises(ValueError, match="memory_limit"):
        MemstoreCache(store=store, memory_limit="1MB")


def test_decorators():
    calls = []
    with memstore.Store() as store:

        @aiocache.cached(ttl=60, cache=MemstoreCache, store=store)
        async def square(n):
            calls.append(n)
            return n * n

        async def run():
            return [await square(3), await square(3), await square(4)]

        assert asyncio.run(run()) == [9, 9, 16] and calls == [3, 4] and len(store) == 2


def test_configuration_by_name():
    aiocache.caches.set_config(
        {"default": {"cache": "memstore.integrations.aiocache.MemstoreCache", "memory_limit": "16MB"}}
    )
    cache = aiocache.caches.get("default")
    assert isinstance(cache, MemstoreCache) and cache.store.capacity() == 16_000_000
    cache.store.close()


def test_locks(cache):
    async def run():
        order = []

        async def work(name):
            async with RedLock(cache, "job", lease=60):
                order.append(name)
                await asyncio.sleep(0.001)
                if await cache.get("job") is None:
                    await cache.set("job", name)

        await asyncio.gather(work("first"), work("second"))
        assert await cache.get("job") == "first" and not await cache.exists("job-lock")

        async with RedLock(cache, "lost", lease=60):
            await cache.set("lost-lock", "another's")
        assert await cache.exists("lost-lock")

        await cache.set("k", 1)
        async with OptimisticLock(cache, "k") as lock:
            await lock.cas(2)
        with pytest.raises(OptimisticLockError):
            async with OptimisticLock(cache, "k") as lock:
                await cache.set("k", 3)
                await lock.cas(4)
        return await cache.get("k")

    assert asyncio.run(run()) == 3
