# SPDX-License-Identifier: Apache-2.0
"""memstore.integrations.django: Django's own test cases, and what goes beyond them."""

import asyncio
import pathlib
import re
import subprocess
import sys
import threading

import memstore
import pytest
from conftest import upstream_tests, wait_until
from full_store_cases import SETTINGS, check_that_many_go_alone, full_stores
from test_threads import run_in_threads

pytest.importorskip("django")

from django.conf import settings

if not settings.configured:
    settings.configure(CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}})

from memstore.integrations import _shared
from memstore.integrations.django import MemstoreCache

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def cache():
    yield MemstoreCache("test", {"OPTIONS": {"memory_limit": "16MB", "max_entry_size": "100kB"}})
    _shared.close_named()


def test_djangos_own_cases():
    if not (upstream_tests("Django") / "cache" / "tests.py").is_file():
        pytest.skip("Django's source distribution is not there")
    result = subprocess.run(
        [sys.executable, str(HERE / "django_cases.py"), str(upstream_tests("Django"))],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.search(r"Ran (\d+) tests", result.stdout)[1]) > 50


def test_integers_are_counters_and_others_are_pickled(cache):
    for value in (0, -5, 2**63 - 1, 2**63, True, 1.5, None, "7", b"7", [1]):
        cache.set("k", value)
        assert cache.get("k", "absent") == value and type(cache.get("k")) is type(value)
    cache.set("n", 5, timeout=100)
    assert cache.incr("n") == 6 and cache.decr("n", 10) == -4
    assert cache.store.get(":1:n") == b"-4" and 99 < cache.store.ttl(":1:n") <= 100
    cache.set("n", 2**63 - 1)
    assert cache.incr("n", 5) == cache.get("n") == 2**63 + 4
    cache.set("f", 1.5, timeout=100)
    assert cache.incr("f", 0.5) == 2.0 and 99 < cache.store.ttl(":1:f") <= 100
    cache.set("t", "text")
    with pytest.raises(TypeError):
        cache.incr("t")


class Vanishing(memstore.Store):
    """One whose counters run out just before they are counted."""

    def incr(self, key, *arguments, **more):
        self.delete(key)
        return super().incr(key, *arguments, **more)


@pytest.mark.parametrize("delta", [1, -1, 0, 2**63 - 1, -(2**63)])
def test_a_counter_that_runs_out_is_not_begun_anew(delta):
    with Vanishing() as store:
        store.set("n", b"0", ttl=60)
        assert _shared.count(store, "n", delta) in (None, 0)  # 0 stays what it is without a count
        assert _shared.count(store, "absent", delta) is None and "absent" not in store
        assert delta == 0 or "n" not in store


class Slow(memstore.Store):
    """One in which time goes on between the look at a TTL and what is done with it."""

    def ttl(self, key):
        told = super().ttl(key)
        assert wait_until(lambda: super(Slow, self).ttl(key) < told)
        return told


@pytest.mark.parametrize("number, delta", [(1.5, 0.5), (2**80, 1), (1, 0)])
@pytest.mark.parametrize("settings", [{"min_ttl": 59.99}, {"ttl_precision": "second"}], ids=str)
def test_the_expiry_of_a_counter_stays(settings, number, delta):
    """Also of one that is no integer of 64 bits; whole minutes pass in test_clock.py."""
    with Slow(settings) as store:
        store.set("n", _shared.encode(number), 60)
        expiry = store.expires_at("n")
        assert wait_until(lambda: store.ttl("n") < 59.98)
        for i in range(1, 6):
            assert _shared.count(store, "n", delta) == number + i * delta
        assert abs((store.expires_at("n") - expiry).total_seconds()) < 0.1


def test_counting_loses_nothing(cache):
    cache.set_many({"n": 0, "f": 0.0})

    def count():
        for _ in range(500):
            cache.incr("n")
            cache.incr("f", 0.5)

    run_in_threads(*[count] * 4)
    assert cache.get_many(["n", "f", "absent"]) == {"n": 2000, "f": 1000.0}


def test_a_value_without_room_leaves_no_older_one(cache):
    cache.set("k", "old")
    cache.set("k", "x" * 200_000)
    assert cache.get("k") is None
    assert cache.add("a", "x" * 200_000) is False
    assert cache.set_many({"a": 1, "b": "x" * 200_000, "c": 2}) == ["b"]
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "c": 2}
    assert cache.get_or_set("large", lambda: "x" * 200_000) == "x" * 200_000 and "large" not in cache


@full_stores
@pytest.mark.parametrize("call", ["delete_many", "set_many"])
def test_many_are_deleted_from_a_full_store(eviction, call):
    """A timeout of 0 deletes, too."""
    cache = MemstoreCache("full", {"OPTIONS": {"eviction": eviction, **SETTINGS}})
    deletions = {"delete_many": cache.delete_many, "set_many": lambda keys: cache.set_many(dict.fromkeys(keys), timeout=0)}
    try:
        check_that_many_go_alone(cache.store, lambda key: cache.set(key, "x" * 60), deletions[call])
    finally:
        _shared.close_named("django:full")


class Refusing(memstore.Store):
    """One without memory for batches."""

    def delete_many(self, keys):
        raise memstore.MemoryExhausted


def test_many_are_deleted_although_a_batch_of_them_is_refused():
    with Refusing() as store:
        store.set_many({f"{i}": b"x" for i in range(300)})
        _shared.delete_many(store, (f"{i}" for i in range(299)))
        assert list(store) == [b"299"]


def test_get_or_set_calls_its_default_once(cache):
    leave = threading.Event()
    calls, results = [], []

    def compute():
        calls.append(1)
        leave.wait(60)
        return None

    def let_go():
        assert wait_until(lambda: calls, 60)
        leave.set()

    run_in_threads(*[lambda: results.append(cache.get_or_set("k", compute, 60))] * 8, let_go)
    assert calls == [1] and results == [None] * 8
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("failing", lambda: 1 / 0)
    assert cache.get_or_set("nested", lambda: cache.get_or_set("nested", lambda: 5)) == 5


@pytest.mark.parametrize("failure", [memstore.CacheFull, memstore.LoaderFailed, memstore.LockTimeout])
def test_get_or_set_calls_a_default_that_fails_as_stores_do_once(cache, failure):
    calls, failed = [], failure("of another store")

    def compute():
        calls.append(1)
        raise failed

    with pytest.raises(failure) as caught:
        cache.get_or_set("k", compute)
    assert caught.value is failed and calls == [1]


def test_get_or_set_fails_for_no_want_of_room():
    options = {"loader.on_store_error": "fail", "max_entry_size": "100kB", "max_concurrent_readers": 1, "lock_timeout": 0.01}
    cache = MemstoreCache("bounded", {"OPTIONS": options})
    calls = []

    def compute():
        calls.append(1)
        return "x" * 200_000

    try:
        assert cache.get_or_set("large", compute) == "x" * 200_000 and calls == [1]
        cache.set("k", 1)
        with cache.store.view(":1:k"):
            assert cache.get_or_set("k", lambda: 2) == 1
            assert cache.get_or_set("absent", lambda: 3) == 3
    finally:
        _shared.close_named("django:bounded")


def test_the_asynchronous_methods(cache):
    async def run():
        assert await cache.aadd("k", 1) and not await cache.aadd("k", 2)
        await cache.aset("n", 5)
        assert (await cache.aincr("n"), await cache.adecr("n", 2)) == (6, 4)
        assert await cache.aget_many(["k", "n"]) == {"k": 1, "n": 4}
        assert await cache.aset_many({"a": 1, "b": 2}, 60) == []
        assert await cache.atouch("a", 30) and not await cache.atouch("absent")
        assert await cache.ahas_key("a") and await cache.adelete("a") and not await cache.ahas_key("a")
        assert await cache.aget_or_set("computed", lambda: 7) == 7
        assert await cache.aincr_version("b") == 2 and await cache.aget("b", version=2) == 2
        await cache.adelete_many(["k", "n"])
        assert await cache.aget("k", "gone") == "gone"
        await cache.aclear()
        await cache.aclose()
        return len(cache.store)

    assert asyncio.run(run()) == 0


def test_caches_of_one_location_share_a_store_until_it_is_closed(cache):
    other = MemstoreCache("test", {"OPTIONS": {"memory_limit": "16MB", "max_entry_size": "100kB"}, "KEY_PREFIX": "p"})
    elsewhere = MemstoreCache("elsewhere", {})
    cache.set("k", 1)
    assert other.store is cache.store is not elsewhere.store
    assert other.get("k") is None and other.store.get(":1:k") == b"1"
    with pytest.raises(ValueError, match="other settings"):
        MemstoreCache("test", {"OPTIONS": {"memory_limit": "32MB"}})
    with pytest.raises(memstore.InvalidConfig):
        MemstoreCache("wrong", {"OPTIONS": {"memory_limt": "32MB"}})
    cache.close()
    assert cache.get("k") == 1
    cache.store.close()
    assert cache.get("k") is None and other.store is cache.store
