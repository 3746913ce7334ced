# SPDX-License-Identifier: Apache-2.0
"""What is asked of a near cache, whichever client it is for."""

import random
import threading

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
