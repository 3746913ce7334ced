# SPDX-License-Identifier: Apache-2.0
"""Servers that open a store, fork workers which go on using it, and fork new ones when those end.

The parent's threads write all the time. Each worker has the entries as they were at its fork, may write, close and open what
it likes, and changes nothing for the others.
"""

import contextlib
import http.client
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import warnings

import memstore
import pytest
from conftest import wait_until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

GENERATIONS = 4
WORKERS = 4
PATIENCE = 60.0


@contextlib.contextmanager
def writers(*stores):
    """Threads that write, asynchronously and in batches, while the block runs."""
    done = threading.Event()
    failures = []

    def write(number, store):
        try:
            i = 0
            while not done.is_set():
                i += 1
                store.set_async(f"queued/{number}/{i % 50}", b"q" * 500)
                store.set(f"single/{number}/{i % 50}", b"s" * 500, ttl=0.05)
                store.set_many({f"pair/{number}/a": b"%d" % i, f"pair/{number}/b": b"%d" % i})
        except BaseException as failure:
            failures.append(failure)

    threads = [
        threading.Thread(target=write, args=(number, store)) for number, store in enumerate(stores) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures


def serve(stores):
    """What a worker does with the stores that it was forked with."""
    for number, store in enumerate(stores):
        pairs = store.get_many([f"pair/{number}/a", f"pair/{number}/b"])
        assert len(set(pairs.values())) <= 1, pairs
        assert store["config"] == b"of the parent"
        store["config"] = b"of a worker"
        for i in range(100):
            store.set_async(f"worker/{i}", b"w" * 1000, ttl=0.02)
        store.flush()
        assert store["config"] == b"of a worker"
        # The maintenance thread did not come along; a new one removes what has expired.
        assert wait_until(lambda store=store: store.count("worker/*") == 0, PATIENCE)
        with memstore.Store(memory_limit="1MB") as other:
            other["k"] = b"v"
        store.close()


def fork_worker(stores):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(int(2 * PATIENCE))
            serve(stores)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def test_a_parent_replaces_its_workers_while_its_threads_write():
    stores = [
        memstore.Store(memory_limit="16MB"),
        memstore.Store(memory_limit="1MB", eviction="lru", max_concurrent_writers=2, lock_timeout="30s"),
    ]
    for store in stores:
        store["config"] = b"of the parent"
    with writers(*stores):
        workers = {fork_worker(stores) for _ in range(WORKERS)}
        for generation in range(GENERATIONS):
            for _ in range(WORKERS):
                child, status = os.wait()
                assert os.waitstatus_to_exitcode(status) == 0
                workers.remove(child)
                if generation + 1 < GENERATIONS:
                    workers.add(fork_worker(stores))
    assert not workers
    for store in stores:
        store.flush()
        assert store["config"] == b"of the parent"
        assert store.count("worker/*") == 0
        store.close()


def test_what_the_parent_has_queued_is_applied_by_the_parent_alone(store):
    store.reconfigure("performance.batch_timeout", "1h")
    for i in range(10):
        store.set_async(f"k{i}", b"parent")
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            store.flush()
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(store) == 0
    store.flush()
    assert len(store) == 10


pool_store = None


def look_up_in_pool(number):
    """Runs in a worker of the pool, with the store that it was forked with."""
    pool_store[f"mine/{os.getpid()}"] = b"%d" % number
    assert pool_store[f"mine/{os.getpid()}"] == b"%d" % number
    return int(pool_store[f"table/{number}"])


def test_a_pool_of_forked_processes_reads_the_parents_table(store):
    global pool_store
    pool_store = store
    store["config"] = b"of the parent"
    store.set_many({f"table/{i}": b"%d" % (i * i) for i in range(200)})
    try:
        with writers(store), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            # Each worker ends after a few tasks, and the pool forks another.
            with multiprocessing.get_context("fork").Pool(3, maxtasksperchild=7) as pool:
                result = pool.map_async(look_up_in_pool, range(200), chunksize=5)
                assert result.get(PATIENCE) == [i * i for i in range(200)]
        assert store.count("mine/*") == 0
    finally:
        pool_store = None


APPLICATION = """
import os, threading
import memstore

store = memstore.Store(memory_limit="16MB")
store["config"] = b"of the master"
master = os.getpid()

def write():
    i = 0
    while True:
        i += 1
        store.set_async(f"k{i % 100}", b"x" * 500, ttl=0.05)
        store.set_many({"a": b"%d" % i, "b": b"%d" % i})

store.set_many({"a": b"0", "b": b"0"})
for _ in range(2):
    threading.Thread(target=write, daemon=True).start()

def application(environ, start_response):
    try:
        assert os.getpid() != master
        pair = store.get_many(["a", "b"])
        assert len(pair) == 2 and len(set(pair.values())) == 1, pair
        store.set("seen", b"%d" % (int(store.get("seen", b"0")) + 1))
        store.set("brief", b"v", ttl=0.01)
        assert store["config"] == b"of the master"
        body, status = b"%d %s" % (os.getpid(), store["seen"]), "200 OK"
    except BaseException as failure:
        body, status = repr(failure).encode(), "500 Internal Server Error"
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(path):
    """The number of the worker that answers, and how many requests it has seen."""
    connection = UnixConnection(path)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    assert response.status == 200, body
    worker, seen = body.split()
    return int(worker), int(seen)


def ask_when_up(path):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask(path)
        except OSError:
            # It is not up yet, or the worker that was to answer has just ended.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def test_gunicorn_with_preload(tmp_path):
    pytest.importorskip("gunicorn")
    (tmp_path / "preloaded.py").write_text(textwrap.dedent(APPLICATION))
    path = tmp_path / "socket"
    log = tmp_path / "log"
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "3", "--max-requests", "15"]
    command += ["--bind", f"unix:{path}", "--chdir", str(tmp_path), "--timeout", "60", "preloaded:application"]
    with log.open("w") as output:
        master = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=tmp_path)
    try:
        seen = {}
        # Until workers have come to their end and others have taken their places.
        deadline = time.monotonic() + PATIENCE
        while len(seen) < 8 and time.monotonic() < deadline:
            worker, count = ask_when_up(path)
            # Each began with the master's store and counts for itself.
            assert count == seen.get(worker, 0) + 1
            seen[worker] = count
        assert len(seen) >= 8, seen
        master.terminate()
        assert master.wait(PATIENCE) == 0
    finally:
        master.kill()
        master.wait()
        print(log.read_text())
    assert "Traceback" not in log.read_text()
