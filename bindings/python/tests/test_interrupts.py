# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, and other signals, while the main thread waits for a load of another thread, writes, saves or loads."""

import contextlib
import signal
import threading
import time

import memstore
import pytest

from conftest import wait_until
from test_gil import WRITES, held_store

#: Whoever waits in vain waits as long.
PATIENCE = 20


@contextlib.contextmanager
def loading(store, key):
    """Another thread loads a key until the event is set, or patience is over."""
    begun, leave = threading.Event(), threading.Event()

    def load(_):
        begun.set()
        leave.wait(PATIENCE)
        return b"row"

    thread = threading.Thread(target=store.get_or_load, args=(key, load))
    thread.start()
    assert begun.wait(60)
    try:
        yield leave
    finally:
        leave.set()
        thread.join(60)


def never(key):
    raise AssertionError(f"{key} is loaded twice")


@contextlib.contextmanager
def signalled(number, until, handler=None):
    """The main thread gets a signal again and again, since nobody knows when it has begun to wait."""
    main = threading.main_thread().ident
    before = signal.signal(number, handler) if handler is not None else None

    begins = threading.Event()

    def send():
        begins.wait()
        while not wait_until(until, 0.2):
            signal.pthread_kill(main, number)

    thread = threading.Thread(target=send)
    thread.start()
    begins.set()
    try:
        yield
    finally:
        thread.join(60)
        if before is not None:
            signal.signal(number, before)


class Interrupted:
    """Raised by a handler, so that what is sent too late does not end the tests."""

    class Error(BaseException):
        pass

    def __init__(self):
        self.raised = False

    def __call__(self, number, frame):
        if not self.raised:
            self.raised = True
            raise Interrupted.Error


def interrupted(call):
    """How long a call lasts that is interrupted."""
    handler = Interrupted()
    start = time.monotonic()
    with signalled(signal.SIGINT, lambda: handler.raised, handler), pytest.raises(Interrupted.Error):
        call()
    return time.monotonic() - start


def test_an_interrupt_ends_the_wait_for_the_load_of_another(store):
    with loading(store, "k") as leave:
        assert interrupted(lambda: store.get_or_load("k", never)) < PATIENCE / 2
        leave.set()
        assert store.get_or_load("k", never) == b"row"


def test_ctrl_c_is_a_keyboard_interrupt(store):
    with loading(store, "k"):
        main = threading.main_thread().ident
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            store.get_or_load("k", never, timeout=PATIENCE)
        timer.join()


def test_an_interrupt_ends_the_wait_of_a_memoized_function(store):
    begun, leave = threading.Event(), threading.Event()

    @store.memoize
    def compute(number):
        begun.set()
        leave.wait(PATIENCE)
        return number

    thread = threading.Thread(target=compute, args=(1,))
    thread.start()
    assert begun.wait(60)
    try:
        assert interrupted(lambda: compute(1)) < PATIENCE / 2
    finally:
        leave.set()
        thread.join(60)
    assert compute(1) == 1


def test_an_interrupt_ends_the_pause_before_another_attempt():
    def load(key):
        raise memstore.LoadRetry

    with memstore.Store(loader={"retry_initial": PATIENCE, "retry_max": PATIENCE, "timeout": 600}) as store:
        assert interrupted(lambda: store.get_or_load("k", load)) < PATIENCE / 2
        assert store.get_or_load("k", lambda key: b"row") == b"row"


@pytest.mark.parametrize("bound", [{"max_loads": 1}, {"max_load_bytes": 1024}])
def test_an_interrupt_ends_the_wait_for_a_place_to_load(bound):
    with memstore.Store(loader={"timeout": 600, **bound}) as store, loading(store, "k"):
        assert interrupted(lambda: store.get_or_load("another", never)) < PATIENCE / 2


def never_many(keys):
    raise AssertionError(f"{keys} are loaded twice")


@pytest.mark.parametrize("progress", [None, lambda progress: None])
def test_an_interrupt_ends_warming_that_waits_for_the_load_of_another(store, progress):
    with loading(store, "k"):
        assert interrupted(lambda: store.warm(["k"], never_many, progress=progress)) < PATIENCE / 2


def test_an_interrupt_ends_the_pause_of_warming_before_another_attempt():
    def load_many(keys):
        raise memstore.LoadRetry

    with memstore.Store(loader={"retry_initial": PATIENCE, "retry_max": PATIENCE, "timeout": 600}) as store:
        assert interrupted(lambda: store.warm(["k"], load_many)) < PATIENCE / 2


def test_an_interrupt_ends_the_wait_of_warming_for_a_place_to_load():
    with memstore.Store(loader={"timeout": 600, "max_loads": 1}) as store, loading(store, "k"):
        assert interrupted(lambda: store.warm(["another"], never_many)) < PATIENCE / 2


def test_a_handler_that_returns_lets_warming_wait_on(store):
    with loading(store, "k") as leave, signalled(signal.SIGUSR1, leave.is_set, lambda *_: leave.set()):
        assert store.warm(["k"], never_many).stored == 1


def test_an_interrupt_in_a_loader_of_warming_ends_the_waits_after_it(store):
    def load_many(keys):
        raise KeyboardInterrupt

    with loading(store, "k"):
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            store.warm(["another", "k"], load_many)
        assert time.monotonic() - begun < PATIENCE / 2


def test_an_interrupt_wins_over_an_old_value():
    with memstore.Store(loader={"max_stale": "1h"}) as store:
        store.set("k", b"old", ttl=0.001)
        assert wait_until(lambda: "k" not in store, 60)
        with loading(store, "k"):
            assert interrupted(lambda: store.get_or_load("k", never)) < PATIENCE / 2


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("old", [{"max_stale": "1h"}, {"refresh_after": "1ms"}])
def test_an_interrupt_in_a_loader_wins_over_an_old_value(interrupt, old):
    def load(key):
        raise interrupt

    with memstore.Store(loader=old) as store:
        store.get_or_load("k", lambda key: b"old", ttl=0.001 if "max_stale" in old else None)
        time.sleep(0.01)
        with pytest.raises(interrupt):
            store.get_or_load("k", load)


def test_a_handler_that_returns_lets_the_wait_go_on(store):
    with loading(store, "k") as leave, signalled(signal.SIGUSR1, leave.is_set, lambda *_: leave.set()):
        assert store.get_or_load("k", never) == b"row"


def test_a_handler_may_use_the_store(store):
    def handler(*_):
        if not leave.is_set():
            assert store.get_or_load("other", lambda key: b"another row") == b"another row"
            store["handled"] = b""
            leave.set()

    with loading(store, "k") as leave, signalled(signal.SIGUSR1, leave.is_set, handler):
        assert store.get_or_load("k", never) == b"row"
    assert store["other"] == b"another row" and "handled" in store


def test_a_handler_may_close_the_store():
    store = memstore.Store()
    handled = threading.Event()

    def handler(*_):
        if not handled.is_set():
            handled.set()
            leave.set()
            store.close()

    with loading(store, "k") as leave, signalled(signal.SIGUSR1, handled.is_set, handler):
        with contextlib.suppress(memstore.CacheClosed):
            assert store.get_or_load("k", never) == b"row"
    assert store.closed


def test_the_wait_of_another_thread_goes_on_when_the_main_thread_gives_up(store):
    with loading(store, "k") as leave:
        results = []
        other = threading.Thread(target=lambda: results.append(store.get_or_load("k", never)))
        other.start()
        interrupted(lambda: store.get_or_load("k", never))
        assert not results
        leave.set()
        other.join(60)
        assert results == [b"row"]


# ---- Writes


@pytest.mark.parametrize("name", WRITES)
def test_an_interrupt_ends_a_write_that_waits_for_memory(name):
    with held_store() as (store, release):
        before = store.stats()
        assert interrupted(lambda: WRITES[name](store)) < PATIENCE / 2
        assert "k" not in store
        assert store.stats().rejected_memory == before.rejected_memory  # nobody was refused
        release()
        WRITES[name](store)


def test_a_handler_that_returns_lets_a_write_wait_on():
    with held_store() as (store, release):
        main = threading.main_thread().ident
        before = signal.signal(signal.SIGUSR1, lambda number, frame: release())
        try:
            timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGUSR1))
            timer.start()
            store["k"] = bytes(3000)
            timer.join()
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert store["k"] == bytes(3000)


def test_a_write_waits_as_long_as_the_store_lets_it_and_is_refused_once():
    with held_store() as (store, _):
        store.reconfigure("performance.lock_timeout", "300ms")
        before = store.stats().rejected_memory
        start = time.monotonic()
        with pytest.raises((memstore.GCPressure, memstore.MemoryExhausted)):
            store["k"] = bytes(3000)
        assert 0.3 <= time.monotonic() - start < PATIENCE / 2
        assert store.stats().rejected_memory == before + 1


def test_an_interrupt_ends_the_wait_for_a_place_for_a_view():
    with memstore.Store(max_concurrent_readers=1, lock_timeout=PATIENCE) as store:
        store["k"] = b"v"
        with store.view("k"):
            assert interrupted(lambda: store.view("k")) < PATIENCE / 2


# ---- Files


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A store of so many entries that saving or loading them takes some tenths of a second, and its snapshot."""
    path = tmp_path_factory.mktemp("interrupts") / "snapshot"
    with memstore.Store(memory_limit="200MB") as store:
        for first in range(0, 800_000, 10_000):
            store.set_many([(b"%d" % number, b"v" * 50) for number in range(first, first + 10_000)])
        store.save(path)
        yield store, path


def ends_early(prepare, call, is_done, tries=5):
    """Whether a call that is interrupted in its middle leaves undone what it was to do. It may be over before."""
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(tries):
            timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
            prepare()
            with pytest.raises(KeyboardInterrupt):
                timer.start()
                call()
                time.sleep(PATIENCE)
            timer.join()
            if not is_done():
                return True
        return False
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_saving(large, tmp_path):
    path = tmp_path / "interrupted"
    assert ends_early(lambda: path.unlink(missing_ok=True), lambda: large[0].save(path), path.exists)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_loading(large):
    with memstore.Store(memory_limit="200MB") as store:
        assert ends_early(store.clear, lambda: store.load(large[1]), lambda: len(store) > 0)


def closes_in_the_middle_of_saving(snapshot, path):
    """Whether a handler that is called while a store is saved, or soon after it, can close the store."""
    main = threading.main_thread().ident
    refused = []

    def close(number, frame):
        try:
            store.close()
        except memstore.Unsupported as failure:
            refused.append(failure)

    with memstore.Store(memory_limit="200MB") as store:
        store.load(snapshot)
        before = signal.signal(signal.SIGUSR1, close)
        try:
            timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1))
            timer.start()
            store.save(path)
            timer.join()
            return not wait_until(lambda: refused or store.closed, 60) or not refused
        finally:
            signal.signal(signal.SIGUSR1, before)


def test_a_handler_cannot_close_a_store_that_is_being_saved(large, tmp_path):
    assert not all(closes_in_the_middle_of_saving(large[1], tmp_path / "again") for _ in range(5))


def test_a_line_that_is_longer_than_signals_are_put_off_lets_the_main_thread_in():
    """Who gives his place up for them comes to the front all the same."""
    rows = {f"{i:05}": b"" for i in range(20_000)}
    over = threading.Event()

    def write():
        while not over.is_set():
            store.set_many(rows)

    with memstore.Store(max_concurrent_writers=1, lock_timeout=20, memory_limit="64MB") as store:
        threads = [threading.Thread(target=write) for _ in range(12)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                store.set("k", b"")
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
