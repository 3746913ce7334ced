# SPDX-License-Identifier: Apache-2.0
import random
import threading
import time

import memstore

THREADS = 4


def run_in_threads(*functions):
    """Run functions at the same time; the first exception comes out."""
    failures = []

    def guarded(function):
        try:
            function()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def test_counters_lose_nothing(store):
    def count():
        for i in range(3000):
            store.incr(f"n{i % 3}")

    run_in_threads(*[count] * THREADS)
    assert [int(store[f"n{i}"]) for i in range(3)] == [1000 * THREADS] * 3


def test_compare_and_set_loses_nothing(store):
    store["n"] = b"0"

    def count():
        for _ in range(500):
            while True:
                value, version = store.get_versioned("n")
                if store.compare_and_set("n", b"%d" % (int(value) + 1), version):
                    break

    run_in_threads(*[count] * THREADS)
    assert store["n"] == b"%d" % (500 * THREADS)


def test_mixed_operations_see_whole_values(store, seed):
    def mixed(number):
        rng = random.Random(seed + number)
        for _ in range(2000):
            key = f"key-{rng.randrange(50)}"
            what = rng.randrange(6)
            if what == 0:
                store.set(key, key.encode() * rng.choice([1, 100, 20_000]))
            elif what == 1:
                store.delete(key)
            elif what == 2:
                keys = [f"key-{rng.randrange(50)}" for _ in range(100)]
                store.set_many({key: key.encode() for key in keys}, ttl=rng.choice([None, 0.001]))
            elif what == 3:
                for found, value in store.get_many([f"key-{i}" for i in range(50)]).items():
                    assert value == found.encode() * (len(value) // len(found))
            else:
                value = store.get(key)
                assert value is None or value == key.encode() * (len(value) // len(key))

    run_in_threads(*[lambda number=number: mixed(number) for number in range(THREADS)])


def test_batches_are_seen_whole(store):
    keys = [f"member-{i}" for i in range(100)]
    store.set_many(dict.fromkeys(keys, b"0"))
    done = threading.Event()

    def write():
        for i in range(300):
            store.set_many(dict.fromkeys(keys, b"%d" % i))
        done.set()

    def read():
        while not done.is_set():
            assert len(set(store.get_many(keys).values())) == 1

    run_in_threads(write, read, read)


def test_close_while_others_work():
    store = memstore.Store()
    started = threading.Barrier(THREADS + 1)

    def work():
        started.wait()
        value = bytes(100_000)
        try:
            while True:
                store.set("large", value)
                store.get("large")
                store.get_many(["large"] * 100)
                store.keys()
        except memstore.CacheClosed:
            pass

    def close():
        started.wait()
        time.sleep(0.05)
        store.close()

    run_in_threads(*[work] * THREADS, close)
    assert store.closed


def test_close_from_two_threads():
    for _ in range(20):
        store = memstore.Store()
        store["a"] = b"1"
        run_in_threads(store.close, store.close)
        assert store.closed


def test_iteration_while_others_write(store):
    stay = {b"stay-%d" % i for i in range(500)}
    store.set_many((key, b"") for key in stay)
    done = threading.Event()

    def write():
        i = 0
        while not done.is_set():
            store[f"come-{i % 1000}"] = b"x" * 100
            store.delete(f"come-{(i * 7) % 1000}")
            i += 1

    def read():
        try:
            for _ in range(20):
                met = list(store)
                assert stay <= set(met)
                assert len([key for key in met if key in stay]) == len(stay)
        finally:
            done.set()

    run_in_threads(write, read)
