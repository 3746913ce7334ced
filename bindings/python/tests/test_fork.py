# SPDX-License-Identifier: Apache-2.0
import os
import sys
import threading
import traceback
import warnings

import memstore
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(function):
    """Run a function in a forked child. A failure is printed there and fails the test here."""
    with warnings.catch_warnings():
        # Newer Pythons warn of threads at a fork; that a store lives through it is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_has_a_store_of_its_own(store):
    store["k"] = b"parent"

    def child():
        assert store["k"] == b"parent"
        store["k"] = b"child"
        store.set_many({f"k{i}": b"x" * 1000 for i in range(2000)}, ttl=60)
        assert len(store) == 2001
        store.delete_pattern("k*")
        store.maintain()
        assert len(store) == 0

    in_child(child)
    assert store["k"] == b"parent"
    assert len(store) == 1


def test_a_child_can_close_and_open(store):
    store["k"] = b"v"

    def child():
        store.close()
        with memstore.Store() as other:
            other.set("a", b"1", ttl=0.01)
            assert "k" not in other

    in_child(child)
    assert store["k"] == b"v"


def test_a_view_lives_on_in_the_child(store):
    store["k"] = b"value"
    with store.view("k") as memory:

        def child():
            assert memory == b"value"
            store.clear()
            assert memory == b"value"
            memory.release()

        in_child(child)
        assert memory == b"value"


def test_a_fork_while_threads_write(store):
    done = threading.Event()

    def write():
        i = 0
        while not done.is_set():
            store.set(f"k{i % 100}", b"x" * 100_000)
            store.get_many([f"k{j}" for j in range(100)])
            i += 1

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):

            def child():
                for i in range(100):
                    store.set(f"k{i}", b"child")
                    assert store[f"k{i}"] == b"child"

            in_child(child)
    finally:
        done.set()
        for thread in threads:
            thread.join()
