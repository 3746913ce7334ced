# SPDX-License-Identifier: Apache-2.0
"""A miss is told from every value by an object of one's own, and None is a value."""

import asyncio

import memstore
import pytest

MISSING = object()


@pytest.fixture(params=["pickle", "json", "msgpack"])
def cache(request):
    if request.param == "msgpack":
        pytest.importorskip("msgpack")
    with memstore.Cache(memory_limit="16MB", codec=request.param) as opened:
        yield opened


def test_a_sentinel_tells_a_miss_of_a_store(store):
    store["empty"] = b""
    assert store.get("empty", MISSING) == b""
    assert store.get("absent", MISSING) is store.get("absent", default=MISSING) is MISSING
    assert store.get("absent") is None
    assert [store.get_many(["empty", "absent"]).get(key, MISSING) for key in ("empty", "absent")] == [b"", MISSING]
    with pytest.raises(memstore.KeyNotFound):
        store["absent"]


def test_a_sentinel_tells_a_miss_from_a_none_in_a_cache(cache):
    cache["none"] = None
    assert cache.get("none", MISSING) is None and "none" in cache
    assert cache.get("absent", MISSING) is MISSING and "absent" not in cache
    found = cache.get_many(["none", "absent"])
    assert found == {"none": None} and found.get("absent", MISSING) is MISSING
    assert cache.setdefault("none", "another") is None
    assert cache["none"] is None
    assert cache.pop("none", MISSING) is None
    assert cache.pop("none", MISSING) is MISSING
    assert cache.pop("none", None) is None
    with pytest.raises(memstore.KeyNotFound):
        cache.pop("none")


def test_a_none_that_a_memoized_function_returns_is_kept(cache):
    calls = []

    @cache.memoize
    def nothing(n):
        calls.append(n)

    assert nothing(1) is nothing(1) is None
    assert (calls, nothing.cache_info().hits) == ([1], 1)


def test_a_none_that_a_memoized_coroutine_returns_is_kept(store):
    calls = []

    @store.memoize
    async def nothing(n):
        calls.append(n)

    async def twice():
        return await nothing(1), await nothing(1)

    assert asyncio.run(twice()) == (None, None)
    assert (calls, nothing.cache_info().hits) == ([1], 1)


def test_batches_of_a_cache(cache):
    cache.set_many([("a", 1), ("b", None)], ttl=60)
    cache.set_many({"c": [1, 2]})
    assert 59 < cache.ttl("a") <= 60 and cache.ttl("c") is None
    assert cache.get_many(iter(["c", "a", "b", "d"])) == {"c": [1, 2], "a": 1, "b": None}
    assert cache.get_many([]) == {}
    assert cache.delete_many(["a", "d", "b"]) == 2 and list(cache) == ["c"]


def test_a_batch_that_cannot_be_encoded_changes_nothing():
    with memstore.Cache(memory_limit="16MB", codec="json") as cache:
        with pytest.raises(TypeError):
            cache.set_many({"a": 1, "b": object()})
        assert not cache
