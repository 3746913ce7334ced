# SPDX-License-Identifier: Apache-2.0
"""Which calls let other Python threads run meanwhile.

Threads are switched here only when one gives the GIL away by itself: what another thread has done when a call returns,
it has done in the call.
"""

import contextlib
import itertools
import subprocess
import sys
import threading
import time

import memstore
import pytest
from conftest import wait_until

#: Whoever waits in vain waits as long.
PATIENCE = "20s"
LARGE = bytes(50_000_000)


@pytest.fixture(autouse=True)
def switched_by_itself():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


class Beside:
    """A thread that does something again and again, giving the GIL away in between."""

    def __init__(self, step=lambda: None):
        self.ticks = 0
        self._step = step
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._ended.wait(0.0001):
            self._step()
            self.ticks += 1

    def __enter__(self):
        self._thread.start()
        assert wait_until(lambda: self.ticks > 0, 60)
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(60)


def lets_others_run(call, tries=100):
    """Whether another thread gets on during a call. A busy machine may not have run it in the first ones."""
    with Beside() as other:
        for _ in range(tries):
            before = other.ticks
            call()
            if other.ticks != before:
                return True
    return False


# ---- Large values


@contextlib.contextmanager
def large_store():
    with memstore.Store(memory_limit="400MB") as store:
        store["here"] = b""
        yield store


LARGE_WRITES = {
    "set": lambda store: store.set("k", LARGE),
    "assignment": lambda store: store.__setitem__("k", LARGE),
    "set_async": lambda store: store.set_async("k", LARGE),
    "set_many": lambda store: store.set_many({"k": LARGE}),
    "add": lambda store: (store.delete("k"), store.add("k", LARGE))[-1],
    "replace": lambda store: store.replace("here", LARGE),
    "compare_and_set": lambda store: (
        store.set("here", b""),
        store.compare_and_set("here", LARGE, store.get_versioned("here")[1]),
    )[-1],
    "set_until": lambda store: store.set_until("k", LARGE, time.time() + 1000),
}


@pytest.mark.parametrize("name", LARGE_WRITES)
def test_others_run_while_a_large_value_is_written(name):
    with large_store() as store:
        assert lets_others_run(lambda: LARGE_WRITES[name](store))


def test_others_run_while_a_large_value_is_read():
    with large_store() as store:
        store["k"] = LARGE
        assert lets_others_run(lambda: store.get("k"))
        assert lets_others_run(lambda: store.get_versioned("k"))


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="without the GIL all run at once")
def test_small_values_are_written_and_read_without_a_switch():
    with large_store() as store:
        value = bytes(1000)

        def small():
            store.set("k", value)
            assert store.get("k") == value
            store.add("l", value)
            store.incr("n")
            store.delete("l")

        assert not lets_others_run(small)


@pytest.mark.parametrize("name", [name for name in LARGE_WRITES if name not in ("add", "compare_and_set")])
def test_what_is_being_written_cannot_be_resized(name):
    """The value is lent to the call: a thread that would resize it meanwhile gets BufferError."""
    value = bytearray(LARGE)
    refused, resized, is_inside = 0, 0, False

    def resize():
        nonlocal refused, resized
        if is_inside:
            try:
                value.append(1)
                resized += 1
            except BufferError:
                refused += 1

    writes = {
        "set": lambda store: store.set("here", value),
        "assignment": lambda store: store.__setitem__("here", value),
        "set_async": lambda store: store.set_async("here", value),
        "set_many": lambda store: store.set_many({"here": value}),
        "replace": lambda store: store.replace("here", value),
        "set_until": lambda store: store.set_until("here", value, time.time() + 1000),
    }
    with large_store() as store, Beside(resize):
        for _ in range(100):
            is_inside = True
            writes[name](store)
            is_inside = False
            if refused:
                break
        store.flush()
        assert (refused > 0, resized) == (True, 0)
        assert store["here"] == LARGE
    value.append(1)


# ---- Waiting


def is_refused_after(store, wait):
    """Whether a write is refused that waits for longer than a thread does without its processor."""
    store.reconfigure("performance.lock_timeout", wait)
    try:
        store["held by none"] = bytes(3000)
    except memstore.Error:
        return True
    finally:
        store.reconfigure("performance.lock_timeout", "1ms")
    return False


def hold_memory(store, held):
    """Let views hold all memory of a store."""
    store.reconfigure("performance.lock_timeout", "1ms")
    refused = 0  # in a row: on a busy machine a millisecond may pass for nothing
    for i in itertools.count():
        try:
            store[f"held {i}"] = bytes(3000)
            held.enter_context(store.view(f"held {i}"))
            refused = 0
        except memstore.Error:
            refused += 1
        if refused >= 20 and is_refused_after(store, "200ms"):
            break


@contextlib.contextmanager
def held_store(**settings):
    """A store whose memory is all held by views, and a function that releases them."""
    with memstore.Store(memory_limit="4MB", shards=1, **settings) as store:
        held = contextlib.ExitStack()
        store["n"] = b"1"
        store["gone"] = b"1"
        hold_memory(store, held)
        store.reconfigure("performance.lock_timeout", PATIENCE)
        with held:
            yield store, held.close


WRITES = {
    "set": lambda store: store.set("k", bytes(3000)),
    "set of a large value": lambda store: store.set("k", bytes(100_000)),
    "assignment": lambda store: store.__setitem__("k", bytes(3000)),
    "add": lambda store: store.add("k", bytes(3000)),
    "replace": lambda store: store.replace("n", bytes(3000)),
    "compare_and_set": lambda store: store.compare_and_set("n", bytes(3000), store.get_versioned("n")[1]),
    "set_until": lambda store: store.set_until("k", bytes(3000), time.time() + 1000),
    "set_async": lambda store: [store.set_async(f"async {i}", bytes(3000)) for i in range(200)],
    "set_many": lambda store: store.set_many({"k": bytes(3000)}),
    "incr": lambda store: [store.incr(f"n {i}" + "n" * 200) for i in range(3000)],
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_waits_for_memory_lets_others_release_it(name):
    """One thread holds all memory in views and lets go when it gets to run; a third is to get on meanwhile."""
    with held_store() as (store, release):
        ticks_before = third_before = 0

        def tick_and_release():
            if is_waiting.is_set() and releaser.ticks > ticks_before + 20 and third.ticks > third_before:
                release()

        is_waiting = threading.Event()
        with Beside(tick_and_release) as releaser, Beside() as third:
            ticks_before, third_before = releaser.ticks, third.ticks
            is_waiting.set()
            WRITES[name](store)
            assert third.ticks > third_before
            assert releaser.ticks > ticks_before


WRITES_OF_A_KEY = {
    "set": lambda store, key: store.set(key, bytes(3000)),
    "add": lambda store, key: store.add(key, bytes(3000)),
    "set of part of a buffer": lambda store, key: store.set(memoryview(key)[:], bytes(3000)),
    "set_many": lambda store, key: store.set_many([(key, bytes(3000))]),
    "set_many of rows": lambda store, key: store.set_many(
        memoryview(key).cast("B", (1, len(key))), values=[bytes(3000)]
    ),
}


@pytest.mark.parametrize("name", WRITES_OF_A_KEY)
def test_a_key_that_is_written_to_while_its_entry_is_stored_is_the_one_that_was_given(name):
    key = bytearray(b"given")

    def change_and_release():
        if is_waiting.is_set():
            key[:] = b"other"
            release()

    with held_store() as (store, release):
        is_waiting = threading.Event()
        with Beside(change_and_release):
            is_waiting.set()
            WRITES_OF_A_KEY[name](store, key)
        assert key == b"other"
        assert "given" in store
        assert [stored for stored in store if stored not in store] == []


@pytest.mark.parametrize("size", [5, 5000])
def test_a_key_that_is_written_to_while_a_place_for_its_load_is_waited_for_is_the_one_that_was_given(size):
    def never(key):
        raise AssertionError("there is no place for a load")

    def change():
        if is_waiting.is_set():
            key[:] = b"other"

    key, is_waiting = bytearray(b"given"), threading.Event()
    with memstore.Store(
        {"loader.on_store_error": "fail"}, max_concurrent_readers=1, lock_timeout=0.5
    ) as store, Beside(change):
        store["given"], store["other"] = b"1" * size, b"2" * size
        with store.view("other"):
            is_waiting.set()
            assert store.get_or_load(key, never) == b"1" * size
        assert key == b"other"


def test_rows_that_are_written_to_while_they_are_looked_up_are_those_that_were_given(store):
    rows, each = bytearray(b"absent..") * 100_000, 8
    store.set_many({"given...": b"1", "other...": b"2"})
    is_inside, changed = False, 0

    def change():
        nonlocal changed
        if is_inside:
            rows[-each:] = b"other..."
            changed += 1

    with Beside(change):
        for _ in range(100):
            rows[-each:] = b"given..."
            is_inside = True
            found = store.get_many(memoryview(rows).cast("B", (len(rows) // each, each)))
            is_inside = False
            assert found == {b"given...": b"1"}
            if changed:
                break
    assert changed


def test_a_view_that_waits_for_its_place_lets_others_release_theirs():
    with memstore.Store(memory_limit="4MB", max_concurrent_readers=1, lock_timeout=PATIENCE) as store:
        store["k"] = b"value"
        held = contextlib.ExitStack()
        held.enter_context(store.view("k"))
        with Beside(held.close), store.view("k") as memory:
            assert memory == b"value"


#: What asks how many entries there are, which sweeps what has expired.
COUNTS = {
    "len": lambda store: len(store),
    "size": lambda store: store.size(),
    "stats": lambda store: store.stats(),
    "ttls": lambda store: store.ttls(),
    "hit_rate": lambda store: store.hit_rate(),
    "metrics_text": lambda store: store.metrics_text(),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_sweep_that_a_count_has_to_do_lets_others_run(name):
    def fill_and_count():
        with memstore.Store(memory_limit="64MB", maintenance="manual") as store:
            store.set_many({f"k{i}": b"" for i in range(20_000)}, ttl=0.001)
            time.sleep(0.01)
            before = other.ticks
            COUNTS[name](store)
            ticked = other.ticks != before
            assert len(store) == 0
            return ticked

    with Beside() as other:
        assert any(fill_and_count() for _ in range(100))


@pytest.mark.parametrize("settings", [{}, {"maintenance": "manual"}, {"max_concurrent_writers": 1}])
def test_threads_that_wait_for_each_other_in_turn_come_to_an_end(settings):
    """Each holds views and writes, in a store that has room for less: whoever waits, for memory, for locks or for its
    turn, lets the others release what it waits for."""
    sys.setswitchinterval(1e-5)
    threads, rounds, failures = 6, 150, []

    def work(number):
        held = []
        try:
            for i in range(rounds):
                key = f"{number}-{i % 20}"
                with contextlib.suppress(memstore.MemoryExhausted, memstore.GCPressure, memstore.LockTimeout):
                    store.set(key, bytes(30_000))
                    store.incr(f"n{i % 3}")
                    store.set_async(f"async {i % 10}", bytes(5000))
                    store.replace(key, bytes(100_000))
                with contextlib.suppress(memstore.KeyNotFound):
                    held.append(contextlib.ExitStack())
                    held[-1].enter_context(store.view(key))
                if len(held) > 5:
                    held.pop(0).close()
                with contextlib.suppress(memstore.LockTimeout):
                    store.delete(f"{number}-{(i + 7) % 20}")
                len(store)
        except BaseException as failure:
            failures.append(failure)
        finally:
            for each in held:
                each.close()

    with memstore.Store(memory_limit="4MB", shards=1, lock_timeout="20ms", **settings) as store:
        workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(300)
            assert not worker.is_alive()
        assert not failures


#: What a daemon is in.
LOST_CALLS = {
    "get_or_load": 'store.get_or_load("k", load)',
    "warm": 'store.warm(["k"], load)',
    "save": "store.save(path, load)",
}


@pytest.mark.parametrize("call", LOST_CALLS)
@pytest.mark.parametrize("closes", [True, False], ids=["closing", "dropping"])
def test_a_program_ends_while_a_daemon_is_in_a_function_that_a_store_calls(call, closes, tmp_path):
    # A module of its own: the other's variables go when nobody needs them any more.
    (tmp_path / "lost.py").write_text(f"""if True:
        import threading
        begins = threading.Event()
        path = {str(tmp_path / "snapshot")!r}
        def load(_):
            begins.set()
            threading.Event().wait()
        def call(store):
            {LOST_CALLS[call]}
    """)
    (tmp_path / "program.py").write_text(f"""if True:
        import threading, memstore, lost
        class Owner:
            def __init__(self):
                self.store = memstore.Store()
            def __del__(self):
                if {closes}:
                    self.store.close()
                print("ends", flush=True)
        owner = Owner()
        threading.Thread(target=lost.call, args=(owner.store,), daemon=True).start()
        lost.begins.wait()
    """)
    ran = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "ends\n"), ran.stderr


def test_a_store_that_nobody_is_in_is_closed_when_the_program_ends(tmp_path):
    program = f"""if True:
        import memstore
        class Owner:
            def __init__(self):
                self.store = memstore.Store()
            def __del__(self):
                self.store.close()
                print(self.store.closed, flush=True)
        owner = Owner()
        owner.store.get_or_load("k", lambda key: b"row")
        owner.store.warm(["w"], lambda keys: {{}})
        owner.store.save({str(tmp_path / "snapshot")!r})
    """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "True\n"), ran.stderr


def test_a_program_ends_while_a_daemon_waits_for_memory():
    program = """if True:
        import contextlib, threading, time, memstore
        store = memstore.Store(memory_limit="4MB", lock_timeout="2s", shards=1)
        held = contextlib.ExitStack()
        store.reconfigure("performance.lock_timeout", "1ms")
        with contextlib.suppress(memstore.Error):
            for i in range(10000):
                store[f"k{i}"] = bytes(3000)
                held.enter_context(store.view(f"k{i}"))
        store.reconfigure("performance.lock_timeout", "2s")
        begins = threading.Event()
        def write():
            begins.set()
            while True:
                with contextlib.suppress(memstore.MemoryExhausted):
                    store["k"] = bytes(3000)
        threading.Thread(target=write, daemon=True).start()
        begins.wait()
        time.sleep(0.1)
        print("ends")
    """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout) == (0, "ends\n"), ran.stderr
