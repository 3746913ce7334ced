# SPDX-License-Identifier: Apache-2.0
import contextlib
import threading
import time
from datetime import timedelta

import memstore
import pytest
from memstore import _native

CLASSES = [
    value for value in vars(memstore).values() if isinstance(value, type) and issubclass(value, memstore.Error)
]


@contextlib.contextmanager
def in_background(call):
    """Another thread calls over and over until the block is left."""
    done = threading.Event()

    def work():
        while not done.is_set():
            call()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def wait_for(error, call, seconds=30):
    """Call until it fails with this error, which it does when it meets the other thread at the right moment."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            call()
        except error as failure:
            return failure
    pytest.fail(f"no {error.__name__} within {seconds} s")


def test_every_class_has_a_status_of_the_library():
    statuses = {cls.status for cls in CLASSES if cls is not memstore.Error}
    assert len(statuses) == len(CLASSES) - 1
    for cls in CLASSES:
        if cls is not memstore.Error:
            assert _native.status_name(getattr(_native, cls.status)) == cls.status


@pytest.mark.parametrize(
    "cls, base",
    [
        (memstore.KeyNotFound, KeyError),
        (memstore.EntryTooLarge, ValueError),
        (memstore.InvalidTTL, ValueError),
        (memstore.TTLExpired, memstore.KeyNotFound),
        (memstore.MemoryExhausted, MemoryError),
        (memstore.InvalidArgument, ValueError),
        (memstore.InvalidConfig, ValueError),
        (memstore.InvalidPattern, ValueError),
        (memstore.NotANumber, ValueError),
        (memstore.LockTimeout, TimeoutError),
        (memstore.IOFailed, OSError),
    ],
)
def test_classes_are_also_what_python_calls_such_a_thing(cls, base):
    assert issubclass(cls, base)
    assert issubclass(cls, memstore.Error)


def test_cache_full():
    with memstore.Store(memory_limit="4MB", eviction="none") as store:
        stored = 0
        with pytest.raises(memstore.CacheFull, match="key"):
            for i in range(100_000):
                store[f"key-{i}"] = b"x" * 1000
                stored += 1
        assert len(store) == stored > 1000
        store["key-0"] = b"y" * 10
        assert store["key-0"] == b"y" * 10
        assert store.stats().rejected_full == 1


def test_entry_too_large_leaves_the_old_value():
    with memstore.Store(max_entry_size=100) as store:
        store["k"] = b"old"
        for call in (
            lambda: store.set("k", b"x" * 100),
            lambda: store.replace("k", b"x" * 100),
            lambda: store.add("new", b"x" * 100),
            lambda: store.set_until("k", b"x" * 100, 2**32),
        ):
            with pytest.raises(memstore.EntryTooLarge, match="key"):
                call()
        assert store["k"] == b"old"
        assert store.stats().rejected_too_large == 4


def test_an_entry_above_the_limit_is_too_large(store):
    with pytest.raises(memstore.EntryTooLarge):
        store["k"] = bytes(65_000_000)


def test_memory_exhausted_by_views():
    with memstore.Store(memory_limit="4MB", lock_timeout=0.5) as store:
        views = []
        with pytest.raises(memstore.MemoryExhausted, match="key"):
            for i in range(100_000):
                store[f"key-{i}"] = b"x" * 1000
                views.append(store.view(f"key-{i}"))
        assert len(views) > 1000
        assert all(view.version for view in views)
        for view in views:
            view.release()
        store.reconfigure("performance.lock_timeout", 60)
        store["again"] = b"x"


def test_gc_pressure_when_nothing_may_be_waited_for():
    with memstore.Store(memory_limit="4MB", eviction="lru", lock_timeout=0) as store:
        for i in range(3000):
            store[f"key-{i}"] = b"x" * 1000
        # What was written together lies together: less than half of the memory is pinned, so that it is not the views
        # that hold all of it.
        views = [store.view(f"key-{i}") for i in range(1800)]
        with pytest.raises(memstore.GCPressure, match="key"):
            for i in range(100_000):
                with contextlib.suppress(memstore.LockTimeout):  # the maintenance thread has the key's shard
                    store[f"new-{i}"] = b"x" * 1000
        assert store.stats().rejected_memory == 1
        del views


def test_shard_overflow():
    with memstore.Store(memory_limit="4MB", eviction="none", shards=1) as store:
        with pytest.raises(memstore.ShardOverflow, match="key"):
            for i in range(1_000_000):
                store[str(i)] = b""
        assert store["0"] == b""


def test_lock_timeout():
    items = {f"key-{i}": b"x" * 100 for i in range(100_000)}
    with memstore.Store(memory_limit="256MB", shards=1, lock_timeout=0) as store:

        def write():
            # It waits as little as the others do.
            with contextlib.suppress(memstore.LockTimeout):
                store.set_many(items)

        with in_background(write):
            for call in (lambda: store.set("a", b""), lambda: store.delete("a"), lambda: store.get_many(["a", "b"])):
                wait_for(memstore.LockTimeout, call)


def test_ttl_update_failed():
    far = timedelta(days=100)  # needs a longer form of entry, which is made outside the lock
    large = b"x" * 70_000
    with memstore.Store(memory_limit="1GB") as store:
        store.set("k", large)
        with in_background(lambda: store.set("k", large)):
            failure = wait_for(memstore.TTLUpdateFailed, lambda: store.expire("k", far))
        assert "'k'" in str(failure)
        assert store.ttl("k") is None or store.ttl("k") > 99 * 86400


def test_memory_fragmentation():
    with memstore.Store(memory_limit="16MB", maintenance="manual") as store:
        store.set_many((f"k{i}", b"x" * 1000) for i in range(4000))
        views = [store.view(f"k{i}") for i in range(0, 4000, 10)]
        store.delete_pattern("*")
        with pytest.raises(memstore.MemoryFragmentation):
            store.compact(0.0)
        for view in views:
            view.release()
        store.compact(0.0)


def test_messages_are_sentences(store):
    store["n"] = b"text"
    with pytest.raises(memstore.NotANumber) as caught:
        store.incr("n")
    assert "decimal" in str(caught.value)
    assert "'n'" in str(caught.value)


def test_register_errors_takes_a_dict():
    with pytest.raises(TypeError, match="dict"):
        _native.register_errors([])
