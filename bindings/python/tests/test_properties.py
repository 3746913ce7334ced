# SPDX-License-Identifier: Apache-2.0
"""What holds for any key and value, by Hypothesis, which shows the smallest case that fails."""

import importlib.util
from decimal import Decimal
from fractions import Fraction

import memstore
import pytest

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from memstore._patterns import starting_with
from memstore.codec import JSON, MSGPACK, PICKLE, decode_key, encode_key

settings.register_profile("memstore", deadline=None, max_examples=100, database=None, print_blob=True)
settings.load_profile("memstore")

CODECS = [PICKLE, JSON] + [MSGPACK] * (importlib.util.find_spec("msgpack") is not None)

NUMBERS = st.one_of(
    st.integers(),
    st.integers(-2, 2),
    st.booleans(),
    st.floats(allow_nan=False),
    st.fractions(),
    st.decimals(-(10**9), 10**9, places=6),
    st.complex_numbers(allow_nan=False),
    st.sampled_from([0.5, Decimal("0.5"), Fraction(1, 2), 1 + 0j, -0.0, Decimal("-0"), 1e300, Decimal("1E+300"), 2**64]),
)
KEYS = st.recursive(
    st.one_of(NUMBERS, st.text(), st.binary(), st.none()),
    lambda inner: st.one_of(st.tuples(inner, inner), st.tuples(inner), st.frozensets(inner, max_size=3)),
    max_leaves=5,
)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=8,
)


@given(KEYS)
def test_a_key_comes_back_as_one_that_is_equal(key):
    assert decode_key(encode_key(key)) == key


@given(KEYS, KEYS)
def test_keys_are_the_same_bytes_if_they_are_equal_and_only_then(a, b):
    assert (encode_key(a) == encode_key(b)) == (a == b)


@given(NUMBERS, NUMBERS)
def test_numbers_are_the_same_bytes_if_they_are_equal_and_only_then(a, b):
    assert (encode_key(a) == encode_key(b)) == (a == b)


@given(PLAIN)
def test_codecs_give_back_what_they_took(value):
    for codec in CODECS:
        assert codec.decode(bytes(codec.encode(value))) == value


@given(st.binary(max_size=20), st.lists(st.binary(min_size=1, max_size=25), max_size=10))
def test_a_pattern_made_of_any_bytes_matches_what_begins_with_them(start, keys):
    with memstore.Store(memory_limit="4MB", shards=1) as store:
        keys = {*keys, start + b"!"}
        store.set_many(dict.fromkeys(keys, b""))
        assert set(store.keys(starting_with(start))) == {key for key in keys if key.startswith(start)}


class CacheAsADict(RuleBasedStateMachine):
    """A Cache that nothing is evicted from is a dict."""

    keys = st.one_of(KEYS, st.sampled_from([1, True, 1.0, "1", b"1", None, (), (1,)]))

    def __init__(self):
        super().__init__()
        self.cache = memstore.Cache(memory_limit="64MB", eviction="none", shards=4)
        self.plain = {}

    @rule(key=keys, value=PLAIN)
    def assign(self, key, value):
        self.cache[key] = self.plain[key] = value

    @rule(key=keys)
    def look(self, key):
        assert self.cache.get(key, "absent") == self.plain.get(key, "absent")
        assert (key in self.cache) == (key in self.plain)

    @rule(key=keys, value=PLAIN)
    def set_default(self, key, value):
        assert self.cache.setdefault(key, value) == self.plain.setdefault(key, value)

    @rule(key=keys)
    def pop(self, key):
        assert self.cache.pop(key, "absent") == self.plain.pop(key, "absent")

    @rule(items=st.dictionaries(keys, PLAIN, max_size=5))
    def update(self, items):
        self.cache.update(items)
        self.plain.update(items)

    @rule()
    def clear(self):
        self.cache.clear()
        self.plain.clear()

    @invariant()
    def they_are_equal(self):
        assert len(self.cache) == len(self.plain)
        assert dict(self.cache.items()) == self.plain

    def teardown(self):
        self.cache.close()


TestCacheAsADict = CacheAsADict.TestCase
TestCacheAsADict.settings = settings(max_examples=30, stateful_step_count=30)
