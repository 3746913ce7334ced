# SPDX-License-Identifier: Apache-2.0
"""Threads that share everything: a store, a cache, and the objects that a call hands out or is given.

With the GIL they take turns, which is switched as often as can be; on a free-threaded Python they run at once (`./dev
free-threaded`).
"""

import contextlib
import itertools
import random
import subprocess
import sys
import sysconfig
import threading
import time

import memstore
import pytest
from test_threads import run_in_threads

THREADS = 4
ROUNDS = 1500
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
needs_no_gil = pytest.mark.skipif(
    not FREE_THREADED or sys._is_gil_enabled(), reason="needs a free-threaded Python whose GIL is off"
)


@pytest.fixture(autouse=True)
def switched_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(function, threads=THREADS):
    """Call a function by several threads at once, each with its number."""
    begin = threading.Barrier(threads)

    def run(number):
        begin.wait()
        function(number)

    run_in_threads(*[lambda number=number: run(number) for number in range(threads)])


def value_of(key, length):
    return key.encode() * length


def is_whole(key, value):
    return value == key.encode() * (len(value) // len(key))


# ---- That they do


@pytest.mark.skipif(not FREE_THREADED, reason="needs a free-threaded Python")
def test_the_import_leaves_the_gil_off():
    program = "import sys, memstore; print(sys._is_gil_enabled())"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, env={"PATH": ""}
    )
    assert (ran.returncode, ran.stdout) == (0, "False\n"), ran.stderr


@needs_no_gil
def test_threads_run_at_once(store):
    """Each waits for the other's turn without ever giving anything away: with a GIL the first would wait for ever."""
    sys.setswitchinterval(1000)
    store["turn"] = b"0"

    def play(number):
        for turn in range(number, 2000, 2):
            mine = b"%d" % turn
            deadline = time.monotonic() + 60
            while store["turn"] != mine:
                assert time.monotonic() < deadline
            store["turn"] = b"%d" % (turn + 1)

    together(play, 2)
    assert store["turn"] == b"2000"


# ---- A store and a cache


def test_a_store_that_all_use(seed):
    """Every operation at once on few keys, in a store that is too small for all: nobody sees half a value, or one of
    another key."""
    keys = [f"key-{i}" for i in range(40)]

    def look(rng, store, key):
        with contextlib.suppress(memstore.KeyNotFound), store.view(key) as memory:
            assert is_whole(key, bytes(memory))

    operations = [
        lambda rng, store, key: store.set(key, value_of(key, rng.choice([1, 50, 9000]))),
        lambda rng, store, key: store.set_many({each: value_of(each, 3) for each in rng.sample(keys, 10)}, ttl=0.002),
        lambda rng, store, key: store.set_async(key, value_of(key, 2)),
        lambda rng, store, key: store.delete(key),
        lambda rng, store, key: store.delete_many(rng.sample(keys, 3)),
        lambda rng, store, key: store.add(key, value_of(key, 5), ttl=rng.choice([None, 0.001])),
        lambda rng, store, key: store.compare_and_set(key, value_of(key, 7), store.get_versioned(key)[1]),
        lambda rng, store, key: is_whole(key, store.get(key, key.encode())) or pytest.fail(key),
        lambda rng, store, key: [is_whole(k, v) or pytest.fail(k) for k, v in store.get_many(keys).items()],
        lambda rng, store, key: [store.has_many(keys), store.count("key-*"), len(store), repr(store), store.stats()],
        lambda rng, store, key: set(store) <= {each.encode() for each in keys} or pytest.fail("an unknown key"),
        lambda rng, store, key: is_whole(key, store.get_or_load(key, lambda _: value_of(key, 4))) or pytest.fail(key),
        look,
        look,
    ]
    with memstore.Store(memory_limit="4MB", shards=2) as store:

        def work(number):
            rng = random.Random(seed + number)
            for _ in range(ROUNDS):
                with contextlib.suppress(memstore.MemoryExhausted, memstore.GCPressure, memstore.LockTimeout):
                    rng.choice(operations)(rng, store, rng.choice(keys))
            if number == 0:
                store.clear()

        together(work)
        assert len(list(store)) == len(store)


def test_a_cache_that_all_use(seed):
    """Values are pairs of their key and a number; a miss is told by an object of one's own, None is a value."""
    nothing = object()
    with memstore.Cache(memory_limit="8MB") as cache:
        computed, popped = itertools.count(), [[] for _ in range(THREADS)]

        @cache.memoize(ttl=0.01)
        def square(n):
            next(computed)
            return n, n * n

        def work(number):
            rng = random.Random(seed + number)
            for i in range(ROUNDS // 2):
                key = ("k", rng.randrange(20))
                cache[key] = (key, i)
                found = cache.get(key, nothing)
                assert found is nothing or found is None or found[0] == key
                if rng.random() < 0.2:
                    cache.set(key, None, ttl=0.001)
                if rng.random() < 0.2:
                    popped[number].append(cache.pop(key, nothing))
                assert cache.setdefault(("d", rng.randrange(5)), "one") == "one"
                if rng.random() < 0.05:
                    for other, value in list(cache.items()):
                        assert value is None or other[0] != "k" or value[0] == other
                assert square(rng.randrange(5)) in [(n, n * n) for n in range(5)]

        together(work)
        assert any(each is not nothing for taken in popped for each in taken)
        info = square.cache_info()
        # As many calls as were made: no count is lost.
        assert info.hits + info.misses == THREADS * (ROUNDS // 2)


def test_a_key_is_computed_by_one_thread_at_a_time(store):
    inside, most, computed = [], [], []

    @store.memoize
    def slow(n):
        inside.append(n)
        most.append(inside.count(n))
        computed.append(n)
        time.sleep(0.001)
        inside.remove(n)
        return n

    together(lambda number: [slow(i // 2) for i in range(100)])
    assert (max(most), sorted(computed)) == (1, list(range(50)))


def test_names_are_given_out_once(store):
    made = [[] for _ in range(THREADS)]

    def function():
        return 1

    together(lambda number: made[number].extend(store.memoize(function).cache_parameters()["name"] for _ in range(300)))
    assert len({name for names in made for name in names}) == 300 * THREADS


def test_all_close_while_all_work(seed):
    for turn in range(30):
        cache = memstore.Cache(memory_limit="4MB", logger=turn % 2 == 0)

        def work(number, cache=cache, turn=turn):
            rng = random.Random(seed + number + turn)
            with contextlib.suppress(memstore.CacheClosed):
                keys = iter(cache)
                for i in range(rng.randrange(200)):
                    cache[i] = [i]
                    cache.get(i)
                    next(keys, None)
                    cache.store.get_many([b"i%d" % n for n in range(5)])
            cache.close()
            assert cache.store.closed

        together(work)


# ---- What a call hands out


def test_a_view_that_all_enter_and_leave(store):
    value = bytes(range(256)) * 40

    def share(view, number):
        for _ in range(5):
            try:
                # A memoryview is one thread's (Python 3.13 says so of its own), a view is everybody's.
                with memoryview(view) as memory:
                    assert memory[number] == number and memory == value
                with view:
                    assert len(view) == len(value)
                repr(view)
            except ValueError:  # released, by another
                pass

    for _ in range(200):
        store["k"] = value
        view = store.view("k")
        slices = [memoryview(view)[number:] for number in range(THREADS)]
        store["k"] = b"other"
        together(lambda number, view=view: share(view, number))
        assert view.released
        assert all(each == value[number:] for number, each in enumerate(slices))
        del slices
    store.clear()
    assert store.memory().pinned == 0


def test_an_iterator_that_all_take_from(store):
    keys = {b"key-%d" % i for i in range(5000)}
    store.set_many((key, b"") for key in keys)
    shared, met = iter(store), [[] for _ in range(THREADS)]
    together(lambda number: met[number].extend(shared))
    assert sorted(itertools.chain.from_iterable(met)) == sorted(keys)


def test_a_subscription_that_all_take_from_and_close(store):
    for _ in range(20):
        removals, taken = store.subscribe(), [[] for _ in range(THREADS)]

        def work(number, removals=removals, taken=taken):
            if number == 0:
                for i in range(200):
                    store[f"gone-{i}"] = b""
                    store.delete(f"gone-{i}")
                while sum(map(len, taken)) < 200:
                    time.sleep(0.0001)
                removals.close()
                return
            with contextlib.suppress(memstore.CacheClosed):
                for event in removals:
                    taken[number].append(event.key)
                    assert removals.dropped == 0
            removals.close()

        together(work)
        assert sorted(itertools.chain.from_iterable(taken)) == sorted(b"gone-%d" % i for i in range(200))


def test_a_lease_that_all_give_back(store):
    for i in range(300):
        _, lease = store._lease_acquire(f"key-{i}", 0)
        filled = []

        def give_back(number, lease=lease, filled=filled):
            assert lease.current in (True, False)
            try:
                filled.append(lease.fill(b"value") if number % 2 else lease.fail(False))
            except memstore.InvalidArgument:
                assert not lease.held

        together(give_back)
        assert len(filled) == 1


# ---- What a call is given


def test_lists_and_dicts_that_change_meanwhile(store):
    """They are taken as they are at one moment, whatever other threads put in and take out."""
    keys = [f"key-{i}" for i in range(200)]
    items = {key: b"value" for key in keys}
    pair, columns = ["key-0", b"value"], [list(keys), [b"value"] * len(keys)]
    store.set_many(items)
    ended = threading.Event()

    def change():
        rng = random.Random(1)
        while not ended.is_set():
            if len(keys) > 100:
                del keys[rng.randrange(1, len(keys)) :]
            keys.extend(f"key-{i}" for i in range(len(keys), 200))
            items.pop(f"key-{rng.randrange(200)}", None)
            items[f"key-{rng.randrange(400)}"] = b"value"
            pair.append(pair.pop())

    def use():
        try:
            for _ in range(400):
                assert set(store.get_many(keys).values()) == {b"value"}
                assert all(store.has_many(keys).values())
                store.set_many(items)
                with contextlib.suppress(ValueError, TypeError):
                    store.set_many([pair])
                with contextlib.suppress(ValueError):
                    store.set_many(columns[0], values=columns[1])
        finally:
            ended.set()

    run_in_threads(change, use, use)
    assert set(store.get_many(list(store)).values()) == {b"value"}


def test_a_store_is_opened_once_however_many_try():
    for _ in range(20):
        store = memstore.Store.__new__(memstore.Store)
        opened = []

        def open_it(number, store=store, opened=opened):
            try:
                store.__init__(memory_limit="4MB")
                opened.append(number)
            except memstore.InvalidArgument as refused:
                assert "open already" in str(refused)

        together(open_it)
        assert len(opened) == 1
        store["k"] = b"v"
        store.close()
