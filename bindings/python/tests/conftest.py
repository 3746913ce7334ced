# SPDX-License-Identifier: Apache-2.0
import faulthandler
import importlib.metadata
import os
import pathlib
import random
import sys
import time

import memstore
import pytest


#: No test takes as long, on any machine.
LONGEST_TEST = 600


@pytest.fixture(autouse=True)
def _end():
    """A test that waits for ever ends its process, with what each thread was doing."""
    faulthandler.dump_traceback_later(LONGEST_TEST, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def store():
    with memstore.Store(memory_limit="64MB") as opened:
        yield opened


@pytest.fixture
def seed(request):
    """A seed that is printed when the test fails; MEMSTORE_TEST_SEED replays one."""
    given = os.environ.get("MEMSTORE_TEST_SEED")
    value = int(given) if given else random.SystemRandom().randrange(2**32)
    print(f"seed {value}: replay with MEMSTORE_TEST_SEED={value} pytest -k {request.node.originalname}")
    return value


def upstream_tests(name):
    """The folder with a framework's own tests, which come with its source distribution: ``./dev test`` fetches it.

    MEMSTORE_NAME_TESTS is another one.
    """
    given = os.environ.get(f"MEMSTORE_{name.upper().replace('-', '_')}_TESTS")
    version = importlib.metadata.version(name)
    root = pathlib.Path(__file__).parents[3]
    return pathlib.Path(given) if given else root / f".dev/{name}-{version}/tests"


def wait_until(condition, seconds=60.0):
    """Whether a condition comes true within a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True
