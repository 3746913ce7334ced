# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings

import memstore
import pytest
from conftest import wait_until
from memstore import _fork

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(function):
    """Run a function in a forked child. A failure is printed there and fails the test here."""
    with warnings.catch_warnings():
        # Newer Pythons warn of threads at a fork; that a store lives through it is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(60)  # what waits for a thread that the child does not have waits for ever
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


# ---- What the package holds in Python


@contextlib.contextmanager
def held(lock):
    """A lock that another thread holds."""
    taken, ends = threading.Event(), threading.Event()

    def hold():
        with lock:
            taken.set()
            ends.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_memoized_functions_are_called_in_a_child_whatever_others_were_at(store):
    @store.memoize()
    def double(number):
        return 2 * number

    @store.memoize
    def triple(number):
        return 3 * number

    def child():
        assert double(4) == 8
        assert triple(5) == 15
        assert store.memoize(lambda number: number)(1) == 1

    assert double(3) == 6
    with held(double.cache_info.__self__.lock):
        in_child(child)
    assert double(3) == 6


def test_a_child_computes_what_another_thread_was_computing(store):
    begins, ends = threading.Event(), threading.Event()

    @store.memoize
    def slow(number):
        if os.getpid() == parent:
            begins.set()
            ends.wait()
        return os.getpid()

    def child():
        assert slow(1) == os.getpid()
        assert not slow.cache_info.__self__.flights

    parent = os.getpid()
    thread = threading.Thread(target=slow, args=(1,))
    thread.start()
    begins.wait()
    try:
        in_child(child)
    finally:
        ends.set()
        thread.join()
    assert slow(1) == parent


def test_a_function_that_forks_goes_on_in_both(store):
    @store.memoize
    def forks(number):
        children.append(os.fork())
        return number

    children = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        result = forks(7)
    if children == [0]:
        signal.alarm(60)
        os._exit(result != 7 or bool(forks.cache_info.__self__.flights))
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert result == 7
    assert not forks.cache_info.__self__.flights


def test_named_stores_are_had_in_a_child_whatever_others_were_at():
    from memstore.integrations import _shared

    def child():
        assert _shared.named_store("forked", {}).get("k") == b"v"
        _shared.close_named("forked")

    _shared.named_store("forked", {})["k"] = b"v"
    with held(_shared._lock):
        in_child(child)
    _shared.close_named("forked")


def test_callbacks_are_called_in_a_child(store):
    parents, childs = [], []

    def child():
        store.delete("of the child")
        assert wait_until(lambda: childs, 60)
        removals.close()
        with memstore.Store() as other:
            with other.on_event(lambda event: childs.append(event.key)):
                other["k"] = b"v"
                other.delete("k")
                assert wait_until(lambda: len(childs) > 1, 60)
        assert childs == [b"of the child", b"k"]
        assert parents == [b"before"]

    parent = os.getpid()
    store.set_many(dict.fromkeys(["before", "of the child", "after"], b""))
    removals = store.on_event(lambda event: (parents if os.getpid() == parent else childs).append(event.key))
    store.delete("before")
    assert wait_until(lambda: parents, 60)
    in_child(child)
    store.delete("after")
    assert wait_until(lambda: len(parents) > 1, 60)
    removals.close()
    in_child(lambda: store.delete("of the child"))


def test_a_callback_that_forks_goes_on_in_both(store):
    reports, tells = os.pipe()

    def fork_or_tell(event):
        if event.key == b"fork":
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                store.delete("k")
            else:
                children.append(child)
        else:
            os.write(tells, b"%s by %d in %s\n" % (event.key, os.getpid(), threading.current_thread().name.encode()))
            if os.getpid() != parent:
                os._exit(0)

    parent, children = os.getpid(), []
    store.set_many(dict.fromkeys(["fork", "k"], b""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with store.on_event(fork_or_tell):
            store.delete("fork")
            assert wait_until(lambda: children, 60)
            assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
            assert os.read(reports, 1000).startswith(b"k by %d in" % children[0])
            store.delete("k")
            assert os.read(reports, 1000).startswith(b"k by %d in" % parent)
    os.close(reports)
    os.close(tells)


def test_a_subscription_that_a_thread_waits_on_is_of_use_in_a_child(store):
    """The child does not have the thread: it takes events itself, and closing waits for nobody."""
    with store.subscribe() as removals:
        thread = threading.Thread(target=lambda: list(removals))
        thread.start()

        def child():
            assert store.event_stats().subscriptions == 1
            store["k"] = b"v"
            store.delete("k")
            assert removals.get(30).key == b"k"
            removals.close()
            assert store.event_stats().subscriptions == 0

        in_child(child)
    thread.join()


def test_what_cannot_go_on_in_a_child_keeps_nothing_else_from_it(monkeypatch):
    reported, restored = [], []
    monkeypatch.setattr("sys.excepthook", lambda *exception: reported.append(exception[0]))

    class Forked:
        def __init__(self, failure):
            self.failure = failure

        def _after_fork(self):
            if self.failure is not None:
                raise self.failure
            restored.append(self)

    others = [Forked(None), Forked(RuntimeError("can't start new thread")), Forked(None)]
    monkeypatch.setattr(_fork, "_all", others)
    _fork._in_child()
    assert restored == [others[0], others[2]] and reported == [RuntimeError]
