# SPDX-License-Identifier: Apache-2.0
"""The bounds on views held and on writers at work."""

import threading
import time

import memstore
import pytest


def test_one_view_too_many_waits_for_lock_timeout():
    with memstore.Store(max_concurrent_readers=2, lock_timeout=0.05) as store:
        store["k"] = b"value"
        with store.view("k") as one, store.view("k") as two:
            start = time.monotonic()
            with pytest.raises(memstore.LockTimeout):
                store.view("k")
            assert time.monotonic() - start >= 0.05
            assert one == two == b"value"
        with store.view("k") as again:
            assert again == b"value"


def test_a_waiting_view_lets_other_threads_run_and_is_woken_by_a_release():
    with memstore.Store(max_concurrent_readers=1, lock_timeout=30) as store:
        store["k"] = b"value"
        held = store.view("k")
        got = []

        def wait():
            with store.view("k") as memory:
                got.append(bytes(memory))

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        assert not got
        held.release()
        thread.join(60)
        assert got == [b"value"]


def test_what_copies_never_waits():
    with memstore.Store(max_concurrent_readers=1, lock_timeout=30) as store:
        items = {f"k{i}": bytes([i]) * 10_000 for i in range(100)}
        store.set_many(items)
        with store.view("k0"):
            start = time.monotonic()
            assert store.get_many(items) == items
            assert store.get_many(["k1", "absent"]) == {"k1": items["k1"]}
            assert store["k2"] == items["k2"]
            assert store.get_versioned("k3")[0] == items["k3"]
            with pytest.raises(memstore.KeyNotFound):
                store.view("absent")
            assert time.monotonic() - start < 10


def test_without_a_bound_views_are_held_at_will():
    with memstore.Store(lock_timeout=0.05) as store:
        store["k"] = b"value"
        views = [store.view("k") for _ in range(500)]
        assert all(bytes(view) == b"value" for view in views)


def test_bounded_writers_get_through():
    with memstore.Store(max_concurrent_writers=1, lock_timeout=30) as store:

        def write(number):
            for i in range(300):
                store.set_many({f"{number}/{i}": b"x", f"{number}//{i}": b"y"})
                store.set(f"{number}", b"z")

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(store) == 4 * 601
        assert store.stats().rejected_timeout == 0


@pytest.mark.parametrize("settings", [{"max_concurrent_readers": -1}, {"max_concurrent_writers": 65537}], ids=str)
def test_a_bound_out_of_range_is_refused(settings):
    with pytest.raises(memstore.InvalidConfig, match="max_concurrent"):
        memstore.Store(settings)
