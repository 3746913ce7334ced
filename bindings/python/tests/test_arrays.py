# SPDX-License-Identifier: Apache-2.0
"""Batches from arrays of numpy, whose items are not made objects of."""

import asyncio
import gc

import memstore
import pytest

numpy = pytest.importorskip("numpy")

SIZES = [0, 1, 31, 32, 33, 100, 1000]


@pytest.mark.parametrize("n", SIZES)
def test_an_array_of_bytes_is_an_iterable_of_keys(store, n):
    names = [b"key-%d" % i for i in range(n)]
    keys = numpy.array(names, dtype="S20")
    store.set_many(dict.fromkeys(names[: n // 2], b"v"))
    assert store.get_many(keys) == dict.fromkeys(names[: n // 2], b"v")
    assert store.has_many(keys) == {name: i < n // 2 for i, name in enumerate(names)}
    assert store.delete_many(keys) == n // 2
    assert all(type(key) is bytes for key in store.has_many(keys))


@pytest.mark.parametrize("n", SIZES)
def test_rows_of_numbers_are_keys_of_all_their_bytes(store, n):
    """As digests are, with zeros at their ends."""
    keys = numpy.arange(n * 16, dtype=numpy.uint32).reshape(n, 16)[:, :4].copy().view(numpy.uint8)
    assert keys.shape == (n, 16)
    keys[:, -1] = 0
    store.set_many(keys, values=[b"%d" % i for i in range(n)])
    assert store.get_many(keys) == {keys[i].tobytes(): b"%d" % i for i in range(n)}
    assert store.get_many([keys[i].tobytes() for i in range(n)]) == store.get_many(keys)
    assert store.delete_many(keys) == n


def test_an_array_of_objects_is_an_iterable_of_them(store):
    keys = numpy.array(["a", b"b", bytearray(b"c")], dtype=object)
    store.set_many(keys, values=numpy.array([b"1", b"2", memoryview(b"3")], dtype=object))
    assert store.get_many(keys) == {"a": b"1", b"b": b"2", b"c": b"3"}
    pairs = numpy.array([["d", b"4"], ["e", b"5"]], dtype=object)
    store.set_many(pairs)
    assert store.get_many(["d", "e"]) == {"d": b"4", "e": b"5"}
    with pytest.raises(TypeError, match="a key is a str or a bytes-like object, not int"):
        store.get_many(numpy.array([1, 2], dtype=object))


def test_an_array_of_text_is_an_iterable_of_it(store):
    store.set_many({"é": b"1", "b": b"2"})
    assert store.get_many(numpy.array(["é", "b", "none"])) == {"é": b"1", "b": b"2"}


@pytest.mark.parametrize("layout", [slice(None), slice(None, None, 2), slice(None, None, -1), slice(5, 5)])
def test_rows_may_lie_apart(store, layout):
    names = numpy.array([b"key-%d" % i for i in range(50)])
    matrix = numpy.arange(200, dtype=numpy.float32).reshape(50, 4)
    store.set_many(names[layout], values=matrix[layout])
    assert store.get_many(names[layout]) == {
        bytes(name): row.tobytes() for name, row in zip(names[layout], matrix[layout])
    }


def test_rows_with_gaps_are_gathered(store):
    matrix = numpy.arange(100, dtype=numpy.uint8).reshape(10, 10)
    names = [f"row-{i}" for i in range(10)]
    for gaps in (matrix[:, ::2], matrix.T, numpy.asfortranarray(matrix), matrix[:, ::-1]):
        store.set_many(names, values=gaps)
        assert store.get_many(names) == {name: row.tobytes() for name, row in zip(names, gaps)}
        assert store.has_many(gaps) == {row.tobytes(): False for row in gaps}


def test_values_of_more_dimensions_are_the_bytes_of_each(store):
    images = numpy.arange(2 * 3 * 4, dtype=">i2").reshape(2, 3, 4)
    store.set_many(["a", "b"], values=images, ttl=60)
    with store.view("b") as memory:
        assert (numpy.frombuffer(memory, dtype=">i2").reshape(3, 4) == images[1]).all()
    assert 59 < store.ttl("b") <= 60


def test_records_are_pairs(store):
    records = numpy.array([(b"a", b"1"), (b"b", b"22")], dtype=[("key", "S8"), ("value", "S8")])
    store.set_many(records.tolist())
    store.set_many(records["key"], values=records["value"])
    assert store.get_many(records["key"]) == {b"a": b"1", b"b": b"22"}


def test_keys_and_values_apart_are_as_many(store):
    store.set_many((name for name in "ab"), values=(value for value in (b"1", bytearray(b"2"))))
    assert store.get_many("a b".split()) == {"a": b"1", "b": b"2"}
    for keys, values in (["c"], []), (["c"], numpy.zeros((2, 4))), (numpy.array([b"c", b"d"]), [b"1"]):
        with pytest.raises(ValueError, match=r"set_many\(\) got . keys and . values"):
            store.set_many(keys, values=values)
    assert len(store) == 2


def test_what_is_wrong_in_an_array_is_told_and_stores_nothing(store):
    with pytest.raises(memstore.InvalidArgument, match="a key has at least one byte"):
        store.set_many(numpy.array([b"a", b""]), values=[b"1", b"2"])
    with pytest.raises(memstore.InvalidArgument, match="a key has at least one byte"):
        store.get_many(numpy.array([b"", b"a"]))
    with pytest.raises(memstore.InvalidArgument):
        store.has_many(numpy.zeros((3, 0), dtype=numpy.uint8))
    with pytest.raises(TypeError, match="a value is a bytes-like object"):
        store.set_many(numpy.array([b"a", b"b"]), values=[b"1", "2"])
    with pytest.raises(TypeError, match="iterable of values here, not one"):
        store.set_many(["a"], values=b"1")
    with pytest.raises(TypeError, match="iterable of keys here, not one"):
        store.set_many("a", values=[b"1"])
    with pytest.raises(TypeError):
        store.set_many(["a"], values=5)
    with pytest.raises(TypeError):
        store.get_many(numpy.array(5))
    assert len(store) == 0


def test_a_zero_byte_at_the_end_of_an_item_is_none_as_numpy_has_it(store):
    keys = numpy.array([b"a\0b\0\0"], dtype="S8")
    store.set_many(keys, values=numpy.array([b"v\0"], dtype="S4"))
    assert dict(store.get_many([b"a\0b"])) == {keys[0]: b"v"} == {b"a\0b": b"v"}


def test_arrays_are_given_back(store):
    keys, values = numpy.array([b"a", b"b"]), numpy.zeros((2, 8))
    store.set_many(keys, values=values)
    for call in (store.get_many, store.has_many, store.delete_many):
        call(keys)
    with pytest.raises(ValueError):
        store.set_many(keys, values=values[:1])
    with pytest.raises(TypeError):
        store.set_many(keys, values=[b"1", 2])
    gc.collect()
    # Refused while a buffer of theirs is held.
    keys.resize(10)
    values.resize(10, 8)


def test_a_memoryview_of_rows_needs_no_numpy(store):
    rows = memoryview(b"abcdef").cast("B", (3, 2))
    store.set_many(rows, values=[b"1", b"2", b"3"])
    assert store.get_many(rows) == {b"ab": b"1", b"cd": b"2", b"ef": b"3"}


def test_an_array_of_objects_is_no_value(store):
    """Its bytes are addresses."""
    fields = numpy.zeros(2, dtype=[("Objects", "i4"), ("o", "O")])
    for value in numpy.array([b"1", b"2"], dtype=object), numpy.array([b"1"] * 4, dtype=object)[::2], fields:
        with pytest.raises(TypeError, match="an array of objects has no bytes"):
            store.set("a", value)
        with pytest.raises(TypeError, match="an array of objects has no bytes"):
            store.set_many({"a": value})
    assert "a" not in store
    named = numpy.zeros(2, dtype=[("Objects", "i4"), ("Other", "i8")])
    named["Objects"] = 7
    store.set("a", named)
    assert store.get("a") == named.tobytes()


def test_an_array_of_objects_is_no_value_of_an_async_loader(store):
    fields = numpy.zeros(2, dtype=[("Objects", "i4"), ("o", "O")])
    named = numpy.zeros(2, dtype=[("Objects", "i4"), ("Other", "i8")])

    def ask(value):
        async def load(key):
            return value

        return asyncio.run(store.aget_or_load("a", load))

    for value in numpy.array([b"1", b"2"], dtype=object), numpy.array([b"1"] * 4, dtype=object)[::2], fields:
        with pytest.raises(TypeError, match="an array of objects has no bytes"):
            ask(value)
        with pytest.raises(TypeError, match="an array of objects has no bytes"):
            asyncio.run(store.aget_or_load(value, None))
    assert "a" not in store
    assert ask(named) == named.tobytes()
