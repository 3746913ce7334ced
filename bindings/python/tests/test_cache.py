# SPDX-License-Identifier: Apache-2.0
import copy
import enum
import pickle
import sys
from collections.abc import MutableMapping
from decimal import Decimal

import memstore
import pytest
from cachetools import TTLCache, cached, keys
from conftest import wait_until
from memstore.codec import decode_key, encode_key


@pytest.fixture
def cache():
    with memstore.Cache(memory_limit="64MB") as opened:
        yield opened


class Colour(enum.Enum):
    RED = 1


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
    1.5,
    float("inf"),
    None,
    (),
    ("a", 1, ("b", None)),
    frozenset({1, "a"}),
    Decimal("0.1"),
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
