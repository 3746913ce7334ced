# SPDX-License-Identifier: Apache-2.0
import collections
import sys

import memstore
import pytest

SIZES = [0, 1, 2, 31, 32, 33, 63, 64, 65, 1000]


@pytest.mark.parametrize("n", SIZES)
def test_batches_of_any_size(store, n):
    items = {f"key-{i}": b"value %d" % i for i in range(n)}
    absent = [f"absent-{i}" for i in range(n)]
    store.set_many(items)
    assert len(store) == n
    assert store.get_many(list(items) + absent) == items
    assert store.get_many(absent) == {}
    assert store.has_many([*items, *absent]) == {**dict.fromkeys(items, True), **dict.fromkeys(absent, False)}
    assert store.delete_many(list(items) + absent) == n
    assert len(store) == 0


def test_keys_of_any_iterable(store):
    store.set_many({"a": b"1", "b": b"2"})
    for keys in (["a", "b"], ("a", "b"), {"a", "b"}, {"a": 0, "b": 0}, (key for key in "ab"), iter(["a", "b"])):
        assert store.get_many(keys) == {"a": b"1", "b": b"2"}


def test_results_are_keyed_as_the_keys_were_given(store):
    store.set_many({"a": b"1", "b": b"2", "c": b"3"})
    keys = ["a", b"b", bytearray(b"c"), memoryview(b"a")]
    assert store.get_many(keys) == {"a": b"1", b"b": b"2", b"c": b"3", b"a": b"1"}
    assert store.has_many(keys) == {"a": True, b"b": True, b"c": True, b"a": True}
    assert store.delete_many(keys) == 3


def test_items_of_any_kind(store):
    pairs = [("a", b"1"), (b"b", bytearray(b"2")), [bytearray(b"c"), memoryview(b"3")]]
    for items in (
        pairs,
        iter(pairs),
        tuple(pairs),
        {"a": b"1", b"b": b"2", "c": b"3"},
        collections.ChainMap({"a": b"1"}, {"b": b"2", "c": b"3"}),
        {"a": b"1", "b": b"2", "c": b"3"}.items(),
    ):
        store.set_many(items)
        assert store.get_many("abc".split() + ["a", "b", "c"]) == {"a": b"1", "b": b"2", "c": b"3"}
        store.clear()
    store.set_many(items={"a": b"1"}, ttl=50)
    assert 49 < store.ttl("a") <= 50


def test_the_later_of_two_equal_keys_counts(store):
    store.set_many([("a", b"1"), ("a", b"2")])
    assert store["a"] == b"2"
    assert store.get_many(["a", "a"]) == {"a": b"2"}


@pytest.mark.parametrize("keys", ["abc", b"abc"])
def test_one_key_is_no_batch(store, keys):
    for call in (store.get_many, store.has_many, store.delete_many):
        with pytest.raises(TypeError, match="iterable of keys, not one key"):
            call(keys)


def test_what_is_no_pair_is_refused_and_nothing_is_stored(store):
    with pytest.raises(TypeError):
        store.set_many(["ab", "cd"])
    with pytest.raises(ValueError, match="pair, not 3 values"):
        store.set_many([("a", b"1"), ("b", b"2", 3)])
    with pytest.raises(TypeError):
        store.set_many([("a", b"1"), 5])
    with pytest.raises(TypeError):
        store.set_many(5)
    with pytest.raises(memstore.InvalidArgument):
        store.set_many([("a", b"1"), ("", b"2")])
    assert len(store) == 0


def test_exceptions_of_an_iterable_come_through(store):
    def keys():
        yield "a"
        raise LookupError("mine")

    for call in (store.get_many, store.has_many, store.delete_many, store.set_many):
        with pytest.raises((LookupError, TypeError)):
            call(keys())


def test_one_refused_entry_refuses_all():
    with memstore.Store(max_entry_size=100) as store:
        store["b"] = b"old"
        with pytest.raises(memstore.EntryTooLarge):
            store.set_many({"a": b"1", "b": b"new", "c": b"x" * 1000})
        assert store.get_many(["a", "b", "c"]) == {"b": b"old"}


def test_the_largest_entry_is_named_when_one_is_too_large():
    many = [bytes([i]) for i in range(200)]
    with memstore.Store(max_entry_size=100) as store:
        for items in ({"a": b"1", "big": b"x" * 1000}, [("a", b""), (b"big", b"x" * 100), *((key, b"") for key in many)]):
            with pytest.raises(memstore.EntryTooLarge, match="the largest has the key b'big'"):
                store.set_many(items)
        with pytest.raises(memstore.EntryTooLarge, match="the largest has the key b'big'"):
            store.set_many(["a", "big"], values=[b"", b"x" * 100])
        assert len(store) == 0


def test_a_list_that_changes_while_its_buffers_are_taken_is_safe(store):
    """The keys are held by the call itself, so that code run by a key's buffer cannot take them away."""
    keys = []

    class Iterable:
        def __iter__(self):
            keys.extend(f"key-{i}" for i in range(100))
            yield from keys
            keys.clear()

    store.set_many((f"key-{i}", b"v") for i in range(100))
    assert len(store.get_many(Iterable())) == 100


def test_buffers_are_given_back(store):
    key, value = bytearray(b"key"), bytearray(b"value")
    store.set(key, value)
    store.set_many([(key, value)])
    store.get(key)
    store.get_many([key] * 100)
    store.delete_many([key])
    with pytest.raises(TypeError):
        store.get_many([key, 5])
    with pytest.raises(TypeError):
        store.set_many([(key, value), (key, 5)])
    with pytest.raises(TypeError):
        store.set(key, 5)
    # Resizing is an error while an export is held.
    key.extend(b"more")
    value.extend(b"more")


def test_a_result_takes_memory_for_what_was_found_alone(store):
    store["a"] = b"1"
    absent = [f"absent-{i}" for i in range(10_000)]
    assert sys.getsizeof(store.get_many(["a", *absent])) <= sys.getsizeof({f"k{i}": 0 for i in range(5)})
    assert store.get_many(absent) == {}
