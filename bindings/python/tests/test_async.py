# SPDX-License-Identifier: Apache-2.0
"""Asynchronous writes: set_async() and flush()."""

import asyncio
import os
import signal
import threading
from datetime import timedelta

import memstore
import pytest
from conftest import wait_until


@pytest.fixture
def queueing():
    """A store that applies nothing by the clock."""
    with memstore.Store(memory_limit="64MB", batch_timeout="1h") as opened:
        yield opened


def test_flushing_and_closing_do_not_block_the_loop(queueing):
    async def run():
        async with memstore.Store(batch_timeout="1h") as store:
            store.set_async("k", b"v")
            await store.aflush()
            seen = store["k"]
        with pytest.raises(ZeroDivisionError):
            async with queueing:
                queueing.set_async("k", b"v")
                1 / 0
        await queueing.aclose()
        return seen, store.closed, queueing.closed

    assert asyncio.run(run()) == (b"v", True, True)


def test_a_write_is_seen_after_the_flush(queueing):
    queueing["b"] = b"old"
    queueing.set_async("a", b"1")
    queueing.set_async("b", bytearray(b"2"), ttl=60)
    queueing.set_async("c", b"", ttl=None)
    queueing.set_async(key="d", value=memoryview(b"4"), ttl=timedelta(minutes=1))
    assert queueing.get("a") is None
    assert queueing["b"] == b"old"
    assert queueing.flush() is None
    assert queueing.get_many("abcd".__iter__()) == {"a": b"1", "b": b"2", "c": b"", "d": b"4"}
    assert 59 < queueing.ttl("b") <= 60
    assert queueing.ttl("c") is None


def test_batch_size_and_batch_timeout_apply_what_is_queued():
    with memstore.Store(batch_size=3, batch_timeout="1h") as store:
        for i in range(3):
            assert len(store) == 0
            store.set_async(f"{i}", b"")
        assert len(store) == 3
    with memstore.Store(batch_timeout=0.005) as store:
        store.set_async("k", b"v")
        assert wait_until(lambda: "k" in store)
    with memstore.Store(enable_batch_optimization=False, batch_timeout="1h") as store:
        store.set_async("k", b"v")
        assert store["k"] == b"v"


def test_a_later_write_is_not_overtaken(queueing):
    queueing.set_async("set", b"1")
    queueing["set"] = b"2"
    queueing.set_async("deleted", b"1")
    assert queueing.delete("deleted")
    queueing.set_async("many", b"1")
    queueing.set_many({"many": b"2"})
    queueing.set_async("n", b"41")
    assert queueing.incr("n") == 42
    queueing.set_async("added", b"1")
    assert not queueing.add("added", b"2")
    queueing.set_async("twice", b"1")
    queueing.set_async("twice", b"2")
    queueing.flush()
    assert queueing["set"] == b"2"
    assert "deleted" not in queueing
    assert queueing["many"] == b"2"
    assert queueing["twice"] == b"2"


@pytest.mark.parametrize(
    "arguments, error",
    [
        (("", b"v"), ValueError),
        ((5, b"v"), TypeError),
        (("k", "text"), TypeError),
        (("k",), TypeError),
        (("k", b"v" * 200), memstore.EntryTooLarge),
        (("k", b"v", -1), memstore.InvalidTTL),
        (("k", b"v", 5, 6), TypeError),
    ],
    ids=lambda value: None,
)
def test_what_can_never_be_stored_is_refused_at_once(arguments, error):
    with memstore.Store(max_entry_size=100, batch_timeout="1h") as store:
        with pytest.raises(error):
            store.set_async(*arguments)
        store.flush()
        assert len(store) == 0


def test_flush_raises_what_was_refused_once():
    with memstore.Store(memory_limit="4MiB", eviction="none", batch_timeout="1h") as store:
        for i in range(8):
            store.set_async(f"queued/{i}", b"x" * 20_000)
        with pytest.raises(memstore.CacheFull):
            for i in range(1000):
                store[f"{i}"] = b"x" * 20_000
        before = len(store)
        # With some seeds of the hash it is the index of a shard that finds no room.
        with pytest.raises((memstore.CacheFull, memstore.ShardOverflow)):
            store.flush()
        store.flush()
        stats = store.stats()
        refused = stats.rejected_full + stats.rejected_memory - 1
        assert 1 <= refused <= 7
        assert len(store) == before + 8 - refused


def test_from_many_threads():
    with memstore.Store(memory_limit="64MB", batch_timeout=0.001) as store:

        def write(number):
            for i in range(1000):
                store.set_async(f"{number}/{i % 20}", b"%d" % i)
                if i % 250 == 249:
                    store.flush()
                    assert store[f"{number}/{i % 20}"] == b"%d" % i

        failures = []

        def guarded(number):
            try:
                write(number)
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failures
        assert len(store) == 80


def test_after_close():
    store = memstore.Store(batch_timeout="1h")
    store.set_async("k", b"v")
    store.close()
    with pytest.raises(memstore.CacheClosed):
        store.set_async("k", b"v")
    with pytest.raises(memstore.CacheClosed):
        store.flush()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_leaves_what_is_queued_to_its_parent(queueing):
    queueing.set_async("k", b"v")
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        queueing.flush()
        os._exit(1 if "k" in queueing else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    queueing.flush()
    assert queueing["k"] == b"v"
