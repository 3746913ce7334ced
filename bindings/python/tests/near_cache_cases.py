# SPDX-License-Identifier: Apache-2.0
"""What is asked of a near cache, whichever client it is for."""

import random
import threading

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
