# SPDX-License-Identifier: Apache-2.0
"""How often an operation reads the clock: once at most, so that all it does is of one moment; batches a fixed number of times.

The readings of one thread are counted by a library that stands before the C library's `clock_gettime()`. The clock as of the
last tick, by which the engine sees that an entry is far from its end, costs next to nothing and decides nothing: it is not counted.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static __thread unsigned long readings;

unsigned long clock_readings(void)
{
    return readings;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*next)(clockid_t, struct timespec *);

    if (next == NULL)
        next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    readings += clock != CLOCK_MONOTONIC_COARSE;
    return next(clock, now);
}
"""

PROGRAM = """if True:
    import contextlib, ctypes, json, memstore

    clock_readings = ctypes.CDLL(None).clock_readings
    clock_readings.restype = ctypes.c_ulong
    few, many = [f"k{i}" for i in range(10)], [f"k{i}" for i in range(1000)]
    nothing = object()

    def view(store):
        with store.view("k1"):
            pass

    stores = {
        "get": lambda s: s.get("k1"),
        "get of a large value": lambda s: s.get("large"),
        "get of nothing": lambda s: s.get("absent", nothing),
        "[]": lambda s: s["k1"],
        "in": lambda s: "k1" in s,
        "get_versioned": lambda s: s.get_versioned("k1"),
        "view": view,
        "set": lambda s: s.set("k1", b"v"),
        "set with a ttl": lambda s: s.set("k1", b"v", ttl=60),
        "set of a large value": lambda s: s.set("large", bytes(200_000)),
        "add": lambda s: s.add("k1", b"v"),
        "replace": lambda s: s.replace("k1", b"v", ttl=60),
        "compare_and_set": lambda s: s.compare_and_set("k1", b"v", 1),
        "incr": lambda s: s.incr("n", ttl=60),
        "ttl": lambda s: s.ttl("k1"),
        "expire": lambda s: s.expire("k1", 60),
        "delete": lambda s: s.delete("k2"),
        "get_or_load of what is there": lambda s: s.get_or_load("k20", nothing),
    }
    batches = {
        "set_many": lambda s, keys: s.set_many(dict.fromkeys(keys, b"v"), ttl=60),
        "get_many": lambda s, keys: s.get_many(keys),
        "has_many": lambda s, keys: s.has_many(keys),
        "delete_many": lambda s, keys: s.delete_many(keys),
    }
    caches = {
        "get": lambda c: c.get("k"),
        "get of nothing": lambda c: c.get("absent", nothing),
        "[]": lambda c: c["k"],
        "[] = ": lambda c: c.__setitem__("k", 1),
        "set with a ttl": lambda c: c.set("k", 1, ttl=60),
        "in": lambda c: "k" in c,
        "setdefault of what is there": lambda c: c.setdefault("k", 1),
        "pop of nothing": lambda c: c.pop("absent", nothing),
        "memoized": lambda c: square(7),
    }

    def count(call, *given):
        before = clock_readings()
        call(*given)
        return clock_readings() - before

    counts = {}
    with memstore.Store(memory_limit="64MB", maintenance="manual") as store:
        store.set_many(dict.fromkeys(many, b"v"))
        store["large"] = bytes(200_000)
        for name, call in stores.items():
            call(store)
            counts["store: " + name] = count(call, store)
        store.set_many(dict.fromkeys(many, b"v"), ttl=60)
        for name, call in batches.items():
            counts[name] = [count(call, store, few), count(call, store, many)]
    with memstore.Cache(memory_limit="64MB", maintenance="manual") as cache:
        cache["k"] = 1

        @cache.memoize(ttl=60)
        def square(n):
            return n * n

        for name, call in caches.items():
            call(cache)
            counts["cache: " + name] = count(call, cache)
    print(json.dumps(counts))
"""


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    if not sys.platform.startswith("linux") or shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("without the GIL the interpreter reads the clock, too, where a thread gives its state up")
    folder = tmp_path_factory.mktemp("counter")
    (folder / "counter.c").write_text(COUNTER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "counter.so", "counter.c", "-ldl"], cwd=folder, check=True, timeout=60)
    environment = os.environ | {"LD_PRELOAD": str(folder / "counter.so")}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_each_operation_reads_the_clock_once_at_most(counts):
    single = {name: count for name, count in counts.items() if isinstance(count, int)}
    # That readings are counted at all.
    assert single["store: set with a ttl"] == single["cache: set with a ttl"] == 1
    assert {name: count for name, count in single.items() if count > 1} == {}


@pytest.mark.parametrize("name", ["set_many", "get_many", "has_many", "delete_many"])
def test_a_batch_reads_the_clock_no_more_often_for_a_thousand_keys_than_for_ten(counts, name):
    few, many = counts[name]
    assert max(few, many) <= 4
