# SPDX-License-Identifier: Apache-2.0
import gc
import subprocess
import sys
import threading
import weakref

import memstore
import pytest


def test_a_view_is_a_read_only_memoryview(store):
    store["k"] = b"value"
    with store.view("k") as memory:
        assert isinstance(memory, memoryview)
        assert memory.readonly
        assert (memory.format, memory.itemsize, memory.ndim, memory.nbytes) == ("B", 1, 1, 5)
        assert memory == b"value"
        assert bytes(memory[1:3]) == b"al"
        with pytest.raises(TypeError):
            memory[0] = 1
    with pytest.raises(ValueError, match="released"):
        memory[0]


def test_a_view_of_an_absent_key(store):
    with pytest.raises(memstore.KeyNotFound):
        store.view("absent")


def test_a_view_of_an_empty_value(store):
    store["k"] = b""
    with store.view("k") as memory:
        assert len(memory) == 0
        assert bytes(memory) == b""


def test_a_view_without_a_block(store):
    store["k"] = b"value"
    view = store.view("k")
    assert len(view) == 5
    assert bytes(view) == b"value"
    assert view.version == store.get_versioned("k")[1]
    assert "5 bytes" in repr(view)
    assert not view.released
    view.release()
    view.release()
    assert view.released
    assert "released" in repr(view)
    uses = (lambda: bytes(view), lambda: memoryview(view), lambda: len(view), lambda: view.version, view.__enter__)
    for call in uses:
        with pytest.raises(ValueError, match="released"):
            call()


def test_the_bytes_stay_whatever_becomes_of_the_entry():
    store = memstore.Store(memory_limit="4MB")
    store["k"] = b"v" * 1000
    view = store.view("k")
    memory = memoryview(view)
    store["k"] = b"w" * 1000
    assert memory == b"v" * 1000
    store.delete("k")
    assert memory == b"v" * 1000
    for i in range(20_000):
        store[f"other-{i}"] = b"o" * 500
    assert store.stats().evictions > 0
    assert memory == b"v" * 1000
    store.clear()
    assert memory == b"v" * 1000
    store.close()
    assert memory == b"v" * 1000
    del store
    gc.collect()
    assert memory == b"v" * 1000
    memory.release()
    view.release()


def test_the_bytes_stay_for_what_outlives_the_block(store):
    store["k"] = b"value"
    view = store.view("k")
    with view as memory:
        part = memory[1:]
    assert view.released
    store["k"] = b"other"
    assert part == b"alue"
    store.close()
    assert part == b"alue"
    del view
    gc.collect()
    assert part == b"alue"
    part.release()


def test_a_block_that_fails_unpins(store):
    store["k"] = b"value"
    view = store.view("k")
    with pytest.raises(ZeroDivisionError), view as memory:
        1 / 0
    assert view.released
    with pytest.raises(ValueError):
        memory[0]


def test_a_view_keeps_the_store_and_lets_it_go():
    store = memstore.Store()
    store["k"] = b"value"
    gone = weakref.ref(store)
    view = store.view("k")
    store.close()
    del store
    gc.collect()
    assert gone() is not None
    assert bytes(view) == b"value"
    del view
    gc.collect()
    assert gone() is None


def test_an_abandoned_block_is_collected():
    def block(store):
        with store.view("k") as memory:
            yield memory

    store = memstore.Store()
    store["k"] = b"value"
    gone = weakref.ref(store)
    generator = block(store)
    assert next(generator) == b"value"
    store.close()
    del store, generator
    gc.collect()
    assert gone() is None


def test_views_pin_memory_and_give_it_back(store):
    store.set_many({f"k{i}": b"x" * 5000 for i in range(100)})
    views = [store.view(f"k{i}") for i in range(100)]
    assert store.memory().pinned > 0
    for view in views:
        view.release()
    assert store.memory().pinned == 0


def test_a_view_may_be_released_by_another_thread(store):
    store["k"] = b"value"
    view = store.view("k")
    thread = threading.Thread(target=view.release)
    thread.start()
    thread.join()
    assert view.released


def test_numpy_reads_in_place(store):
    numpy = pytest.importorskip("numpy")
    store["k"] = numpy.arange(100, dtype=numpy.int64)
    with store.view("k") as memory:
        numbers = numpy.frombuffer(memory, dtype=numpy.int64)
    store["k"] = b"other"
    assert numbers.sum() == 4950


def test_a_view_is_safe_at_the_interpreters_exit():
    code = (
        "import memstore\n"
        "store = memstore.Store()\n"
        "store['k'] = b'value' * 1000\n"
        "view = store.view('k')\n"
        "memory = memoryview(view)\n"
        "class Last:\n"
        "    def __del__(self, memory=memory):\n"
        "        print(bytes(memory[:5]))\n"
        "last = Last()\n"
        "store.close()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "b'value'\n", "")
