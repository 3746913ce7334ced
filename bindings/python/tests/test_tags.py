# SPDX-License-Identifier: Apache-2.0
"""Results of memoized functions that are forgotten by their tags."""

import asyncio
import threading

import memstore
import pytest
from conftest import wait_until
from test_threads import run_in_threads


def test_a_tag_forgets_the_results_that_have_it_in_all_functions(store):
    calls = []

    @store.memoize(tags=lambda user, year: {f"user/{user}", f"year/{year}"})
    def report(user, year):
        calls.append(("report", user, year))
        return [user, year]

    @store.memoize(tags=lambda user: [f"user/{user}"])
    def name(user):
        calls.append(("name", user))
        return str(user)

    def ask():
        calls.clear()
        assert [report(1, 2025), report(1, 2026), report(2, 2026)] == [[1, 2025], [1, 2026], [2, 2026]]
        assert [name(1), name(2)] == ["1", "2"]
        return list(calls)

    assert len(ask()) == 5
    assert ask() == []
    assert store.invalidate_tags("user/1") == 1
    assert ask() == [("report", 1, 2025), ("report", 1, 2026), ("name", 1)]
    assert store.invalidate_tags("year/2026", "user/2", "user/3") == 2
    assert ask() == [("report", 1, 2026), ("report", 2, 2026), ("name", 2)]
    assert store.invalidate_tags() == 0
    assert ask() == []


def test_tags_of_all_calls(store):
    calls = []

    @store.memoize(tags=["prices", "prices", "all"])
    def price(item):
        calls.append(item)
        return item * 2

    assert [price(1), price(2), price(1)] == [2, 4, 2]
    assert store.invalidate_tags("all") == 1
    assert [price(1), price(2)] == [2, 4]
    assert calls == [1, 2, 1, 2]
    assert price.cache_info()[:2] == (1, 4)


def test_a_single_result_and_all_of_a_function_are_forgotten_as_without_tags(store):
    calls = []

    @store.memoize(tags=["t"])
    def square(n):
        calls.append(n)
        return n * n

    square(1), square(2)
    assert square.invalidate(1) and not square.invalidate(1)
    square(1), square(2)
    assert calls == [1, 2, 1]
    square.cache_clear()
    assert square.cache_info().currsize == 0
    square(2)
    assert calls == [1, 2, 1, 2]


def test_a_tag_that_is_forgotten_during_a_call_wins(store):
    @store.memoize(tags=["t"])
    def slow(n):
        calls.append(n)
        if len(calls) == 1:
            store.invalidate_tags("t")
        return len(calls)

    calls = []
    assert [slow(1), slow(1), slow(1)] == [1, 2, 2]


def test_the_eviction_of_a_version_loses_results_and_brings_none_back(store):
    values = iter(range(100))

    @store.memoize(tags=["t"])
    def number():
        return next(values)

    assert [number(), number()] == [0, 0]
    for _ in range(3):
        for key in store.keys("memstore.tag:*"):
            assert store.delete(key)
        assert number() == number()
    assert number() == 3


def test_a_store_that_keeps_nothing_still_computes(store):
    with memstore.Store(memory_limit="16MB", eviction="none") as full:
        with pytest.raises(memstore.CacheFull):
            for i in range(100):
                full.set(f"k/{i}", bytes(1 << 20))
        # Of what is left either the segments or a shard's index has no more.
        with pytest.raises((memstore.CacheFull, memstore.ShardOverflow)):
            for i in range(10**6):
                full.set(f"small/{i}", bytes(16))

        @full.memoize(tags=["t"])
        def square(n):
            return n * n

        assert [square(3), square(3)] == [9, 9]

    @store.memoize(tags=["t"])
    def cube(n):
        return n**3

    store.close()
    assert cube(2) == 8


def test_versions_that_are_not_told_in_time_are_made_anew(store, monkeypatch):
    """Then the function is called, as without tags, and nothing is looked for where it might be old."""
    calls = []

    @store.memoize(tags=["a", "b"])
    def function():
        return calls.append(1)

    def held_up(self, keys):
        raise memstore.LockTimeout("another writes")

    function()
    with monkeypatch.context() as patch:
        patch.setattr(memstore.Store, "get_many", held_up)
        function()
    assert len(calls) == 2
    function()
    assert len(calls) == 2


def test_many_threads_compute_once_and_agree_on_a_new_version(store):
    for _ in range(20):
        calls, results, start = [], [], threading.Barrier(8)

        @store.memoize(tags=["a", "b"], name="slow")
        def slow(calls=calls):
            calls.append(1)
            return len(calls)

        def ask(start=start, results=results, slow=slow):
            start.wait(60)
            results.append(slow())

        run_in_threads(*[ask] * 8)
        # Who made the versions of a tag and who found them look for one result.
        assert calls == [1] and results == [1] * 8
        assert store.invalidate_tags("a") == 1


def test_removals_beside_calls_leave_no_old_result(store):
    truth, forgotten, done = [0], [0], threading.Event()

    @store.memoize(tags=["t"])
    def read():
        return truth[0]

    def change():
        for i in range(1, 2000):
            truth[0] = i
            store.invalidate_tags("t")
            forgotten[0] = i
            assert read() == i
        done.set()

    def ask():
        while not done.is_set():
            before = forgotten[0]
            assert read() >= before

    run_in_threads(change, ask, ask)
    assert wait_until(done.is_set, 1) and read() == 1999


def test_coroutine_functions(store):
    calls = []

    @store.memoize(tags=lambda n: [f"n/{n}"])
    async def square(n):
        calls.append(n)
        await asyncio.sleep(0)
        return n * n

    async def main():
        assert await asyncio.gather(square(2), square(2), square(3)) == [4, 4, 9]
        store.invalidate_tags("n/2")
        assert await asyncio.gather(square(2), square(3)) == [4, 9]

    asyncio.run(main())
    assert sorted(calls) == [2, 2, 3]


def test_results_with_tags_are_found_after_a_snapshot(store, tmp_path):
    store.memoize(tags=["t"], name="number")(lambda: 1)()
    store.save(tmp_path / "snapshot")
    with memstore.Store() as other:
        other.load(tmp_path / "snapshot")
        number = other.memoize(tags=["t"], name="number")(lambda: 2)
        assert number() == 1
        other.invalidate_tags("t")
        assert number() == 2


def test_what_is_no_tag_is_refused(store):
    with pytest.raises(TypeError, match="tags are an iterable of text"):
        store.memoize(tags="one")(len)
    with pytest.raises(TypeError, match="a tag is text, not 5"):
        store.invalidate_tags(5)
    with pytest.raises(TypeError):
        store.memoize(tags=lambda n: [n])(abs)(5)
    with pytest.raises(memstore.CacheClosed):
        store.close()
        store.invalidate_tags("t")


def test_a_list_of_tags_is_not_one_tag(store):
    for tag in (["a"], 5, None):
        with pytest.raises(TypeError, match="a tag is text"):
            store.invalidate_tags(tag)


def test_versions_that_were_loaded_are_no_items_of_a_cache(tmp_path):
    path = tmp_path / "snapshot"
    with memstore.Cache(memory_limit="16MB") as cache:
        cache.memoize(tags=["t"])(lambda n: n)(1)
        cache.store.save(path)
    with memstore.Cache(memory_limit="16MB") as cache:
        assert len(cache) == 0
        cache.store.load(path)
        assert len(cache) == len(list(cache)) == 1
        cache.popitem()
        assert not cache
        with pytest.raises(KeyError):
            cache.popitem()
