# SPDX-License-Identifier: Apache-2.0
import copy
import enum
import itertools
import pickle
import sys
import threading
import time
from collections.abc import MutableMapping
from decimal import Decimal
from fractions import Fraction

import memstore
import pytest
from cachetools import TTLCache, cached, keys
from conftest import wait_until
from memstore.codec import decode_key, encode_key
from test_threads import run_in_threads


@pytest.fixture
def cache():
    with memstore.Cache(memory_limit="64MB") as opened:
        yield opened


class Colour(enum.Enum):
    RED = 1


def test_numbers_of_numpy_are_the_keys_that_they_equal():
    numpy = pytest.importorskip("numpy")
    with memstore.Cache() as cache:
        for number in (numpy.int64(-5), numpy.uint8(3), numpy.float64(0.5), numpy.float32(0.1), numpy.float16(1.5), numpy.complex64(2)):
            cache[number] = "kept"
            assert cache[number.item()] == "kept"
            assert number in cache
        assert set(cache) == {-5, 3, 0.5, float(numpy.float32(0.1)), 1.5, 2}
        assert numpy.longdouble(0.5) in cache
        assert numpy.float32("inf") not in cache


def test_it_is_a_mutable_mapping(cache):
    assert isinstance(cache, MutableMapping)
    cache["a"] = [1, {"b": None}]
    cache["n"] = None
    assert cache["a"] == [1, {"b": None}]
    assert cache["n"] is None
    assert cache.get("n", "default") is None
    assert cache.get("absent") is None
    assert cache.get("absent", "default") == "default"
    assert len(cache) == 2
    assert set(cache) == {"a", "n"}
    assert dict(cache.items()) == {"a": [1, {"b": None}], "n": None}
    assert cache.pop("a") == [1, {"b": None}]
    assert cache.pop("a", "gone") == "gone"
    assert cache.setdefault("s", 5) == 5
    assert cache.setdefault("s", 6) == 5
    cache.update({"x": 1}, y=2)
    assert cache["x"] + cache["y"] == 3
    del cache["x"]
    assert "x" not in cache
    cache.clear()
    assert len(cache) == 0


def test_a_missing_key_is_a_key_error_with_the_key(cache):
    for call in (lambda: cache["k", 1], lambda: cache.__delitem__(("k", 1)), lambda: cache.ttl(("k", 1))):
        with pytest.raises(KeyError) as caught:
            call()
        assert caught.value.args == (("k", 1),)


def test_a_value_that_comes_out_is_a_new_object(cache):
    cache["list"] = [1]
    cache["list"].append(2)
    assert cache["list"] == [1]


def test_times_to_live(cache):
    cache.set("k", 1, ttl=50)
    assert 49 < cache.ttl("k") <= 50
    cache["never"] = 1
    assert cache.ttl("never") is None
    cache.set("short", 1, ttl=0.01)
    assert wait_until(lambda: "short" not in cache)
    with memstore.Cache(default_ttl=100) as other:
        other["k"] = 1
        assert 99 < other.ttl("k") <= 100


KEYS = [
    "text",
    "\ud800 lone",
    b"bytes",
    7,
    -(2**100),
    -(10**5000),
    Fraction(-1, 3),
    Fraction(10**5000, 3),
    1.5,
    float("inf"),
    None,
    (),
    ("a", 1, ("b", None)),
    frozenset({1, "a"}),
    Decimal("0.1"),
    Decimal("-1.20E+123456"),
    Decimal("3E-123456"),
    1.5 + 1j,
    Colour.RED,
    keys.hashkey("a", 1, option="x"),
    keys.typedkey("a", 1),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_keys_of_every_kind_come_back(cache, key):
    cache[key] = "value"
    assert cache[key] == "value"
    assert list(cache) == [key]
    assert decode_key(encode_key(key)) == key


def test_keys_do_not_collide(cache):
    for i, key in enumerate(KEYS):
        cache[key] = i
    assert [cache[key] for key in KEYS] == list(range(len(KEYS)))


def test_equal_keys_are_one_key(cache):
    first, second = "".join(["lo", "ng"]), "".join(["long"])
    assert first is not second
    assert encode_key((first, first)) == encode_key((first, second))
    assert encode_key((Decimal(first and 1), Decimal(1))) == encode_key((Decimal(1),) * 2)
    assert encode_key(1) == encode_key(1.0) == encode_key(True)
    assert encode_key(frozenset("abc")) == encode_key(frozenset("cba"))
    assert encode_key(1) != encode_key("1") != encode_key(b"1")


def test_a_decimal_of_a_large_exponent_is_no_large_work(cache):
    begun = time.process_time()
    for exponent in (999_999_999, -999_999_999):
        assert Decimal(f"1E{exponent}") not in cache
        assert encode_key(Decimal(f"1E{exponent}")) == encode_key(Decimal(f"100E{exponent - 2}"))
        assert encode_key(Decimal(f"0E{exponent}")) == encode_key(0)
    assert time.process_time() - begun < 5


def test_what_goes_while_it_is_counted_leaves_nothing(cache, monkeypatch):
    def count_versions(store):
        versions = count(store)
        store.clear()
        return versions

    @cache.memoize(tags=["a", "b"])
    def square(n):
        return n * n

    assert square(3) == 9 and len(cache) == 1
    count = memstore.cache.count_versions
    monkeypatch.setattr("memstore.cache.count_versions", count_versions)
    assert len(cache) == 0


def test_an_unhashable_key_is_a_type_error(cache):
    with pytest.raises(TypeError):
        cache[["list"]] = 1
    assert ["list"] not in cache


def test_codecs():
    with memstore.Cache(codec=memstore.JSON) as cache:
        cache["k"] = {"ä": [1, None, 1.5]}
        assert cache["k"] == {"ä": [1, None, 1.5]}
        assert cache.store.get(encode_key("k")) == '{"ä":[1,null,1.5]}'.encode()
        with pytest.raises(TypeError):
            cache["k"] = object()
        assert cache["k"] == {"ä": [1, None, 1.5]}
        cache["k"] = ["ä", "\udcff"]
        assert cache["k"] == ["ä", "\udcff"]
    with memstore.Cache(codec=memstore.RAW) as cache:
        cache["k"] = bytearray(b"raw")
        assert cache["k"] == b"raw"
    upper = memstore.Codec(lambda text: text.upper().encode(), bytes.decode)
    with memstore.Cache(codec=upper) as cache:
        cache["k"] = "text"
        assert cache["k"] == "TEXT"


def test_cachetools_cached(cache):
    calls = []

    @cached(cache)
    def square(n, *, power=2):
        calls.append(n)
        return n**power

    assert [square(3), square(3), square(3, power=3), square(3, power=3)] == [9, 9, 27, 27]
    assert calls == [3, 3]
    assert len(cache) == 2


def test_cachetools_passes_over_what_is_too_large():
    with memstore.Cache(max_entry_size=200) as cache:

        @cached(cache)
        def text(n):
            return "x" * n

        assert text(10) == "x" * 10
        assert text(1000) == "x" * 1000
        assert len(cache) == 1


def test_it_answers_as_a_cache_of_cachetools(cache):
    other = TTLCache(maxsize=1000, ttl=1000)
    for mapping in (cache, other):
        mapping["a"] = 1
        mapping["a", "b"] = 2
        mapping.pop("a")
    assert set(cache.items()) == set(other.items())


def test_repr_and_close():
    cache = memstore.Cache(memory_limit="16MB")
    assert repr(cache).startswith("<memstore.Cache over <memstore.Store: 0 entries")
    cache.close()
    cache.close()
    assert cache.store.closed
    with pytest.raises(memstore.CacheClosed):
        cache["a"]


def test_messagepack():
    pytest.importorskip("msgpack")
    value = {"ä": [1, None, 1.5, b"bytes"], 7: "n"}
    with memstore.Cache(codec="msgpack") as cache:
        cache["k"] = value
        assert cache["k"] == value
        with pytest.raises(TypeError):
            cache["k"] = object()


def test_messagepack_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with memstore.Cache(codec=memstore.MSGPACK) as cache:
        with pytest.raises(ModuleNotFoundError, match="the codec MSGPACK needs the package msgpack"):
            cache["k"] = 1


def test_a_codec_by_a_name_that_there_is_not():
    with pytest.raises(memstore.InvalidArgument, match="'yaml' is no codec"):
        memstore.Cache(codec="yaml")


def test_it_cannot_be_pickled(cache):
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"Store\.save\(\).*Store\.load\(\)"):
            attempt(cache)


# ---- Entries that go while one looks


@pytest.fixture
def meddled():
    """A cache in which something happens when a value is read or written: what is put into ``meddle.decode``, ``.encode``."""

    class Meddle:
        decode = encode = staticmethod(lambda: None)

    meddle = Meddle()

    def encode(value):
        meddle.encode()
        return pickle.dumps(value)

    def decode(data):
        meddle.decode()
        return pickle.loads(data)

    with memstore.Cache(memory_limit="64MB", codec=memstore.Codec(encode, decode)) as cache:
        yield cache, meddle


def test_iteration_passes_over_what_is_deleted_meanwhile(meddled):
    cache, meddle = meddled
    for look in (
        lambda: list(cache.items()),
        lambda: list(cache.values()),
        lambda: cache == {},
        lambda: 5000 in cache.values(),
        lambda: dict(cache.items()),
    ):
        cache.update({i: i for i in range(1000)})
        meddle.decode = cache.clear
        look()
        meddle.decode = lambda: None
        assert len(cache) == 0


def test_iteration_passes_over_what_expires_meanwhile(cache):
    cache.update({i: i for i in range(100)})
    cache.set("short", 1, ttl=0.05)
    items, values = iter(cache.items()), iter(cache.values())
    first = next(items), next(values)
    assert wait_until(lambda: "short" not in cache)
    assert {("short", 1), first[0], *items} == {("short", 1), *((i, i) for i in range(100))}
    assert {first[1], *values} == set(range(100))


def test_iteration_beside_eviction():
    with memstore.Cache(memory_limit="2MB") as cache:
        cache.update({i: bytes(1000) for i in range(1000)})
        for i, (key, value) in enumerate(cache.items()):
            assert type(key) is int and value == bytes(1000)
            cache[1000 + i] = bytes(1000)
            if i > 5000:
                break
        assert cache != {}


def test_the_views_are_views(cache):
    assert list(cache.items()) == [] and list(cache.values()) == []
    items, values = cache.items(), cache.values()
    cache.update({i: str(i) for i in range(100)})
    assert len(items) == len(values) == 100
    assert set(items) == {(i, str(i)) for i in range(100)} and set(values) == {str(i) for i in range(100)}
    assert (5, "5") in items and (5, "6") not in items and (500, "5") not in items
    assert "5" in values and 5 not in values
    assert items & {(5, "5"), (5, "6")} == {(5, "5")}


def test_pop_of_what_goes_meanwhile_is_its_default(meddled):
    cache, meddle = meddled
    cache["k"] = 1
    meddle.decode = cache.clear
    assert cache.pop("k", "default") == "default"
    cache["k"] = 1
    with pytest.raises(memstore.KeyNotFound) as caught:
        cache.pop("k")
    assert caught.value.args == ("k",)
    meddle.decode = lambda: None
    assert cache.pop("k", None) is None


def test_popitem(meddled):
    cache, meddle = meddled
    cache.update({i: -i for i in range(100)})
    assert sorted(cache.popitem() for _ in range(100)) == [(i, -i) for i in range(100)]
    with pytest.raises(KeyError):
        cache.popitem()
    cache.update({"a": 1, "b": 2})
    meddle.decode = lambda: cache.store.delete(next(iter(cache.store))) if len(cache) == 2 else None
    assert cache.popitem() in [("a", 1), ("b", 2)]
    assert len(cache) == 0


def test_setdefault_returns_what_is_kept(meddled):
    cache, meddle = meddled

    def another():
        cache.store.set(encode_key("k"), pickle.dumps("another's"))

    meddle.encode = another
    assert cache.setdefault("k", "mine") == "another's" == cache["k"]
    meddle.encode = lambda: None
    assert cache.setdefault("n") is None and "n" in cache


def test_threads_agree_on_what_setdefault_keeps(cache):
    results = [[] for _ in range(4)]

    def run(mine):
        for i in range(2000):
            mine.append(cache.setdefault(i, id(mine)))

    run_in_threads(*[lambda mine=mine: run(mine) for mine in results])
    assert all(mine == results[0] for mine in results)
    assert [cache[i] for i in range(2000)] == results[0]


def test_what_is_popped_goes_to_one_thread(cache):
    cache.update({i: i for i in range(4000)})
    taken = [[] for _ in range(4)]

    def pop(mine):
        for i in range(2000):
            if (value := cache.pop(i, None)) is not None:
                mine.append(value)

    def popitem(mine):
        try:
            while True:
                mine.append(cache.popitem()[1])
        except KeyError:
            pass

    run_in_threads(*[lambda mine=mine, take=take: take(mine) for mine, take in zip(taken, [pop, pop, popitem, popitem])])
    assert sorted(value for mine in taken for value in mine) == list(range(4000))


def test_what_is_popped_is_what_was_removed(cache):
    """Numbers are put where none is, by two threads, and taken by two others: each is taken once, and none is lost."""
    taken, left = [[], []], ["put", "put"]
    places = itertools.cycle(range(20))

    def put(first):
        for number in range(first, 1000, 2):
            while cache.setdefault(next(places), number) != number:
                pass
        left.pop()

    def take(mine):
        while left or len(cache):
            if (value := cache.pop(next(places), None)) is not None:
                mine.append(value)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        run_in_threads(*[lambda n=n: put(n) for n in range(2)], *[lambda mine=mine: take(mine) for mine in taken])
    finally:
        sys.setswitchinterval(interval)
    assert sorted(taken[0] + taken[1]) == list(range(1000))


def test_pop_does_not_remove_what_was_written_after_it_read(meddled):
    cache, meddle = meddled
    cache["k"] = "first"

    def overwrite():
        meddle.decode = lambda: None
        cache["k"] = "second"

    meddle.decode = overwrite
    assert cache.pop("k") == "second"
    assert "k" not in cache


# ---- cachetools' options


def test_cachetools_with_a_lock_and_information(cache):
    @cached(cache, lock=threading.Lock(), info=True)
    def square(n):
        return n * n

    assert [square(3), square(3), square(4)] == [9, 9, 16]
    hits, misses, maxsize, currsize = square.cache_info()
    assert (hits, misses, maxsize, currsize) == (1, 2, None, 2)
    square.cache_clear()
    assert square.cache_info()[:2] == (0, 0) and len(cache) == 0


def test_cachetools_with_a_condition(cache):
    calls, started = [], threading.Event()

    @cached(cache, condition=threading.Condition())
    def slow(n):
        calls.append(n)
        started.set()
        time.sleep(0.05)
        return n * n

    results = []
    run_in_threads(*[lambda: results.append(slow(3))] * 8)
    assert results == [9] * 8 and calls == [3]
