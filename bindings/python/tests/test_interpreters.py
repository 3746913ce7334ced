# SPDX-License-Identifier: Apache-2.0
"""More than one interpreter in a process, and more than one import in an interpreter."""

import importlib.util
import subprocess
import sys

import pytest

INTERPRETERS = next(
    (name for name in ("_interpreters", "_xxsubinterpreters") if importlib.util.find_spec(name) is not None), None
)


def run(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.skipif(INTERPRETERS is None, reason="this Python has no subinterpreters")
@pytest.mark.parametrize("first", ["import memstore", ""], ids=["after the main one", "before the main one"])
def test_a_subinterpreter_is_refused_and_harms_nobody(first):
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "try:\n"
        "    import memstore\n"
        "except ImportError as refusal:\n"
        "    print(refusal, flush=True)\n"
    )
    code = (
        f"{first}\n"
        f"import {INTERPRETERS} as interpreters\n"
        "other = interpreters.create()\n"
        f"interpreters.run_string(other, {script!r})\n"
        "import memstore\n"
        "with memstore.Store() as store:\n"
        "    store['k'] = b'v'\n"
        "    interpreters.destroy(other)\n"
        "    try:\n"
        "        store['absent']\n"
        "    except memstore.KeyNotFound:\n"
        "        print(store['k'], store.view('k'))\n"
    )
    refusal, used = run(code).splitlines()
    assert "subinterpreter" in refusal
    assert used == "b'v' <memstore.View: 1 bytes, pinned>"


def test_a_second_import_leaves_the_stores_of_the_first_alone():
    code = (
        "import sys, memstore as first\n"
        "store = first.Store()\n"
        "store['k'] = b'v'\n"
        "for name in [name for name in sys.modules if name.startswith('memstore')]:\n"
        "    del sys.modules[name]\n"
        "import memstore as second\n"
        "assert second.Store is not first.Store\n"
        "with second.Store() as other:\n"
        "    other['k'] = b'w'\n"
        "    print(store['k'], other['k'], store.ttl('k'), store.stats().entries, store.keys())\n"
        "    try:\n"
        "        store['absent']\n"
        "    except KeyError as missing:\n"
        "        print(missing)\n"
        "store.close()\n"
    )
    assert run(code) == "b'v' b'w' None 1 [b'k']\nno live entry has the key 'absent'\n"


def test_a_program_may_end_in_any_state():
    code = (
        "import memstore, threading, asyncio\n"
        "store = memstore.Store()\n"
        "cache = memstore.Cache()\n"
        "store['k'] = b'v' * 100_000\n"
        "view, iterator, subscription = store.view('k'), iter(store), store.subscribe()\n"
        "store.on_event(lambda event: None)\n"
        "memory = memoryview(view)\n"
        "square = cache.memoize(lambda n: n * n)\n"
        "square(2)\n"
        "thread = threading.Thread(target=lambda: next(iter(subscription), None), daemon=True)\n"
        "thread.start()\n"
        "print(len(memory))\n"
    )
    assert run(code) == "100000\n"
