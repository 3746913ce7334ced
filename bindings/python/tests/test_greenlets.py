# SPDX-License-Identifier: Apache-2.0
"""Greenlets that switch in functions that the store calls: they end in an order of their own, and share a stack."""

import signal
import threading

import memstore
import pytest

greenlet = pytest.importorskip("greenlet")


def in_turn(first, second):
    """What two functions return that switch to the first greenlet once each: the one that begins first ends first."""
    one, other = greenlet.greenlet(first), greenlet.greenlet(second)
    one.switch()
    other.switch()
    results = one.switch(), other.switch()
    assert one.dead and other.dead
    return results


def leave():
    greenlet.getcurrent().parent.switch()


def load(key):
    leave()
    return b"row of " + key.encode()


def test_loaders_that_switch(store):
    results = in_turn(lambda: store.get_or_load("a", load), lambda: store.get_or_load("b", load))
    assert results == (b"row of a", b"row of b")
    assert store["a"] == b"row of a" and store["b"] == b"row of b"
    store.close()


def test_loaders_of_several_stores_that_switch():
    with memstore.Store(loader={"max_loads": 1}) as store, memstore.Store(loader={"max_loads": 1}) as other:
        in_turn(lambda: store.get_or_load("a", load), lambda: other.get_or_load("b", load))
        store.close()
        assert other.get_or_load("c", lambda key: b"row") == b"row"


def test_a_loader_that_asks_for_the_key_that_another_greenlet_loads_is_refused(store):
    def ask():
        with pytest.raises(memstore.LoaderFailed):
            store.get_or_load("a", load)
        leave()

    assert in_turn(lambda: store.get_or_load("a", load), ask)[0] == b"row of a"


def test_a_signal_handler_that_switches_while_a_place_to_load_is_waited_for():
    """Who waits in line is called by another thread, while something else is on his stack."""
    main = greenlet.getcurrent()
    begun, let_go = threading.Event(), threading.Event()

    def hold(key):
        begun.set()
        let_go.wait(60)
        return b"held"

    def switch(*_):
        if greenlet.getcurrent() is not main:
            leave()

    def let_the_place_go():
        let_go.set()
        holder.join(60)

    with memstore.Store(loader={"max_loads": 1, "timeout": 600}) as store:
        holder = threading.Thread(target=store.get_or_load, args=("k", hold))
        holder.start()
        assert begun.wait(60)
        before = signal.signal(signal.SIGALRM, switch)
        try:
            waiting = greenlet.greenlet(lambda: store.get_or_load("a", lambda key: b"row of a"))
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            waiting.switch()
            assert not waiting.dead
            greenlet.greenlet(lambda: deep(let_the_place_go)).switch()
            assert waiting.switch() == b"row of a"
        finally:
            let_go.set()
            signal.signal(signal.SIGALRM, before)
        assert store.get_or_load("b", lambda key: b"row of b") == b"row of b"


def test_warming_that_switches(store):
    def load_many(keys):
        leave()
        return {key: b"row" for key in keys}

    in_turn(lambda: store.warm(["a"], load_many), lambda: store.warm(["b"], load_many))
    assert store["a"] == store["b"] == b"row"
    store.close()


class Once:
    """A function that is told the progress and switches, once, before anything is done."""

    def __init__(self):
        self.called = False

    def __call__(self, progress):
        if not self.called:
            self.called = True
            leave()


def deep(call, depth=20):
    """Another call, with other things on the stack above it."""
    return sorted([depth], key=lambda _: deep(call, depth - 1)) if depth else call()


def test_saves_that_switch(store, tmp_path):
    store.set_many({"a": b"old", "b": b"old"})
    one, other = (greenlet.greenlet(lambda name=name: store.save(tmp_path / name, Once())) for name in ("1", "2"))
    one.switch()
    store.set_many({"a": b"new", "b": b"new"})
    other.switch()
    deep(lambda: store.set_many({"a": b"newer", "b": b"newer"}))
    with pytest.raises(memstore.Unsupported):
        store.close()
    one.switch()
    with pytest.raises(memstore.Unsupported):
        store.close()
    other.switch()
    assert one.dead and other.dead
    store.close()
    for name, value in (("1", b"old"), ("2", b"new")):
        with memstore.Store() as saved:
            saved.load(tmp_path / name)
            assert saved.get_many(["a", "b"]) == {"a": value, "b": value}
