# SPDX-License-Identifier: Apache-2.0
import asyncio
import contextlib
import gc
import importlib
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import memstore
import pytest
from test_gil import hold_memory
from test_threads import run_in_threads

from conftest import wait_until


class Row:
    """A database of one row; counts how often it is asked."""

    def __init__(self, value, during=None):
        self.value = value
        self.during = during
        self.calls = 0

    def __call__(self, key):
        self.calls += 1
        if self.during is not None:
            self.during()
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def test_what_is_not_there_is_loaded_once_and_stored(store):
    row = Row(b"row")
    assert store.get_or_load("k", row, ttl=60) == b"row"
    assert store.get_or_load(b"k", row) == b"row"
    assert row.calls == 1 and 59 < store.ttl("k") <= 60
    assert store.stats().loads == 1


def test_a_loader_may_give_the_ttl(store):
    assert store.get_or_load("k", lambda key: (b"row", 30)) == b"row"
    assert 29 < store.ttl("k") <= 30


def test_what_does_not_exist_is_none_and_remembered(store):
    row = Row(None)
    assert store.get_or_load("k", row) is None
    assert store.get_or_load("k", row) is None
    assert row.calls == 1
    store["k"] = b"v"
    assert store.get_or_load("k", row) == b"v"


@pytest.mark.parametrize("size", [0, 1, 5000, 300_000])
def test_values_of_all_sizes(store, size):
    assert store.get_or_load("k", lambda key: bytearray(size)) == bytes(size)
    assert store.get_or_load("k", Row(None)) == bytes(size)


def test_the_loaders_exception_reaches_its_caller_unchanged(store):
    failure = KeyError("the database is down")
    with pytest.raises(KeyError) as caught:
        store.get_or_load("k", Row(failure))
    assert caught.value is failure
    assert store.get_or_load("k", Row(b"row")) == b"row"


def test_what_is_no_value_is_refused(store):
    for wrong in ("text", 7, (b"v",), (b"v", "ttl"), object()):
        with pytest.raises(TypeError):
            store.get_or_load("k", Row(wrong))
    with pytest.raises(memstore.InvalidTTL):
        store.get_or_load("k", Row((b"v", -1)))
    with pytest.raises(memstore.InvalidArgument):
        store.get_or_load("k", Row(b"v"), timeout=-1)
    with pytest.raises(TypeError):
        store.get_or_load("k")
    assert "k" not in store


def test_a_loader_that_asks_for_it_is_called_again():
    with memstore.Store(loader={"retry_initial": 0.001}) as store:
        answers = [memstore.LoadRetry(), memstore.LoadRetry(), b"row"]

        def load(key):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert store.get_or_load("k", load) == b"row"
        assert store.stats().load_retries == 2


def test_retries_that_end_raise_what_the_loader_raised():
    with memstore.Store(loader={"timeout": 0.05, "retry_initial": 0.001, "retry_max": 0.001}) as store:
        with pytest.raises(memstore.LoadRetry):
            store.get_or_load("k", Row(memstore.LoadRetry()))


def test_many_threads_load_once(store):
    leave = threading.Event()
    row = Row(b"row", during=lambda: leave.wait(60))
    results = []

    def ask():
        results.append(store.get_or_load("k", row))

    def let_go():
        assert wait_until(lambda: row.calls == 1, 60)
        leave.set()

    run_in_threads(*[ask] * 16, let_go)
    assert results == [b"row"] * 16 and row.calls == 1


def test_those_who_waited_for_a_load_that_failed_get_loader_failed(store):
    leave = threading.Event()
    row = Row(ValueError("down"), during=lambda: leave.wait(60))
    raised = []

    def ask():
        try:
            store.get_or_load("k", row)
        except (ValueError, memstore.LoaderFailed) as failure:
            raised.append(type(failure))

    first = threading.Thread(target=ask)
    first.start()
    assert wait_until(lambda: row.calls == 1, 60)
    with pytest.raises(memstore.LockTimeout):
        store.get_or_load("k", row, timeout=0.01)
    second = threading.Thread(target=ask)
    second.start()
    leave.set()
    first.join(60)
    second.join(60)
    assert ValueError in raised and len(raised) == 2


def test_a_write_during_a_load_wins(store):
    for write in (lambda: store.set("k", b"newer"), lambda: store.delete("k"), store.clear):
        assert store.get_or_load("k", Row(b"older", during=write)) == b"older"
        assert store.get("k") != b"older"
        store.clear()


def test_loaders_may_use_the_store_but_not_load_their_own_key(store):
    seen = []

    def load(key):
        seen.append(store.get_or_load("other", Row(b"other")))
        with pytest.raises(memstore.LoaderFailed):
            store.get_or_load(key, Row(b"again"))
        with pytest.raises(memstore.Unsupported, match="a loader cannot close the store"):
            store.close()
        return b"row"

    assert store.get_or_load("k", load) == b"row"
    assert seen == [b"other"] and not store.closed


def test_closing_in_a_loader_takes_nothing_from_another_thread_that_closes():
    for number in range(50):
        store = memstore.Store()
        begun = threading.Event()

        def load(key, store=store, begun=begun, begins=number):
            for i in range(begins + 100):
                with contextlib.suppress(memstore.Unsupported):
                    store.close()
                if i == begins:
                    begun.set()
            return b"row"

        loader = threading.Thread(target=store.get_or_load, args=("k", load))
        loader.start()
        assert begun.wait(60)
        store.close()
        assert store.closed
        loader.join(60)
        assert store.closed
        with pytest.raises(memstore.CacheClosed):
            store.set("k", b"v")


def test_a_closed_store_falls_through_to_the_loader(store):
    store.close()
    assert store.get_or_load("k", Row(b"row")) == b"row"


# ---- asyncio


def test_many_tasks_load_once(store):
    calls = []

    async def load(key):
        calls.append(key)
        await asyncio.sleep(0.01)
        return b"row"

    async def ask():
        return await asyncio.gather(*[store.aget_or_load("k", load, ttl=60) for _ in range(1000)])

    assert asyncio.run(ask()) == [b"row"] * 1000
    assert calls == ["k"] and store["k"] == b"row" and 59 < store.ttl("k") <= 60


def test_a_cancelled_task_does_not_harm_the_load(store):
    async def run():
        leave = asyncio.Event()

        async def load(key):
            await leave.wait()
            return b"row"

        tasks = [asyncio.create_task(store.aget_or_load("k", load)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()
        leave.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(run())
    assert isinstance(results[0], asyncio.CancelledError) and results[1:] == [b"row"] * 2


def test_a_load_that_is_cancelled_is_done_by_one_of_those_who_wait(store):
    calls = []

    async def run():
        inner = asyncio.get_running_loop().create_future()

        async def bad(key):
            await inner

        async def good(key):
            calls.append(key)
            await asyncio.sleep(0)
            return b"good"

        first = asyncio.create_task(store.aget_or_load("k", bad))
        await asyncio.sleep(0)
        others = [asyncio.create_task(store.aget_or_load("k", good)) for _ in range(3)]
        left = asyncio.create_task(store.aget_or_load("k", good))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        inner.cancel()
        left.cancel()
        return await asyncio.gather(first, left, *others, return_exceptions=True)

    first, left, *others = asyncio.run(run())
    assert isinstance(first, asyncio.CancelledError) and isinstance(left, asyncio.CancelledError)
    assert others == [b"good"] * 3 and calls == ["k"]


def test_a_load_that_is_cancelled_before_its_first_step_is_done_by_who_asks_next(store):
    async def load(key):
        return b"v"

    async def run():
        asked = asyncio.create_task(store.aget_or_load("k", load))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
        begin = time.monotonic()
        assert await store.aget_or_load("k", load) == b"v"
        assert time.monotonic() - begin < 5  # a lease that nobody gives back ends after ten
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(run())


def test_a_call_that_is_cancelled_is_computed_by_one_of_those_who_wait(store):
    calls = []

    @store.memoize
    async def compute(number):
        calls.append(number)
        if len(calls) == 1:
            asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return number

    async def run():
        return await asyncio.gather(compute(1), compute(1), compute(1), return_exceptions=True)

    first, *others = asyncio.run(run())
    assert isinstance(first, asyncio.CancelledError) and others == [1, 1] and calls == [1, 1]


def test_tasks_that_ask_after_a_delete_do_not_join_the_older_load(store):
    async def run():
        leave = asyncio.Event()

        async def load_old(key):
            await leave.wait()
            return b"older"

        async def load_new(key):
            return b"newer"

        before = asyncio.create_task(store.aget_or_load("k", load_old))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        store.delete("k")
        after = await store.aget_or_load("k", load_new)
        leave.set()
        return await before, after

    assert asyncio.run(run()) == (b"older", b"newer")
    assert store["k"] == b"newer"


def test_all_tasks_get_the_exception_and_the_next_loads_anew(store):
    async def fail(key):
        await asyncio.sleep(0)
        raise ValueError("down")

    async def none(key):
        return None

    async def run():
        failures = await asyncio.gather(*[store.aget_or_load("k", fail) for _ in range(5)], return_exceptions=True)
        return failures, await store.aget_or_load("k", none), await store.aget_or_load("k", fail)

    failures, absent, remembered = asyncio.run(run())
    assert all(isinstance(failure, ValueError) for failure in failures)
    assert absent is None and remembered is None


def test_a_task_waits_for_the_load_of_a_thread(store):
    leave = threading.Event()
    row = Row(b"row", during=lambda: leave.wait(60))
    thread = threading.Thread(target=store.get_or_load, args=("k", row))

    async def never(key):
        raise AssertionError("it is being loaded already")

    async def run():
        task = asyncio.create_task(store.aget_or_load("k", never))
        await asyncio.sleep(0.01)
        leave.set()
        return await task

    thread.start()
    assert wait_until(lambda: row.calls == 1, 60)
    assert asyncio.run(run()) == b"row"
    thread.join(60)


def test_a_loop_that_ends_in_the_middle_of_a_load_gives_its_lease_back(store):
    async def never_ends(key):
        await asyncio.Event().wait()

    async def run():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(store.aget_or_load("k", never_ends), 0.01)

    asyncio.run(run())
    assert store.get_or_load("k", Row(b"row"), timeout=30) == b"row"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_closed_loop_was_loading_is_loaded_by_another():
    """Within less than ``loader.lease_timeout``, and the loop is forgotten."""

    async def never_ends(key):
        await asyncio.Event().wait()

    async def begin(store):
        task = asyncio.ensure_future(store.aget_or_load("k", never_ends))
        await asyncio.sleep(0.01)
        assert not task.done()

    async def load(key):
        return b"row"

    with memstore.Store({"loader.lease_timeout": "1h"}) as store:
        loop = asyncio.new_event_loop()
        gone = weakref.ref(loop)
        loop.run_until_complete(begin(store))
        loop.close()
        del loop
        assert asyncio.run(asyncio.wait_for(store.aget_or_load("k", load), 30)) == b"row"
        gc.collect()
        assert gone() is None


def test_a_task_gets_a_value_where_there_is_no_place_to_look_at_it():
    """All places that views may take are taken: the loop is not held up, for a place nor for ever."""

    async def never(key):
        raise AssertionError("it is there")

    async def run(store):
        with store.view("k"):
            return await asyncio.wait_for(store.aget_or_load("k", never), 10)

    with memstore.Store(max_concurrent_readers=1, lock_timeout=60) as store:
        store["k"] = b"value"
        begun = time.monotonic()
        assert asyncio.run(run(store)) == b"value"
        assert time.monotonic() - begun < 30


def load_at_once(store, key, load):
    """What a task gets: only the loop, which it would hold up, could give back what it would wait for."""
    begun = time.monotonic()
    loaded = asyncio.run(store.aget_or_load(key, load))
    assert time.monotonic() - begun < 30
    return loaded


@pytest.mark.parametrize("setting", ["bypass", "fail"])
def test_a_task_waits_for_no_place_with_what_it_has_loaded(setting):
    async def load(key):
        return b"v"

    with (
        memstore.Store({"loader.on_store_error": setting}, max_concurrent_readers=1, lock_timeout=60) as store,
        contextlib.ExitStack() as views,
    ):
        store["k"] = b"value"
        views.enter_context(store.view("k"))
        assert load_at_once(store, "absent", load) == b"v"
        assert store["absent"] == b"v"


def test_a_task_waits_for_no_place_with_an_old_value():
    async def fail(key):
        raise OSError("away")

    with expired_store(max_concurrent_readers=1, lock_timeout=60) as store, contextlib.ExitStack() as views:
        store["held"] = b"value"
        views.enter_context(store.view("held"))
        assert load_at_once(store, "k", fail) == b"old"


def test_a_task_waits_for_no_memory_with_what_it_has_loaded():
    with (
        memstore.Store(memory_limit="4MB", shards=1, lock_timeout=60) as store,
        contextlib.ExitStack() as views,
    ):

        async def load(key):
            hold_memory(store, views)
            store.reconfigure("performance.lock_timeout", 60)
            return bytes(3000)

        assert load_at_once(store, "absent", load) == bytes(3000)
        assert "absent" not in store and store.stats().loads_bypassed == 1


@contextlib.contextmanager
def full_of_views(wait, **settings):
    """A store whose memory is all held by views, and a function that releases them."""
    with memstore.Store(memory_limit="4MB", shards=1, **settings) as store, contextlib.ExitStack() as views:
        hold_memory(store, views)
        store.reconfigure("performance.lock_timeout", wait)
        yield store, views.close


#: A load of it takes more memory than views leave.
LONG_KEY = "absent" * 20_000


def test_tasks_wait_together_for_the_memory_that_a_load_takes():
    async def load(key):
        calls.append(key)
        await asyncio.sleep(0.01)
        return b"row"

    async def run():
        asyncio.get_running_loop().call_later(0.05, release)
        return await asyncio.gather(*[store.aget_or_load(LONG_KEY, load) for _ in range(20)])

    calls = []
    with full_of_views(20) as (store, release):
        # Another thread waits for memory meanwhile, and so it is the first in line.
        writer = threading.Thread(target=store.set, args=("written", bytes(3000)))
        made = store.stats().room_made
        writer.start()
        assert wait_until(lambda: store.stats().room_made != made, 60)
        assert asyncio.run(run()) == [b"row"] * 20
        writer.join(60)
        assert len(store["written"]) == 3000
        # Once for all of them; and once more for who came after a value that the store could not take yet, on a machine in use.
        bypassed = store.stats().loads_bypassed
        assert set(calls) == {LONG_KEY} and len(calls) <= 1 + bypassed
        assert bypassed or store[LONG_KEY] == b"row"


def test_tasks_that_have_waited_for_memory_in_vain_load_once_and_later_ones_anew():
    async def load(key):
        calls.append(found := row[0])
        await may_end.wait()
        return found

    async def run():
        nonlocal may_end
        may_end = asyncio.Event()
        first = [asyncio.create_task(store.aget_or_load(LONG_KEY, load)) for _ in range(20)]
        while not calls:
            await asyncio.sleep(0.001)
        row[0] = b"new"
        store.delete(LONG_KEY)
        later = asyncio.create_task(store.aget_or_load(LONG_KEY, load))
        while len(calls) < 2:
            await asyncio.sleep(0.001)
        may_end.set()
        return await asyncio.gather(*first, later)

    calls, row, may_end = [], [b"old"], None
    with full_of_views("100ms") as (store, release):
        assert asyncio.run(asyncio.wait_for(run(), 60)) == [b"old"] * 20 + [b"new"]
        assert calls == [b"old", b"new"] and LONG_KEY not in store


def test_tasks_are_refused_once_they_have_waited_for_memory_as_long_as_a_write_does():
    async def never(key):
        raise AssertionError("there is no memory for a load")

    with full_of_views("100ms", loader={"on_store_error": "fail"}) as (store, release):
        begun = time.monotonic()
        with pytest.raises((memstore.MemoryExhausted, memstore.GCPressure)):
            asyncio.run(store.aget_or_load(LONG_KEY, never))
        assert 0.1 <= time.monotonic() - begun < 30


def test_a_store_that_is_closed_during_a_load_loses_nothing(store):
    async def load(key):
        store.close()
        return b"v"

    assert asyncio.run(store.aget_or_load("k", load)) == b"v"


@pytest.mark.parametrize("setting", ["bypass", "fail"])
def test_a_thread_gets_a_value_where_there_is_no_place_to_look_at_it(setting):
    def never(key):
        raise AssertionError("there is no place for a load")

    with memstore.Store({"loader.on_store_error": setting}, max_concurrent_readers=1, lock_timeout=0.01) as store:
        store["k"] = b"value"
        with store.view("k"):
            assert store.get_or_load("k", never) == b"value"
            with pytest.raises(memstore.LockTimeout):
                store.get_or_load("absent", never)


# ---- When loaders fail


def expired_store(**settings):
    """A store in which "old" was loaded, and has expired."""
    store = memstore.Store({"loader.max_stale": "1h", **settings})
    assert store.get_or_load("k", Row(b"old"), ttl=0.001) == b"old"
    wait_until(lambda: "k" not in store)
    return store


def test_what_has_expired_is_returned_when_its_load_fails():
    with expired_store() as store:
        assert store.get_or_load("k", Row(OSError("away"))) == b"old"
        assert store.stats().stale_served == 1 and store.memory().stale >= 0
        assert "k" not in store and len(store) == 0
        store.delete("k")
        with pytest.raises(OSError):
            store.get_or_load("k", Row(OSError("away")))


def test_what_has_expired_is_returned_in_asyncio_too():
    async def fail(key):
        raise OSError("away")

    with expired_store() as store:
        assert asyncio.run(store.aget_or_load("k", fail)) == b"old"


def test_a_loader_that_keeps_failing_is_not_called_for_a_while():
    row = Row(OSError("away"))

    async def fail(key):
        return row(key)

    with memstore.Store({"loader.breaker_failures": 3, "loader.breaker_open": "1h"}) as store:
        for _ in range(3):
            with pytest.raises(OSError):
                store.get_or_load("k", row)
        with pytest.raises(memstore.LoaderFailed):
            store.get_or_load("k", row)
        with pytest.raises(memstore.LoaderFailed):
            asyncio.run(store.aget_or_load("k", fail))
        stats = store.stats()
        assert row.calls == 3 and (stats.breakers_open, stats.breakers_half_open) == (1, 0)
        assert stats.loads_timed_out == stats.loads_without_place == stats.loads_without_bytes == 0
        assert store.rates().alerts == memstore.Alert.BREAKER


def test_warming_shares_the_breaker_of_all_loads():
    asked = []
    with memstore.Store({"loader.breaker_failures": 1, "loader.breaker_open": "1h"}) as store:
        with pytest.raises(OSError):
            store.get_or_load("k", Row(OSError("away")))
        with pytest.raises(memstore.LoaderFailed):
            store.warm(["a", "b"], lambda keys: asked.append(keys) or {})
        assert not asked and store.stats().breakers_open == 1


def test_a_load_that_ends_with_its_loop_has_not_failed():
    async def leave_behind(store, key):
        entered = asyncio.Event()

        async def load(key):
            entered.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(store.aget_or_load(key, load))
        await entered.wait()
        assert not task.done()

    with memstore.Store({"loader.breaker_failures": 3, "loader.breaker_open": "1h"}) as store:
        for key in "abc":
            asyncio.run(leave_behind(store, key))
        assert store.get_or_load("a", Row(b"row")) == b"row"
        stats = store.stats()
        assert (stats.loads, stats.load_failures, stats.breakers_open) == (1, 0, 0)


def test_what_is_old_is_loaded_anew_by_the_caller():
    with memstore.Store({"loader.refresh_after": "1ms"}) as store:
        store["k"] = b"old"
        wait_until(lambda: store.get_or_load("k", Row(b"new")) == b"new")
        assert store.stats().refreshes >= 1


def test_what_is_old_is_loaded_anew_by_a_task_while_others_get_it():
    async def run(store):
        entered, leave = asyncio.Event(), asyncio.Event()

        async def load(key):
            entered.set()
            await leave.wait()
            return b"new"

        while not entered.is_set():
            assert await store.aget_or_load("k", load) == b"old"
            await asyncio.sleep(0)
        assert [await store.aget_or_load("k", load) for _ in range(10)] == [b"old"] * 10
        store.reconfigure("loader.refresh_after", 0)
        leave.set()
        while store["k"] != b"new":
            await asyncio.sleep(0.001)

    with memstore.Store({"loader.refresh_after": "1ms"}) as store:
        store["k"] = b"old"
        asyncio.run(run(store))
        assert store.stats().refreshes == 1


EXAMPLES = Path(__file__).parents[3] / "examples/databases"


def test_the_example_in_front_of_sqlite():
    subprocess.run([sys.executable, str(EXAMPLES / "sqlite.py")], check=True, timeout=300)


def test_the_example_in_front_of_postgresql(monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    if importlib.import_module("postgresql").programs() is None:
        pytest.skip("PostgreSQL is not installed")
    subprocess.run([sys.executable, str(EXAMPLES / "postgresql.py")], check=True, timeout=300)


def test_tasks_get_what_the_store_cannot_take():
    async def load(key):
        return b"x" * 5000

    with memstore.Store(max_entry_size=1000) as store:
        assert asyncio.run(store.aget_or_load("k", load)) == b"x" * 5000
        assert "k" not in store and store.stats().loads_bypassed == 1
        store.reconfigure("loader.on_store_error", "fail")
        with pytest.raises(memstore.EntryTooLarge):
            asyncio.run(store.aget_or_load("k", load))


def test_tasks_get_what_is_loaded_for_a_key_that_the_store_cannot_hold():
    async def load(key):
        return (b"row", 5)

    key = "k" * 2_000_000
    with memstore.Store(memory_limit="1MB") as store:
        assert store.get_or_load(key, lambda key: b"row") == b"row"
        assert asyncio.run(store.aget_or_load(key, load)) == b"row"
        assert len(store) == 0
        store.reconfigure("loader.on_store_error", "fail")
        with pytest.raises((memstore.MemoryExhausted, memstore.EntryTooLarge)):
            asyncio.run(store.aget_or_load(key, load))


def test_tasks_fall_through_to_the_loader_of_a_closed_store():
    async def load(key):
        return (b"row", 5)

    for setting in ("bypass", "fail"):
        store = memstore.Store()
        store.reconfigure("loader.on_store_error", setting)
        store.close()
        if setting == "bypass":
            assert asyncio.run(store.aget_or_load("k", load)) == b"row"
        else:
            with pytest.raises(memstore.CacheClosed):
                asyncio.run(store.aget_or_load("k", load))


def test_tasks_are_refused_what_is_no_value(store):
    async def seven(key):
        return 7

    async def text(key):
        return "text"

    for load in (seven, text):
        with pytest.raises(TypeError):
            asyncio.run(store.aget_or_load("k", load))


def test_tasks_name_keys_as_everybody_does(store):
    """bytes(5) is five zeros: a number is no key."""

    async def load(key):
        return b"row"

    for key in (5, None, [1, 2]):
        with pytest.raises(TypeError, match=f"a key is a str or a bytes-like object, not {type(key).__name__}"):
            asyncio.run(store.aget_or_load(key, load))
    assert len(store) == 0
    assert asyncio.run(store.aget_or_load(memoryview(b"abcdef")[::2], load)) == b"row"
    assert "ace" in store


def test_tasks_are_told_what_a_loader_returns(store):
    for given, why in (("text", "a value is a bytes-like object, not str"), ((b"v",), "returns a value"),
                       ((b"v", 1, 2), "returns a value")):

        async def load(key, given=given):
            return given

        with pytest.raises(TypeError, match=why):
            asyncio.run(store.aget_or_load("k", load))


def set_task_factory(eager):
    if eager:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)


either_way_of_beginning_tasks = pytest.mark.parametrize(
    "eager",
    [False, pytest.param(True, marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12"))],
)


@either_way_of_beginning_tasks
def test_a_coroutine_that_waits_for_its_own_load_is_refused(store, eager):
    other = memstore.Store(memory_limit="16MB")

    async def own(key):
        return await store.aget_or_load(key, own)

    async def here(key):
        return await other.aget_or_load("there", there)

    async def there(key):
        return await store.aget_or_load("here", here)

    @store.memoize
    async def memoized(n):
        return await memoized(n)

    async def main():
        set_task_factory(eager)
        for call in (store.aget_or_load("k", own), store.aget_or_load("here", here), memoized(1)):
            with pytest.raises(memstore.LoaderFailed, match="a loader waits for its own load"):
                await asyncio.wait_for(call, 60)

    asyncio.run(main())
    other.close()


@either_way_of_beginning_tasks
def test_a_task_that_a_loader_begins_joins_its_load(store, eager):
    joined = []

    async def load(key):
        joined.append(asyncio.create_task(store.aget_or_load(key, load)))
        return b"row"

    async def main():
        set_task_factory(eager)
        assert await asyncio.wait_for(store.aget_or_load("k", load), 60) == b"row"
        assert await asyncio.wait_for(joined[0], 60) == b"row"

    asyncio.run(main())
    assert len(joined) == 1


def test_a_loader_may_wait_for_others_and_leave_tasks_behind(store):
    async def leaf(key):
        await asyncio.sleep(0)
        return b"leaf"

    async def main():
        left = []

        async def load(key):
            left.append(asyncio.create_task(store.aget_or_load(key, load)))
            return await store.aget_or_load("leaf", leaf)

        both = await asyncio.gather(store.aget_or_load("a", load), store.aget_or_load("b", load))
        return both + await asyncio.gather(*left)

    assert asyncio.run(asyncio.wait_for(main(), 60)) == [b"leaf"] * 4


def test_tasks_get_what_is_larger_than_what_may_be_kept_beside_the_store():
    async def load(key):
        return bytes(3_000_000)

    with memstore.Store(memory_limit="1MB", bypass_limit="1MB") as store:
        assert len(asyncio.run(store.aget_or_load("k", load))) == 3_000_000
        store.reconfigure("on_store_error", "fail")
        with pytest.raises(memstore.EntryTooLarge):
            asyncio.run(store.aget_or_load("k", load))
