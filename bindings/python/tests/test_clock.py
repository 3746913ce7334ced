# SPDX-License-Identifier: Apache-2.0
"""Any operations in any order, with time between them, against a dict, by Hypothesis; and what takes minutes otherwise.

Time is what the test says, so that expiry is judged to the millisecond. That takes a build with such a clock:
`pip install . -Csetup-args=-Dpython_clock=true`, which `./dev test` makes in a folder of its own.
"""

import os
import re
from datetime import timedelta

import memstore
import pytest
from memstore import _native
from memstore.integrations import _shared

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

set_clock = getattr(_native, "_set_clock", None)
pytestmark = pytest.mark.skipif(set_clock is None, reason="needs a build with -Dpython_clock=true")

#: Unix times are given as seconds: these are whole in binary as well.
UNIX_STEP_MS = 125
KEYS = st.sampled_from([b"a", b"b", b"b2", b"n1", b"n2", b"long" * 50])
COUNTERS = st.sampled_from([b"n1", b"n2"])
VALUES = st.one_of(st.binary(max_size=20), st.integers(0, 100_000).map(bytes), st.integers(-99, 99).map(lambda n: b"%d" % n))
TTLS_MS = st.one_of(st.none(), st.integers(1, 50), st.integers(1, 100_000))
NUMBER = st.integers(-(10**6), 10**6)

now_ms, unix_ms = 1_000_000, 1_800_000_000_000


def pass_time(milliseconds):
    global now_ms, unix_ms
    now_ms += milliseconds
    unix_ms += milliseconds
    set_clock(now_ms, unix_ms)


def ttl_of(ttl_ms):
    return None if ttl_ms is None else timedelta(milliseconds=ttl_ms)


class AnyOperations(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        pass_time(1)
        self.store = memstore.Store(memory_limit="64MB", maintenance="manual", batch_timeout="1h")
        #: key -> (value, when it expires in milliseconds or None)
        self.entries = {}

    def teardown(self):
        self.store.close()

    def live(self, key):
        value, expires = self.entries.get(key, (None, None))
        return value if expires is None or expires > now_ms else None

    def keep(self, key, value, ttl_ms):
        self.entries[key] = value, None if ttl_ms is None else now_ms + ttl_ms

    def all_live(self):
        return {key for key in self.entries if self.live(key) is not None}

    # ---- Writing

    @rule(key=KEYS, value=VALUES, ttl_ms=TTLS_MS)
    def set(self, key, value, ttl_ms):
        self.store.set(key, value, ttl_of(ttl_ms))
        self.keep(key, value, ttl_ms)

    @rule(key=KEYS, value=VALUES, after_ms=st.integers(-1000, 100_000))
    def set_until(self, key, value, after_ms):
        at_ms = (unix_ms + after_ms) // UNIX_STEP_MS * UNIX_STEP_MS
        if at_ms <= unix_ms:
            with pytest.raises(memstore.TTLExpired):
                self.store.set_until(key, value, at_ms / 1000)
            return
        self.store.set_until(key, value, at_ms / 1000)
        self.keep(key, value, at_ms - unix_ms)

    @rule(key=KEYS, value=VALUES, ttl_ms=TTLS_MS)
    def add(self, key, value, ttl_ms):
        absent = self.live(key) is None
        assert self.store.add(key, value, ttl_of(ttl_ms)) == absent
        if absent:
            self.keep(key, value, ttl_ms)

    @rule(key=KEYS, value=VALUES, ttl_ms=TTLS_MS)
    def replace(self, key, value, ttl_ms):
        present = self.live(key) is not None
        assert self.store.replace(key, value, ttl_of(ttl_ms)) == present
        if present:
            self.keep(key, value, ttl_ms)

    @rule(key=KEYS, value=VALUES, ttl_ms=TTLS_MS, right=st.booleans())
    def compare_and_set(self, key, value, ttl_ms, right):
        found, version = self.store.get_versioned(key)
        assert (found, version == 0) == (self.live(key), found is None)
        assert self.store.compare_and_set(key, value, version + (not right), ttl_of(ttl_ms)) == right
        if right:
            self.keep(key, value, ttl_ms)

    @rule(key=COUNTERS, delta=NUMBER, initial=NUMBER, ttl_ms=TTLS_MS)
    def incr(self, key, delta, initial, ttl_ms):
        before = self.live(key)
        if before is None:
            assert self.store.incr(key, delta, initial, ttl_of(ttl_ms)) == initial + delta
            self.keep(key, b"%d" % (initial + delta), ttl_ms)
            return
        if not re.fullmatch(rb"-?[0-9]{1,19}", before):
            with pytest.raises(memstore.NotANumber):
                self.store.incr(key, delta, initial, ttl_of(ttl_ms))
            return
        after = int(before) + delta
        assert self.store.incr(key, delta, initial, ttl_of(ttl_ms)) == after
        self.entries[key] = b"%d" % after, self.entries[key][1]

    @rule(key=KEYS, ttl_ms=TTLS_MS)
    def expire(self, key, ttl_ms):
        if self.live(key) is None:
            with pytest.raises((memstore.KeyNotFound, memstore.TTLExpired)):
                self.store.expire(key, ttl_of(ttl_ms))
            return
        self.store.expire(key, ttl_of(ttl_ms))
        self.keep(key, self.live(key), ttl_ms)

    @rule(items=st.dictionaries(KEYS, VALUES), ttl_ms=TTLS_MS)
    def set_many(self, items, ttl_ms):
        self.store.set_many(items, ttl_of(ttl_ms))
        for key, value in items.items():
            self.keep(key, value, ttl_ms)

    @rule(items=st.lists(st.tuples(KEYS, VALUES, TTLS_MS), max_size=5), wait_ms=st.integers(0, 100))
    def set_async(self, items, wait_ms):
        """The TTL counts from the call, not from when the write is applied."""
        for key, value, ttl_ms in items:
            self.store.set_async(key, value, ttl_of(ttl_ms))
            self.keep(key, value, ttl_ms)
        pass_time(wait_ms)
        self.store.flush()

    @rule(key=KEYS, value=VALUES, ttl_ms=TTLS_MS)
    def get_or_load(self, key, value, ttl_ms):
        expected = self.live(key)
        assert self.store.get_or_load(key, lambda _: value, ttl_of(ttl_ms)) == (value if expected is None else expected)
        if expected is None:
            self.keep(key, value, ttl_ms)

    # ---- Removing, and time

    @rule(key=KEYS)
    def delete(self, key):
        assert self.store.delete(key) == (self.live(key) is not None)
        self.entries.pop(key, None)

    @rule(keys=st.sets(KEYS))
    def delete_many(self, keys):
        assert self.store.delete_many(keys) == len(keys & self.all_live())
        for key in keys:
            self.entries.pop(key, None)

    @rule(start=st.sampled_from([b"", b"b", b"n"]))
    def delete_pattern(self, start):
        matching = {key for key in self.all_live() if key.startswith(start)}
        assert self.store.count(start + b"*") == len(matching)
        assert self.store.delete_pattern(start + b"*") == len(matching)
        for key in matching:
            del self.entries[key]

    @rule(milliseconds=st.one_of(st.integers(1, 60), st.integers(1, 100_000)))
    def advance(self, milliseconds):
        pass_time(milliseconds)

    @rule(short_of_ms=st.integers(0, 1), which=st.integers(0, 5))
    def advance_to_an_expiry(self, short_of_ms, which):
        """To the millisecond at which an entry is gone, or the one before, at which it is not."""
        moments = sorted(expires for _, expires in self.entries.values() if expires is not None and expires > now_ms)
        if moments:
            pass_time(max(0, moments[which % len(moments)] - short_of_ms - now_ms))

    @rule()
    def maintain(self):
        self.store.maintain()

    # ---- Reading

    @rule(key=KEYS)
    def ttl(self, key):
        if self.live(key) is None:
            with pytest.raises((memstore.KeyNotFound, memstore.TTLExpired)):
                self.store.ttl(key)
            return
        expires = self.entries[key][1]
        ttl = self.store.ttl(key)
        assert (None if ttl is None else round(ttl * 1000)) == (None if expires is None else expires - now_ms)

    @rule(keys=st.lists(KEYS, max_size=8))
    def get_many(self, keys):
        live = self.all_live()
        assert self.store.get_many(keys) == {key: self.live(key) for key in keys if key in live}
        assert self.store.has_many(keys) == {key: key in live for key in keys}

    @invariant()
    def every_key_reads_as_it_should(self):
        for key in self.entries:
            expected = self.live(key)
            assert (self.store.get(key), key in self.store) == (expected, expected is not None)

    @invariant()
    def as_many_are_counted_as_there_are(self):
        live = self.all_live()
        assert len(self.store) == len(live)
        assert set(self.store) == live


class Slow(memstore.Store):
    """One in which time goes on between the look at a TTL and what is done with it."""

    def ttl(self, key):
        told = super().ttl(key)
        pass_time(1)
        return told


@pytest.mark.parametrize("number, delta", [(1.5, 0.5), (2**80, 1), (1, 0)])
@pytest.mark.parametrize("precision", ["second", "minute"])
def test_the_expiry_of_a_counter_stays(precision, number, delta):
    """Wherever in a second or minute it is counted, and of what is no integer of 64 bits, too."""
    pass_time(1)
    with Slow(ttl_precision=precision, maintenance="manual") as store:
        for later_ms in (1, 20, 499, 500, 980, 10_007, 29_999, 30_000, 45_000):
            store.set("n", _shared.encode(number), 60)
            expiry = store.expires_at("n")
            pass_time(later_ms)
            for i in range(1, 6):
                assert _shared.count(store, "n", delta) == number + i * delta
            assert store.expires_at("n") == expiry


def test_any_operations_at_any_time():
    # `./dev test --long` tries more.
    examples = int(os.environ.get("MEMSTORE_CLOCK_EXAMPLES", "150"))
    run_state_machine_as_test(
        AnyOperations, settings=settings(deadline=None, max_examples=examples, stateful_step_count=60, database=None)
    )
