# SPDX-License-Identifier: Apache-2.0
"""Saving, loading and warming."""

import array
import errno
import os
import pathlib
import threading
import time

import memstore
import pytest
from memstore import Phase, Progress


@pytest.fixture
def path(tmp_path):
    return tmp_path / "snapshot"


def fill(store, count, prefix="key"):
    store.set_many({f"{prefix}/{i}": f"value/{i}".encode() for i in range(count)})


def test_a_store_comes_back_with_what_it_held(path):
    with memstore.Store() as store:
        fill(store, 1000)
        store.set("timed", b"v", ttl=3600)
        assert store.save(path).stored == 1001
    with memstore.Store(shards=4, hash_function="fnv") as store:
        store["key/1"] = b"mine"
        done = store.load(str(path))
        assert (done.phase, done.done, done.total) == (Phase.LOADING, 1001, 1001)
        assert (done.stored, done.present) == (1000, 1)
        assert len(store) == 1001
        assert store["key/1"] == b"mine"
        assert store["key/999"] == b"value/999"
        assert 3500 < store.ttl("timed") <= 3600


def test_paths_of_every_kind_are_taken(path):
    with memstore.Store() as store:
        for kind in (path, str(path), bytes(path)):
            store.save(kind)
            store.load(kind)
        with pytest.raises(ValueError):
            store.save("a\0b")
        with pytest.raises(TypeError):
            store.save(7)
        with pytest.raises(memstore.InvalidArgument):
            store.save("")


def test_a_damaged_file_is_refused_and_loads_nothing(path):
    with memstore.Store() as store:
        fill(store, 100)
        store.save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with memstore.Store() as store:
        with pytest.raises(memstore.CorruptSnapshot):
            store.load(path)
        with pytest.raises(OSError):
            store.load(path.with_name("absent"))
        assert len(store) == 0


def test_progress_is_told_and_can_end_it(path):
    told = []
    with memstore.Store() as store:
        fill(store, 10000)
        store.save(path, progress=told.append)
        assert all(isinstance(progress, Progress) for progress in told)
        assert told[0].phase == Phase.SAVING and told[-1].done == told[-1].total == 10000
        before = path.read_bytes()
        store["more"] = b"v"
        with pytest.raises(memstore.Cancelled):
            store.save(path, progress=lambda progress: progress.done > 3000)
        assert path.read_bytes() == before
        with pytest.raises(ZeroDivisionError):
            store.save(path, progress=lambda progress: 1 / 0)
        assert path.read_bytes() == before
    with memstore.Store() as store:
        phases = []
        store.load(path, progress=lambda progress: phases.append(progress.phase))
        assert phases == sorted(phases) and set(phases) == {Phase.VERIFYING, Phase.LOADING}
    with memstore.Store() as store:
        with pytest.raises(memstore.Cancelled):
            store.load(path, progress=lambda progress: progress.phase == Phase.LOADING and progress.done > 3000)
        assert len(store) == 0


def test_others_run_and_write_while_it_saves(path):
    """The GIL is free: another thread writes during one call of save()."""
    with memstore.Store() as store:
        fill(store, 20000)
        wrote, may_end = threading.Event(), threading.Event()

        def write():
            may_end.wait(60)
            store["new"] = b"v"
            wrote.set()

        thread = threading.Thread(target=write)
        thread.start()

        def progress(progress):
            may_end.set()
            return not wrote.wait(60)

        store.save(path, progress=progress)
        thread.join()
        assert store["new"] == b"v"


def test_compression_makes_the_file_smaller(path):
    with memstore.Store() as store:
        fill(store, 5000)
        store.save(path)
        plain = path.stat().st_size
        store.reconfigure("snapshot.compression", "zstd")
        try:
            store.save(path)
        except memstore.Unsupported:
            pytest.skip("built without libzstd")
        assert path.stat().st_size < plain / 2
        info = store.snapshot_info(path)
        assert info.compressed and info.entries == 5000 and info.version == 1
        assert info.bytes == path.stat().st_size
        assert abs(info.saved_at.timestamp() - time.time()) < 600
    with memstore.Store() as store:
        assert store.load(path).stored == 5000


def test_a_file_of_the_process_alone(path):
    with memstore.Store() as store:
        store.save(path)
    assert path.stat().st_mode & 0o077 == 0
    assert [file.name for file in pathlib.Path(path.parent).iterdir()] == ["snapshot"]


# ---- Warming


def test_warming_asks_in_lists_for_what_is_not_there():
    asked = []

    def load(keys):
        asked.append(keys)
        return {key: f"row of {key}".encode() for key in keys if key != "key/5"}

    with memstore.Store() as store:
        store["key/7"] = b"mine"
        done = store.warm([f"key/{i}" for i in range(1000)], load, ttl=60)
        assert (done.phase, done.done, done.total) == (Phase.WARMING, 1000, 1000)
        assert (done.present, done.stored, done.absent, done.failed) == (1, 998, 1, 0)
        assert sum(map(len, asked)) == 999 and len(asked) < 20
        assert store["key/7"] == b"mine"
        assert store["key/999"] == b"row of key/999"
        assert 0 < store.ttl("key/999") <= 60


def test_the_hot_keys_of_one_run_warm_the_next():
    rows = {f"key/{i}": f"row {i}".encode() for i in range(200)}

    with memstore.Store(access_sample_ratio=1) as store:
        for key, row in rows.items():
            store[key] = row
        for _ in range(200):
            for i in range(5):
                assert store[f"key/{i}"]
        kept = store.advise().to_json()
    hot = [one.key for one in memstore.Report.from_json(kept).hot_keys if one.key_size == len(one.key)]
    with memstore.Store() as store:
        done = store.warm(hot, lambda keys: {key: rows[key.decode()] for key in keys})
        assert done.stored == len(hot) < len(rows)
        assert all(f"key/{i}" in store for i in range(5))


def test_warming_takes_values_with_their_ttl_and_keys_of_both_kinds():
    with memstore.Store() as store:
        done = store.warm((key for key in ("a", b"b")), lambda keys: {key: (b"v", 30) for key in keys})
        assert done.stored == 2
        assert 0 < store.ttl("a") <= 30 and 0 < store.ttl("b") <= 30


def test_what_a_loader_raises_is_raised_in_the_end():
    def load(keys):
        if "key/0" in keys:
            raise LookupError("no such table")
        return dict.fromkeys(keys, b"v")

    with memstore.Store() as store:
        with pytest.raises(LookupError, match="no such table"):
            store.warm([f"key/{i}" for i in range(1000)], load)
        assert 800 <= len(store) < 1000
        for wrong in (7, {"a": 7}, {"a": (b"v", 1, 2)}):
            with pytest.raises((TypeError, AttributeError)):
                store.warm(["a"], lambda keys, wrong=wrong: wrong)


class Rows(dict):
    """What a loader of several keys returns. From when it is looked at on one allocation of Python's fails."""

    def __init__(self, rows, nth):
        super().__init__(rows)
        self.nth, self.find = nth, super().get
        self.testing = pytest.importorskip("_testcapi")

    @property
    def get(self):
        if self.nth is not None:
            first, self.nth = self.nth, None
            self.testing.set_nomemory(first, first + 1)
        return self.find


def test_warming_that_python_has_no_memory_for_raises_memory_error():
    def warm(nth):
        with memstore.Store() as store:
            rows = Rows({"a": b"v"}, nth)
            try:
                return store.warm(["a"], lambda keys: rows).stored
            except Exception as failure:
                return type(failure)
            finally:
                rows.testing.remove_mem_hooks()

    outcomes = [warm(nth) for nth in range(8)]
    assert MemoryError in outcomes and set(outcomes) <= {MemoryError, 1}


def test_an_interrupt_ends_all_of_it():
    calls = []

    def load(keys):
        calls.append(keys)
        raise KeyboardInterrupt

    with memstore.Store() as store:
        with pytest.raises(KeyboardInterrupt):
            store.warm([f"key/{i}" for i in range(1000)], load)
    assert len(calls) == 1


def test_an_interrupt_wins_over_what_was_raised_before():
    raised = iter([LookupError("no such table"), KeyboardInterrupt])

    def load(keys):
        raise next(raised)

    with memstore.Store() as store:
        with pytest.raises(KeyboardInterrupt):
            store.warm([f"key/{i}" for i in range(1000)], load)
    assert list(raised) == []


@pytest.mark.parametrize("change", [lambda keys: keys.extend(["more"] * 5000), list.clear, list.reverse])
def test_a_loader_may_do_with_its_list_as_it_likes(change):
    def load(keys):
        found = {key: key.encode() for key in keys}
        change(keys)
        return found

    names = [f"key-{i}" for i in range(100)]
    with memstore.Store(memory_limit="16MB") as store:
        assert store.warm(names, load).stored == 100
        assert store.get_many(names) == {name: name.encode() for name in names}


def test_warming_tells_keys_apart_that_begin_at_one_address():
    whole = memoryview(b"abcd")
    keys = [whole[:1], whole[:2], whole[:3]]
    with memstore.Store() as store:
        done = store.warm(keys, lambda asked: {key: bytes(key) for key in asked if len(key) != 2})
        assert (done.stored, done.absent) == (2, 1)
        assert store.get_many(["a", "ab", "abc"]) == {"a": b"a", "abc": b"abc"}


def test_warming_gives_mutable_buffers_to_the_loader_as_bytes():
    keys = [bytearray(b"a"), memoryview(bytearray(b"b")), array.array("B", b"c"), memoryview(b"d"), "e"]
    asked = []

    def load(keys):
        asked.extend(keys)
        return {key: b"row" for key in keys}

    with memstore.Store() as store:
        assert store.warm(keys, load).stored == 5
        assert asked == [b"a", b"b", b"c", keys[3], "e"] and asked[3] is keys[3]
        assert store.get_many(list("abcde")) == dict.fromkeys("abcde", b"row")


@pytest.mark.parametrize("answer", [None, 5, [("a", b"")]], ids=str)
def test_a_loader_of_several_keys_returns_a_mapping(answer):
    with memstore.Store() as store:
        with pytest.raises(TypeError, match="a loader of several keys returns a mapping, not "):
            store.warm(["a"], lambda keys: answer)


def test_an_empty_path_is_refused():
    with memstore.Store() as store:
        for call in (store.save, store.load, store.snapshot_info):
            for path in ("", b""):
                with pytest.raises(memstore.InvalidArgument, match="a path is not empty"):
                    call(path)


def test_warming_retries_and_can_be_ended():
    calls = []

    def load(keys):
        calls.append(keys)
        if len(calls) == 1:
            raise memstore.LoadRetry
        return dict.fromkeys(keys, b"v")

    with memstore.Store(loader={"retry_initial": "1ms"}) as store:
        store.warm(["a", "b"], load)
        assert len(calls) == 2 and len(store) == 2
        with pytest.raises(memstore.Cancelled):
            store.warm([f"key/{i}" for i in range(1000)], load, progress=lambda progress: progress.done >= 200)
        assert 200 <= len(store) < 900


def test_warm_rate_bounds_the_keys_asked_for():
    with memstore.Store({"loader.warm_rate": 1000}) as store:
        began = time.monotonic()
        store.warm([f"key/{i}" for i in range(400)], lambda keys: dict.fromkeys(keys, b"v"))
        assert time.monotonic() - began > 0.29


def test_a_file_that_cannot_be_used_is_told_with_the_reason(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with memstore.Store(memory_limit="16MB") as store:
        for call, path, number in (
            (store.load, tmp_path / "absent", errno.ENOENT),
            (store.load, tmp_path, errno.EISDIR),
            (store.load, tmp_path / "file/below", errno.ENOTDIR),
            (store.save, tmp_path / "absent/file", errno.ENOENT),
            (store.save, tmp_path, errno.EISDIR),
            (store.snapshot_info, str(tmp_path / "absent"), errno.ENOENT),
            (store.load, os.fsencode(tmp_path / "absent"), errno.ENOENT),
        ):
            with pytest.raises(memstore.IOFailed, match=os.strerror(number)) as caught:
                call(path)
            assert (caught.value.errno, caught.value.filename) == (number, os.fspath(path))


def test_a_file_that_cannot_be_written_to_its_end_is_told_with_the_reason(path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with memstore.Store(memory_limit="16MB") as store:
        fill(store, 1000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(memstore.IOFailed, match=os.strerror(errno.EFBIG)) as caught:
                store.save(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, os.fspath(path))


def test_a_file_of_another_kind_is_told_with_the_reason():
    with memstore.Store(memory_limit="16MB") as store:
        for call in (store.load, store.snapshot_info):
            with pytest.raises(memstore.IOFailed, match=os.devnull) as caught:
                call(os.devnull)
            assert caught.value.errno == errno.EINVAL


def test_what_a_function_raises_that_is_told_the_progress_is_raised(path):
    with memstore.Store(memory_limit="16MB") as store:
        fill(store, 10)
        for failure in (memstore.IOFailed("mine"), memstore.IOFailed(5, "mine", "other")):

            def fail(progress, failure=failure):
                raise failure

            with pytest.raises(memstore.IOFailed, match="mine") as caught:
                store.save(path, fail)
            assert caught.value is failure


def test_who_is_told_the_progress_cannot_close_the_store(path):
    """It would wait for itself."""
    with memstore.Store(memory_limit="16MB") as store:
        fill(store, 10)

        def close(progress):
            with pytest.raises(memstore.Unsupported, match="told the progress cannot close"):
                store.close()
            other.close()

        for call in (
            lambda: store.save(path, close),
            lambda: store.load(path, close),
            lambda: store.warm(["k"], lambda keys: {}, progress=close),
        ):
            with memstore.Store(memory_limit="16MB") as other:
                call()
                assert other.closed and not store.closed


def test_one_key_is_not_several(path):
    with memstore.Store(memory_limit="16MB") as store:
        for key in ("abc", b"abc"):
            with pytest.raises(TypeError, match="warm.. takes an iterable of keys, not one key"):
                store.warm(key, lambda keys: {})
