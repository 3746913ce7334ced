# SPDX-License-Identifier: Apache-2.0
"""What is asked of a near cache, whichever client it is for."""

import random
import threading
import time

import memstore
import pytest
from conftest import wait_until
from test_threads import run_in_threads


def read_while_another_writes(client, other, seed):
    """A thread reads what another writes, which grows, and never sees it fall; in the end it sees what was written last."""
    rng = random.Random(seed)
    keys = [f"k{i}" for i in range(5)]
    done = threading.Event()

    def write():
        for i in range(100):
            other.set(rng.choice(keys), i)
        for key in keys:
            other.set(key, 1_000_000)
        done.set()

    def read():
        latest = dict.fromkeys(keys, -1)
        while not done.is_set():
            for key in keys:
                value = int(client.get(key) or -1)
                assert value >= latest[key]
                latest[key] = value
        assert wait_until(lambda: all(client.get(key) == b"1000000" for key in keys), 60)

    run_in_threads(write, read)


def check_changes_reach_a_store_that_is_held_up(near, keep, change, is_kept):
    """Of two keys that change while another writer has the only place, longer than a call waits: nothing is served that was
    kept before. `near` has max_concurrent_writers=1 and a lock_timeout of 5 ms."""
    many = {b"other/%d" % i: bytes(100) for i in range(20_000)}  # some 10 ms a batch
    done = threading.Event()

    def hold_up():
        while not done.is_set():
            near.store.set_many(many)

    for n in range(10):
        keys = [f"user/{n}", f"user/{n}/name"]
        for key in keys:
            keep(key)
        done.clear()
        writer = threading.Thread(target=hold_up)
        writer.start()
        time.sleep(0.005)
        changing = threading.Thread(target=change, args=(keys,))
        changing.start()
        time.sleep(0.02)
        done.set()
        writer.join()
        changing.join()
        assert not any(is_kept(key) for key in keys)


def check_what_is_refused(near_cache):
    """A near cache that can keep nothing is refused when it is made, not at each answer."""
    for ttl in (-1, 0, float("nan")):
        with pytest.raises(memstore.InvalidTTL):
            near_cache(memory_limit="16MB", ttl=ttl)
    with pytest.raises(TypeError, match="a TTL is a number"):
        near_cache(memory_limit="16MB", ttl="1h")
    with pytest.raises(TypeError, match="store is a memstore.Store"):
        near_cache(store={})
    with memstore.Store(memory_limit="16MB", max_ttl=60) as store:
        assert near_cache(store=store, ttl=60).store is store
    with pytest.raises(memstore.CacheClosed):
        near_cache(store=store)
