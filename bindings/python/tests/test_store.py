# SPDX-License-Identifier: Apache-2.0
import array
import copy
import gc
import logging
import pickle
import threading
import warnings
import weakref

import memstore
import pytest


def test_get_gives_what_set_stored(store):
    store.set("key", b"value")
    assert store.get("key") == b"value"


def test_get_of_an_absent_key_gives_the_default(store):
    assert store.get("absent") is None
    assert store.get("absent", 7) == 7
    assert store.get("absent", default=b"d") == b"d"
    assert store.get(key="absent", default="d") == "d"


def test_an_empty_value_is_a_hit(store):
    store.set("key", b"")
    assert store.get("key", "default") == b""
    assert "key" in store


def test_a_str_key_is_its_utf8(store):
    store["Schlüssel"] = b"1"
    assert store["Schlüssel".encode()] == b"1"
    assert list(store) == ["Schlüssel".encode()]


@pytest.mark.parametrize(
    "key",
    ["a", "ключ", b"a", b"\x00\xff", bytearray(b"ba"), memoryview(b"view"), array.array("B", [1, 2]), "k" * 5000],
    ids=lambda key: type(key).__name__,
)
def test_every_kind_of_key(store, key):
    store[key] = b"value"
    assert key in store
    assert store[key] == b"value"
    assert store.get(key) == b"value"
    assert store.delete(key)
    assert key not in store


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc"), array.array("B", b"abc")])
def test_every_kind_of_value_comes_back_as_bytes(store, value):
    store["key"] = value
    got = store["key"]
    assert type(got) is bytes
    assert got == b"abc"


def test_a_value_may_be_large(store):
    value = bytes(range(256)) * 40_000
    store["large"] = value
    assert store["large"] == value
    assert store.get("large") == value
    with store.view("large") as memory:
        assert memory == value


@pytest.mark.parametrize("key", [1, None, 1.5, ("a",), object()])
def test_a_key_that_is_no_bytes_is_a_type_error(store, key):
    for call in (
        lambda: store.get(key),
        lambda: store.set(key, b""),
        lambda: store.delete(key),
        lambda: key in store,
        lambda: store[key],
        lambda: store.view(key),
        lambda: store.get_many([key]),
    ):
        with pytest.raises(TypeError, match="a key is a str or a bytes-like object"):
            call()


@pytest.mark.parametrize("value", ["text", 1, None, [1]])
def test_a_value_that_is_no_bytes_is_a_type_error_and_changes_nothing(store, value):
    store["key"] = b"old"
    with pytest.raises(TypeError, match="a value is a bytes-like object"):
        store.set("key", value)
    with pytest.raises(TypeError, match="a value is a bytes-like object"):
        store.set_many({"other": b"new", "key": value})
    assert store["key"] == b"old"
    assert "other" not in store


def test_a_key_with_a_lone_surrogate_is_an_encoding_error(store):
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        store.get("\ud800")


def test_an_empty_key_is_refused(store):
    for key in ("", b"", bytearray()):
        with pytest.raises(memstore.InvalidArgument, match="at least one byte"):
            store.set(key, b"")


def test_a_buffer_of_any_layout_is_stored_in_its_logical_order(store):
    store["stepped"] = memoryview(b"abcdef")[::2]
    store["backwards"] = memoryview(b"abc")[::-1]
    store.set_many({"many": memoryview(b"abcdef")[1::2]})
    assert store.get_many(["stepped", "backwards", "many"]) == {"stepped": b"ace", "backwards": b"cba", "many": b"bdf"}
    assert memoryview(b"_a_c_e")[1::2] not in store and memoryview(b"s_t_e_p_p_e_d_")[::2] in store
    store["doubles"] = array.array("d", [1.5, 2.5])
    assert array.array("d", store["doubles"]).tolist() == [1.5, 2.5]
    numpy = pytest.importorskip("numpy")
    numbers = numpy.arange(6).reshape(2, 3)
    for layout in (numbers, numpy.asfortranarray(numbers), numbers[:, ::-1], numbers.T):
        store["array"] = layout
        assert store["array"] == layout.tobytes()


def test_a_buffer_that_was_released_is_refused(store):
    view = memoryview(b"value")
    view.release()
    for call in (lambda: store.set("k", view), lambda: store.get(view)):
        with pytest.raises(ValueError, match="released"):
            call()
    assert "k" not in store


def test_arguments_are_checked(store):
    with pytest.raises(TypeError, match="missing required argument 'key'"):
        store.get()
    with pytest.raises(TypeError, match="unexpected keyword argument 'defaul'"):
        store.get("k", defaul=1)
    with pytest.raises(TypeError, match="multiple values for argument 'key'"):
        store.get("k", key="k")
    with pytest.raises(TypeError, match="at most 3 arguments"):
        store.set("k", b"", None, 4)


def test_delete_tells_whether_there_was_something(store):
    store["key"] = b""
    assert store.delete("key") is True
    assert store.delete("key") is False
    with pytest.raises(memstore.KeyNotFound):
        del store["key"]


def test_a_missing_key_is_a_key_error_that_holds_the_key(store):
    with pytest.raises(KeyError) as caught:
        store["absent"]
    assert isinstance(caught.value, memstore.KeyNotFound)
    assert caught.value.args == ("absent",)
    assert "'absent'" in str(caught.value)


def test_len_and_size_count_live_entries(store):
    assert len(store) == store.size() == 0
    for i in range(100):
        store[f"key-{i}"] = b"x"
    assert len(store) == store.size() == 100
    store.clear()
    assert len(store) == 0
    assert list(store) == []


def test_capacity_is_the_limit():
    with memstore.Store(memory_limit=16_000_000) as store:
        assert store.capacity() == 16_000_000 == store.memory().limit


def test_iteration_yields_every_key_as_bytes(store):
    keys = {f"key-{i}" for i in range(1000)}
    store.set_many((key, b"") for key in keys)
    assert sorted(store) == sorted(key.encode() for key in keys)


def test_iteration_survives_writes(store):
    stay = {b"stay-%d" % i for i in range(2000)}
    store.set_many((key, b"") for key in stay)
    met = []
    for i, key in enumerate(store):
        met.append(key)
        store[b"new-%d" % i] = b"x" * 50
        store[key] = b"again"
        if i > 5000:
            break
    assert len([key for key in met if key in stay]) == len(stay)
    assert stay <= set(met)


def test_iteration_ends_for_good(store):
    store["a"] = b""
    keys = iter(store)
    assert list(keys) == [b"a"]
    assert next(keys, "end") == "end"
    assert next(keys, "end") == "end"


def test_an_iterator_keeps_its_store_alive():
    store = memstore.Store()
    store["a"] = b""
    keys = iter(store)
    store.close()
    del store
    gc.collect()
    with pytest.raises(memstore.CacheClosed):
        next(keys)


def test_add_replace_and_compare_and_set(store):
    assert store.replace("k", b"0") is False
    assert store.add("k", b"1") is True
    assert store.add("k", b"2") is False
    assert store["k"] == b"1"
    assert store.replace("k", b"3") is True
    value, version = store.get_versioned("k")
    assert value == b"3"
    assert version > 0
    assert store.compare_and_set("k", b"4", version) is True
    assert store.compare_and_set("k", b"5", version) is False
    assert store["k"] == b"4"
    assert store.get_versioned("absent") == (None, 0)
    assert store.compare_and_set("absent", b"1", 0) is True
    assert store.compare_and_set("absent", b"2", 0) is False


def test_compare_and_delete(store):
    store["k"] = b"1"
    version = store.get_versioned("k")[1]
    store["k"] = b"2"
    assert store.compare_and_delete("k", version) is False
    assert store.compare_and_delete("k", 0) is False
    assert store["k"] == b"2"
    with store.view("k") as memory:
        assert store.compare_and_delete(key=b"k", version=store.get_versioned("k")[1]) is True
        assert memory == b"2"
    assert "k" not in store
    for version in (0, version):
        assert store.compare_and_delete("k", version) is False
    for key, version in (("", 1), (5, 1), ("k", "1"), ("k", -1)):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            store.compare_and_delete(key, version)


def test_counters(store):
    assert store.incr("n") == 1
    assert store.incr("n", 41) == 42
    assert store.incr("n", delta=-50) == -8
    assert store["n"] == b"-8"
    assert store.incr("from", 1, initial=100) == 101
    store["text"] = b"ten"
    with pytest.raises(memstore.NotANumber, match="'text'"):
        store.incr("text")
    assert store["text"] == b"ten"
    store["max"] = str(2**63 - 1).encode()
    with pytest.raises(memstore.NotANumber):
        store.incr("max")
    with pytest.raises(OverflowError):
        store.incr("n", 2**63)


def test_stats_count(store):
    store["a"] = b"1"
    store["a"] = b"2"
    store.get("a")
    store.get_many(["a", "b"])
    store.delete("a")
    store.add("c", b"")
    store.add("c", b"")
    stats = store.stats()
    assert (stats.hits, stats.misses, stats.sets, stats.updates, stats.deletes) == (2, 1, 3, 1, 1)
    assert stats.rejected_condition == 1
    assert stats.entries == 1
    assert store.hit_rate() == stats.hit_rate == pytest.approx(2 / 3)
    store.reset_stats()
    assert store.stats().hits == 0
    assert store.stats().hit_rate == store.hit_rate() == 0.0
    assert store.stats().entries == 1


def test_memory_tells_where_the_bytes_are(store):
    store["key"] = b"x" * 1000
    memory = store.memory()
    assert 1003 <= memory.live <= memory.charged <= memory.limit == 64_000_000


def test_maintain_and_compact(store):
    store.set_many((f"k{i}", b"x" * 100) for i in range(1000))
    store.delete_pattern("k*")
    assert store.maintain() is True
    assert store.maintain(0.001) in (True, False)
    store.compact(1.0)
    for wrong in (-0.5, 1.5, float("nan")):
        with pytest.raises(memstore.InvalidArgument):
            store.compact(wrong)
    with pytest.raises(memstore.InvalidArgument):
        store.maintain(-1)


def test_close_is_idempotent_and_all_calls_after_it_say_so():
    store = memstore.Store()
    store["a"] = b"1"
    assert not store.closed
    store.close()
    store.close()
    assert store.closed
    for call in (
        lambda: store.get("a"),
        lambda: store["a"],
        lambda: "a" in store,
        lambda: store.set("a", b""),
        lambda: store.delete("a"),
        lambda: store.view("a"),
        lambda: store.get_versioned("a"),
        lambda: store.get_many(["a"]),
        lambda: store.set_many({"a": b""}),
        lambda: store.delete_many(["a"]),
        lambda: store.has_many(["a"]),
        lambda: store.add("a", b""),
        lambda: store.replace("a", b""),
        lambda: store.compare_and_set("a", b"", 0),
        lambda: store.compare_and_delete("a", 1),
        lambda: store.incr("a"),
        lambda: store.set_until("a", b"", 2**32),
        lambda: store.ttl("a"),
        lambda: store.expire("a", 1),
        lambda: store.expires_at("a"),
        lambda: store.keys(),
        lambda: store.count(),
        lambda: store.delete_pattern("*"),
        lambda: store.clear(),
        lambda: store.compact(0.5),
        lambda: store.maintain(),
        lambda: store.stats(),
        lambda: store.memory(),
        lambda: store.reset_stats(),
        lambda: len(store),
        lambda: store.size(),
        lambda: list(store),
    ):
        with pytest.raises(memstore.CacheClosed):
            call()
    assert store.capacity() == 0
    assert store.hit_rate() == 0.0


def test_a_closed_store_says_so_whatever_else_is_wrong():
    store = memstore.Store()
    store.close()
    for call in (
        lambda: store.keys("["),
        lambda: store.count("["),
        lambda: store.delete_pattern("["),
        lambda: store.compact(-1),
        lambda: store.maintain(-1),
        lambda: store.latency("no operation"),
        lambda: store.subscribe(0),
        lambda: store.subscribe(queue_size=-1),
        lambda: store.save(""),
        lambda: store.load(""),
    ):
        with pytest.raises(memstore.CacheClosed):
            call()


def test_with_closes_also_after_an_exception():
    with pytest.raises(ZeroDivisionError), memstore.Store() as store:
        1 / 0
    assert store.closed


def test_repr_tells():
    with memstore.Store(memory_limit="16MB", eviction="lru") as store:
        store["a"] = b"1"
        assert repr(store).startswith("<memstore.Store: 1 entries, ")
        assert "of 16.0 MB, eviction lru" in repr(store)
    assert repr(store) == "<memstore.Store: closed>"


def test_a_store_that_is_dropped_open_warns_and_is_closed():
    store = memstore.Store()
    gone = weakref.ref(store)
    with pytest.warns(ResourceWarning, match="unclosed <memstore.Store"):
        del store
        gc.collect()
    assert gone() is None


def test_a_store_that_outlives_the_names_of_its_module_warns_and_is_closed(monkeypatch):
    """As one may that is dropped by an interpreter that ends."""
    store = memstore.Store()
    for name in vars(memstore.store).copy():
        if not name.startswith("__"):
            monkeypatch.setattr(memstore.store, name, None)
    with pytest.warns(ResourceWarning, match="unclosed <memstore.Store>"):
        type(store).__del__(store)
    monkeypatch.undo()
    assert store.closed


def test_a_closed_store_is_dropped_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = memstore.Store()
        store.close()
        del store
        gc.collect()


def test_a_store_refuses_to_be_pickled_or_copied(store):
    for call in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"cannot be pickled or copied.*save\(\).*load\(\)"):
            call(store)


def test_a_store_that_was_never_opened_says_so():
    class Forgetful(memstore.Store):
        def __init__(self):
            pass

    for call in (
        lambda store: store.get("a"),
        lambda store: store.set("a", b""),
        lambda store: list(store),
        lambda store: len(store),
        lambda store: store.get_many(["a"]),
        lambda store: store.stats(),
        lambda store: store.capacity(),
    ):
        with pytest.raises(memstore.InvalidArgument, match="never opened"):
            call(Forgetful())


def test_a_store_is_opened_once(store):
    store["a"] = b"1"
    with pytest.raises(memstore.InvalidArgument, match="open already"):
        store.__init__()
    assert store["a"] == b"1"


def test_a_store_that_is_not_opened_again_is_as_it_was(store):
    def memoized(result):
        def function():
            return result

        return store.memoize(function)

    threads = threading.active_count()
    assert memoized(1)() == 1
    for again in ({"eviction": "lru"}, {"loader.on_store_error": "fail", "loader.refresh_after": "1ms"}):
        for logger in (None, logging.Logger("again")):
            with pytest.raises(memstore.InvalidArgument):
                store.__init__(again, logger=logger)
    assert memoized(2)() == 2
    assert "eviction adaptive" in repr(store)
    assert threading.active_count() == threads


def test_a_subclass_may_have_attributes():
    class Named(memstore.Store):
        def __init__(self, name):
            super().__init__(memory_limit="16MB")
            self.name = name
            self.itself = self

    store = Named("n")
    store["a"] = b"1"
    gone = weakref.ref(store)
    store.close()
    assert store.name == "n"
    del store
    gc.collect()
    assert gone() is None


def test_a_store_that_refers_to_what_refers_to_it_is_dropped_with_it():
    class Holding(memstore.Store):
        pass

    for hold in (
        lambda store: store.subscribe(),
        lambda store: store.view("a"),
        lambda store: iter(store),
        lambda store: store._lease_acquire("absent", 0),
    ):
        store = Holding(memory_limit="16MB")
        store["a"] = b"1"
        store.held = hold(store)
        gone = weakref.ref(store)
        with pytest.warns(ResourceWarning, match="unclosed"):
            del store
            gc.collect()
        assert gone() is None


def test_numbers_that_do_not_fit_are_named(store):
    for call, why in (
        (lambda: store.incr("n", 2**64), "delta is an int of 64 bits"),
        (lambda: store.incr("n", 1, initial=-(2**63) - 1), "initial is an int of 64 bits"),
        (lambda: store.compare_and_set("k", b"v", -1), "version is an int from 0"),
        (lambda: store.compare_and_set("k", b"v", 2**64), "version is an int from 0"),
        (lambda: store.compare_and_delete("k", -1), "version is an int from 0"),
    ):
        with pytest.raises(OverflowError, match=why):
            call()
    for call, why in (
        (lambda: store.incr("n", 1.5), "delta is an int, not float"),
        (lambda: store.incr("n", 1, None), "initial is an int, not NoneType"),
        (lambda: store.compare_and_set("k", b"v", "1"), "version is an int, not str"),
        (lambda: store.compare_and_delete("k", None), "version is an int, not NoneType"),
    ):
        with pytest.raises(TypeError, match=why):
            call()
    assert len(store) == 0

    class Number:
        def __index__(self):
            return 5

    assert store.incr("n", Number(), Number()) == 10


def test_shares_and_budgets_are_checked(store):
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(memstore.InvalidArgument, match="max_dead_ratio is a share from 0 to 1"):
            store.compact(share)
    for budget in (-1, float("nan")):
        with pytest.raises(memstore.InvalidArgument, match="budget is a number of seconds"):
            store.maintain(budget)
    assert store.maintain(float("inf")) is True


def test_messages_show_the_beginning_of_a_long_key(store):
    key = b"k" * 1_000_000
    for call in (lambda: store[key], lambda: store.ttl(key.decode()), lambda: store.ttl(bytearray(key))):
        with pytest.raises(memstore.KeyNotFound) as caught:
            call()
        assert len(str(caught.value)) < 200 and "…" in str(caught.value)
        assert len(caught.value.args[0]) == len(key)
    with pytest.raises(memstore.EntryTooLarge) as caught:
        store.set(b"k" * 100_000_000, b"v")
    assert len(str(caught.value)) < 400
    with pytest.raises(memstore.KeyNotFound, match="b'ace'"):
        store.ttl(memoryview(b"abcdef")[::2])
