# SPDX-License-Identifier: Apache-2.0
import asyncio
import gc
import random
import threading
import time
import weakref
from datetime import datetime, timedelta, timezone

import memstore
import pytest
from conftest import wait_until
from memstore import EventKind


def test_each_removal_is_told_with_its_cause():
    with memstore.Store(maintenance="manual") as store, store.subscribe() as removals:
        store.set("k", b"1", ttl=3600)
        store.set("k", b"")
        event = removals.get(0)
        assert (event.kind, event.key, event.value) == (EventKind.REPLACED, b"k", b"1")
        assert event.version != 0 and event.dropped == 0
        assert abs(event.at - datetime.now(timezone.utc)) < timedelta(minutes=1)
        assert event.expires_at - event.at > timedelta(minutes=59)
        store.delete("k")
        event = removals.get(0)
        assert (event.kind, event.value, event.expires_at) == (EventKind.DELETED, b"", None)
        store.set("t", b"short", ttl=0.001)
        time.sleep(0.01)
        store.maintain()
        assert removals.get(0)[:3] == (EventKind.EXPIRED, b"t", b"short")
        store["c"] = bytes(100_000)
        store.clear()
        assert removals.get(0)[:3] == (EventKind.CLEARED, b"c", bytes(100_000))
        assert removals.get(0) is None


def test_evictions_are_told():
    with memstore.Store(memory_limit="2MB", queue_memory="1MB") as store:
        with store.subscribe(EventKind.EVICTED) as removals:
            for i in range(5000):
                store[f"k{i}"] = bytes(300)
            event = removals.get(10)
            assert event.kind == EventKind.EVICTED and event.value == bytes(300)


def test_a_full_queue_drops_and_says_so(store):
    with store.subscribe(queue_size=2) as removals:
        for i in range(10):
            store["k"] = bytes([i])
        assert removals.dropped == 7
        assert [removals.get(0).value, removals.get(0).value] == [b"\0", b"\1"]
        del store["k"]
        assert removals.get(0).dropped == 7
        stats = store.event_stats()
        assert (stats.subscriptions, stats.dropped, stats.queued, stats.waiting) == (1, 7, 3, 0)
    assert removals.dropped == 7 and removals.closed
    assert store.event_stats().memory == 0


def test_waiting_ends_with_time_with_an_event_and_with_the_subscription(store):
    removals = store.subscribe()
    assert removals.get(0.01) is None
    got = []
    thread = threading.Thread(target=lambda: got.extend(removals))
    thread.start()
    store["k"] = b"v"
    del store["k"]
    assert wait_until(lambda: len(got) == 1, 60)
    removals.close()
    thread.join(60)
    assert not thread.is_alive()
    with pytest.raises(memstore.CacheClosed):
        removals.get(0)
    removals.close()


def test_many_threads_share_a_subscription_and_it_is_closed_under_them(store):
    removals = store.subscribe()
    got = []
    threads = [threading.Thread(target=lambda: got.extend(removals)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for i in range(501):
        store["k"] = str(i).encode()
    assert wait_until(lambda: len(got) == 500, 60)
    assert sorted(int(event.value) for event in got) == list(range(500))
    removals.close()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_callback_may_call_the_store_and_close_it(store, monkeypatch):
    reported = []
    monkeypatch.setattr("sys.excepthook", lambda *exception: reported.append(exception[0]))
    calls = []

    def call(event):
        calls.append(event)
        store[event.key] = b"back"
        if len(calls) == 3:
            raise KeyError
        if len(calls) < 10:
            return store.delete(event.key)
        store.close()

    store.on_event(call, EventKind.DELETED)
    store["k"] = b"v"
    store.delete("k")
    assert wait_until(lambda: reported, 60)
    store.delete("k")
    assert wait_until(lambda: store.closed, 60)
    assert len(calls) == 10 and reported == [KeyError]


def test_an_event_loop_iterates(store):
    async def follow():
        got = []
        async for event in removals:
            got.append(int(event.value))
        return got

    async def main():
        task = asyncio.create_task(follow())
        for i in range(101):
            store["k"] = str(i).encode()
            if i % 10 == 0:
                await asyncio.sleep(0.001)
        while store.event_stats().waiting:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        store.close()
        return await asyncio.wait_for(task, 60)

    removals = store.subscribe()
    assert asyncio.run(main()) == list(range(100))
    removals.close()


def test_a_cancelled_task_loses_no_event(store):
    async def main():
        removals = store.subscribe()
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(removals.__anext__(), 0.01)
        store["k"] = b"v"
        store["k"] = b"w"
        del store["k"]
        got = [await asyncio.wait_for(removals.__anext__(), 60) for _ in range(2)]
        assert [event.value for event in got] == [b"v", b"w"]
        waits = asyncio.create_task(removals.__anext__())
        await asyncio.sleep(0.01)
        removals.close()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(waits, 60)

    asyncio.run(main())


def test_what_was_taken_for_a_cancelled_task_is_told_to_who_gets_events(store):
    """Without a loop, too: by get(), and by iterating to the end of a store that is closed."""

    async def give_up(subscription):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(subscription), 0.05)

    for drain in (lambda some: [some.get(timeout=5) for _ in range(3)], list):
        with memstore.Store() as other, other.subscribe() as subscription:
            asyncio.run(give_up(subscription))
            for i in range(3):
                other[f"k{i}"] = b"v"
                del other[f"k{i}"]
            if drain is list:
                other.close()
            assert [event.key for event in drain(subscription)] == [b"k0", b"k1", b"k2"]
            assert subscription.dropped == 0


def test_tasks_that_wait_at_once_share_the_events(store):
    async def take(got):
        async for event in removals:
            got.append(int(event.value))

    async def main():
        shares = [[] for _ in range(5)]
        tasks = [asyncio.create_task(take(got)) for got in shares]
        await asyncio.sleep(0.01)  # all of them wait
        for i in range(501):
            store["k"] = str(i).encode()
            if i % 7 == 0:
                await asyncio.sleep(0)
        while sum(map(len, shares)) < 500:
            await asyncio.sleep(0.001)
        removals.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
        assert all(got == sorted(got) for got in shares) and all(shares)
        return [number for got in shares for number in got]

    removals = store.subscribe()
    assert sorted(asyncio.run(main())) == list(range(500))


def test_another_loop_gets_what_the_first_left_behind(store):
    async def give_up():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(removals.__anext__(), 0.01)

    async def take(number):
        return [(await asyncio.wait_for(removals.__anext__(), 60)).value for _ in range(number)]

    removals = store.subscribe()
    for _ in range(3):
        asyncio.run(give_up())
        for value in (b"1", b"2", b"3", b""):
            store["k"] = value
        del store["k"]
        # What was wanted by the first loop is taken from the queue by now, if the thread had begun to wait for it.
        wait_until(lambda: store.event_stats().waiting < 4, 0.5)
        assert asyncio.run(take(2)) == [b"1", b"2"]
        assert asyncio.run(take(2)) == [b"3", b""]
    removals.close()


def test_an_event_that_a_loop_did_not_come_to_is_not_lost(store):
    """The loop ends with the event among the calls that it has to make, or with a task that was told and did not run."""

    async def ask():
        asyncio.get_running_loop().create_task(removals.__anext__())
        await asyncio.sleep(0.01)
        store["k"] = b"v"
        del store["k"]
        # Nothing of the loop runs meanwhile.
        assert wait_until(lambda: store.event_stats().waiting == 0, 60)
        time.sleep(0.01)

    async def take():
        return (await asyncio.wait_for(removals.__anext__(), 60)).value

    removals = store.subscribe(EventKind.DELETED)
    for turns in range(4):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(ask())
        for _ in range(turns):
            loop.run_until_complete(asyncio.sleep(0))
        tasks = asyncio.all_tasks(loop)
        if tasks:
            for task in tasks:
                task.cancel()
            if turns != 1:  # a loop that is closed under its tasks
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()
            got = [task.result().value for task in tasks if task.done() and not task.cancelled()]
            task = tasks = None
            gc.collect()
            assert got or asyncio.run(take()) == b"v", turns
        else:
            loop.close()
    removals.close()


def test_cancelled_tasks_lose_nothing_and_leave_the_order(store, seed):
    rng = random.Random(seed)

    async def main():
        got = []

        async def take():
            while len(got) < 1000:
                task = asyncio.create_task(removals.__anext__())
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    got.append(int((await task).value))
                except asyncio.CancelledError:
                    await asyncio.sleep(0)

        taker = asyncio.create_task(take())
        for i in range(1001):
            store["k"] = str(i).encode()
            if i % 5 == 0:
                await asyncio.sleep(0)
        await asyncio.wait_for(taker, 60)
        return got

    removals = store.subscribe()
    assert asyncio.run(main()) == list(range(1000))
    removals.close()


def test_loops_of_several_threads_share_the_events(store):
    async def take(got):
        async for event in removals:
            got.append(int(event.value))

    removals = store.subscribe()
    shares = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda got=got: asyncio.run(take(got))) for got in shares]
    for thread in threads:
        thread.start()
    for i in range(1001):
        store["k"] = str(i).encode()
    assert wait_until(lambda: sum(map(len, shares)) == 1000, 60)
    store.close()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(number for got in shares for number in got) == list(range(1000))
    removals.close()


def test_what_is_refused(store):
    for kinds in (0, 1 << 31):
        with pytest.raises(memstore.InvalidArgument):
            store.subscribe(kinds)
    with pytest.raises(memstore.InvalidArgument):
        store.subscribe(queue_size=-1)
    with pytest.raises(TypeError):
        memstore.Subscription(store, "x", 0)
    store.close()
    with pytest.raises(memstore.CacheClosed):
        store.subscribe()


def test_a_subscription_keeps_what_it_needs():
    store = memstore.Store()
    removals = store.subscribe()
    store["k"] = b"v"
    del store["k"]
    store.close()
    del store
    assert [event.value for event in removals] == [b"v"]
    removals.close()


def waiting_threads():
    return {thread for thread in threading.enumerate() if thread.name == "memstore-events"}


@pytest.mark.parametrize("gives_up", [False, True])
def test_a_loop_that_asks_no_more_keeps_nothing_alive(monkeypatch, gives_up):
    """Neither after it had an event nor after it gave up waiting for one."""
    monkeypatch.setattr("memstore.events._IDLE", 0.01)

    async def ask():
        task = asyncio.create_task(removals.__anext__())
        await asyncio.sleep(0.001)
        if gives_up:
            task.cancel()
            await asyncio.wait([task])
        else:
            store["k"] = b"v"
            del store["k"]
            assert (await asyncio.wait_for(task, 60)).value == b"v"

    before = waiting_threads()
    store = memstore.Store()
    removals = store.subscribe()
    for _ in range(2):  # who asks later finds another thread
        asyncio.run(ask())
        assert wait_until(lambda: waiting_threads() <= before)
    kept = weakref.ref(store), weakref.ref(removals)
    del store, removals
    gc.collect()
    assert [reference() for reference in kept] == [None, None]


async def wait_for_a_deletion(store, removals, seconds):
    """The event of an entry that is deleted when a task has waited for so long."""
    task = asyncio.create_task(removals.__anext__())
    await asyncio.sleep(seconds)
    store["k"] = b"v"
    del store["k"]
    return await asyncio.wait_for(task, 60)


def test_a_wait_may_be_longer_than_a_thread_is_idle(store, monkeypatch):
    monkeypatch.setattr("memstore.events._IDLE", 0.001)

    with store.subscribe() as removals:
        assert asyncio.run(wait_for_a_deletion(store, removals, 0.02)).value == b"v"


def test_a_closed_store_leaves_no_thread(store, monkeypatch):
    monkeypatch.setattr("memstore.events._IDLE", 0.01)

    async def main():
        await wait_for_a_deletion(store, removals, 0)
        store.close()
        with pytest.raises(StopAsyncIteration):
            await removals.__anext__()

    before = waiting_threads()
    removals = store.subscribe()
    asyncio.run(main())
    assert wait_until(lambda: waiting_threads() <= before)


def test_alerts_are_events():
    with memstore.Store(
        hit_rate_threshold=0.8, metrics_interval=0.02, maintenance="manual"
    ) as store, store.subscribe(memstore.EventKind.ALERT) as alerts:
        event = None
        while event is None:
            for _ in range(200):
                store.get("absent")
            event = alerts.get(timeout=0.03)
            store.maintain()
        assert event.kind is memstore.EventKind.ALERT and event.alert is memstore.Alert.HIT_RATE
        assert event.raised and (event.alert_value, event.alert_threshold) == (0.0, 0.8)
        assert (event.key, event.value) == (b"", b"")


def test_times_that_python_has_not(store):
    """An entry may live longer than there are dates: who is told of it goes on."""
    told = []
    store.set("far", b"v", ttl=10**12)
    with store.subscribe() as removals, store.on_event(told.append):
        del store["far"]
        store["near"] = b"v"
        del store["near"]
        last = datetime.max.replace(tzinfo=timezone.utc)
        assert [removals.get().expires_at for _ in range(2)] == [last, None]
        assert wait_until(lambda: [event.key for event in told] == [b"far", b"near"])


def test_waits_of_every_length(store):
    with store.subscribe() as removals:
        for timeout in (0, -1, -float("inf"), 1e-9):
            assert removals.get(timeout) is None
        with pytest.raises(memstore.InvalidArgument, match="a number of seconds"):
            removals.get(float("nan"))
        for timeout in (float("inf"), 1e30, 10**30, None):
            store["k"] = b"v"
            del store["k"]
            assert removals.get(timeout).key == b"k"


def test_why_a_subscription_is_refused(store):
    for kinds in (0, -1, 64, 2**32 + 1):
        with pytest.raises(memstore.InvalidArgument, match="kinds are some of EventKind"):
            store.subscribe(kinds)
    for size in (-1, 2**64):
        with pytest.raises(memstore.InvalidArgument, match="queue_size"):
            store.subscribe(queue_size=size)
    with pytest.raises(TypeError, match="a callback is a function"):
        store.on_event(None)
    assert store.event_stats().subscriptions == 0


def test_a_callback_that_exits_ends_its_subscription(store, monkeypatch):
    """As sys.exit() ends a thread; events are not kept for nobody."""
    monkeypatch.setattr("threading.excepthook", lambda *arguments: None)
    told = []

    def leave(event):
        told.append(event.key)
        raise SystemExit

    handle = store.on_event(leave)
    for key in ("a", "b"):
        store[key] = b""
        del store[key]
    assert wait_until(lambda: handle.closed)
    assert told == [b"a"] and store.event_stats().subscriptions == 0


def test_a_thread_that_cannot_be_had_is_asked_for_again(store, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    async def main():
        with monkeypatch.context() as patch:
            patch.setattr("threading.Thread.start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                await removals.__anext__()
            with pytest.raises(RuntimeError, match="new thread"):
                store.on_event(print)
        asking = asyncio.create_task(removals.__anext__())
        await asyncio.sleep(0)
        store["k"] = b"v"
        store.delete("k")
        assert (await asyncio.wait_for(asking, 60)).key == b"k"

    with store.subscribe() as removals:
        asyncio.run(main())
        assert store.event_stats().subscriptions == 1


@pytest.fixture
def no_memory_once(monkeypatch):
    """There is none for the first event that is taken with some patience."""
    failures = [MemoryError]
    reported = []
    monkeypatch.setattr("sys.excepthook", lambda *exception: reported.append(exception[0]))
    take = memstore.events.Subscription._next

    def take_or_fail(subscription, milliseconds):
        raw = take(subscription, milliseconds)
        if raw is not None and milliseconds != 0 and failures:
            raise failures.pop()
        return raw

    monkeypatch.setattr(memstore.events.Subscription, "_next", take_or_fail)
    return reported


def delete_two(store):
    for key in ("a", "b"):
        store[key] = b""
        store.delete(key)


def test_an_event_for_which_there_was_no_memory_ends_no_iteration(store, no_memory_once):
    async def main():
        asking = asyncio.create_task(removals.__anext__())
        await asyncio.sleep(0)
        delete_two(store)
        assert (await asyncio.wait_for(asking, 60)).key == b"b"

    with store.subscribe() as removals:
        asyncio.run(main())
    assert no_memory_once == [MemoryError]


def test_an_event_for_which_there_was_no_memory_ends_no_calls(store, no_memory_once):
    told = []
    store.on_event(lambda event: told.append(event.key))
    delete_two(store)
    assert wait_until(lambda: told, 60)
    assert told == [b"b"] and no_memory_once == [MemoryError]


def test_a_hook_that_fails_ends_no_calls(store, monkeypatch, capsys):
    def fail(*exception):
        raise OSError("the hook")

    monkeypatch.setattr("sys.excepthook", fail)
    told = []

    def call(event):
        told.append(event.key)
        raise KeyError("the callback")

    store.on_event(call)
    delete_two(store)
    assert wait_until(lambda: told == [b"a", b"b"], 60)
