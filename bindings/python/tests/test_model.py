# SPDX-License-Identifier: Apache-2.0
"""Random operations against a dict. TTLs are either far away or none, so that time plays no part."""

import random
import time

import memstore
import pytest

OPERATIONS = 3000
FAR = 100_000


class Model:
    """What a store is to do, in the plainest way: key -> (value, ttl)."""

    def __init__(self, store, rng):
        self.store, self.rng, self.entries = store, rng, {}

    def key(self):
        n = self.rng.randrange(300)
        return b"key-%d" % n if n % 7 else b"long-%d-" % n + b"k" * 300

    def given(self, key):
        """A key as one of the types that a caller may give."""
        kind = self.rng.randrange(4)
        return key.decode() if kind < 2 else key if kind == 2 else bytearray(key)

    def value(self):
        size = self.rng.choice([0, 1, 20, 100, 1000, 1000, 70_000])
        return self.rng.randbytes(size)

    def ttl(self):
        return self.rng.choice([None, FAR, 2 * FAR])

    def keys(self):
        return [self.key() for _ in range(self.rng.choice([0, 1, 5, 40, 100]))]

    def run_set(self):
        key, value, ttl = self.key(), self.value(), self.ttl()
        self.store.set(self.given(key), value, ttl)
        self.entries[key] = value, ttl

    def run_get(self):
        key = self.key()
        expected = self.entries.get(key, (None, None))[0]
        assert self.store.get(self.given(key)) == expected
        if expected is not None:
            with self.store.view(self.given(key)) as memory:
                assert memory == expected

    def run_delete(self):
        key = self.key()
        assert self.store.delete(self.given(key)) == (self.entries.pop(key, None) is not None)

    def run_contains(self):
        key = self.key()
        assert (self.given(key) in self.store) == (key in self.entries)

    def run_add(self):
        key, value, ttl = self.key(), self.value(), self.ttl()
        assert self.store.add(self.given(key), value, ttl) == (key not in self.entries)
        self.entries.setdefault(key, (value, ttl))

    def run_replace(self):
        key, value, ttl = self.key(), self.value(), self.ttl()
        assert self.store.replace(self.given(key), value, ttl) == (key in self.entries)
        if key in self.entries:
            self.entries[key] = value, ttl

    def run_compare_and_set(self):
        key, value, ttl = self.key(), self.value(), self.ttl()
        found, version = self.store.get_versioned(self.given(key))
        assert (found, version == 0) == (self.entries.get(key, (None, None))[0], key not in self.entries)
        if self.rng.random() < 0.3:
            assert not self.store.compare_and_set(self.given(key), value, version + 1, ttl)
        else:
            assert self.store.compare_and_set(self.given(key), value, version, ttl)
            self.entries[key] = value, ttl

    def run_compare_and_delete(self):
        key = self.key()
        version = self.store.get_versioned(self.given(key))[1]
        if self.rng.random() < 0.3:
            assert not self.store.compare_and_delete(self.given(key), version + 1)
        else:
            assert self.store.compare_and_delete(self.given(key), version) == (key in self.entries)
            self.entries.pop(key, None)

    def run_incr(self):
        key, delta = b"n-%d" % self.rng.randrange(20), self.rng.randrange(-100, 100)
        before = int(self.entries[key][0]) if key in self.entries else 5
        ttl = self.entries[key][1] if key in self.entries else FAR
        assert self.store.incr(self.given(key), delta, initial=5, ttl=FAR) == before + delta
        self.entries[key] = b"%d" % (before + delta), ttl

    def run_ttl(self):
        key = self.key()
        if key not in self.entries:
            with pytest.raises(memstore.KeyNotFound):
                self.store.ttl(self.given(key))
            return
        expected = self.entries[key][1]
        ttl = self.store.ttl(self.given(key))
        assert ttl is None if expected is None else expected - 60 < ttl <= expected

    def run_expire(self):
        key, ttl = self.key(), self.ttl()
        if key not in self.entries:
            with pytest.raises(memstore.KeyNotFound):
                self.store.expire(self.given(key), ttl)
            return
        self.store.expire(self.given(key), ttl)
        self.entries[key] = self.entries[key][0], ttl

    def run_set_many(self):
        items, ttl = {key: self.value() for key in self.keys()[:20]}, self.ttl()
        self.store.set_many(items, ttl)
        self.entries.update({key: (value, ttl) for key, value in items.items()})

    def run_get_many(self):
        keys = self.keys()
        expected = {key: self.entries[key][0] for key in keys if key in self.entries}
        assert self.store.get_many(keys) == expected
        assert self.store.has_many(keys) == {key: key in self.entries for key in keys}

    def run_delete_many(self):
        keys = self.keys()[:10]
        assert self.store.delete_many(keys) == len({key for key in keys if key in self.entries})
        for key in keys:
            self.entries.pop(key, None)

    def run_set_async(self):
        items, ttl = {key: self.value() for key in self.keys()[:20]}, self.ttl()
        for key, value in items.items():
            self.store.set_async(self.given(key), value, ttl)
        self.store.flush()
        self.entries.update({key: (value, ttl) for key, value in items.items()})

    def run_set_until(self):
        key, value = self.key(), self.value()
        self.store.set_until(self.given(key), value, time.time() + FAR - 1)
        self.entries[key] = value, FAR

    def run_get_or_load(self):
        key, value, ttl = self.key(), self.value(), self.ttl()
        expected, _ = self.entries.setdefault(key, (value, ttl))
        assert self.store.get_or_load(self.given(key), lambda _: value, ttl) == expected

    def run_patterns(self):
        digit = str(self.rng.randrange(10))
        expected = sorted(key for key in self.entries if key.startswith(b"key-" + digit.encode()))
        assert sorted(self.store.keys(f"key-{digit}*")) == expected
        assert self.store.count(f"key-{digit}*") == len(expected)
        if self.rng.random() < 0.1:
            assert self.store.delete_pattern(f"key-{digit}*") == len(expected)
            for key in expected:
                del self.entries[key]

    def run_all(self):
        if self.rng.random() < 0.05:
            self.store.clear()
            self.entries.clear()
        assert len(self.store) == len(self.entries)
        assert sorted(self.store) == sorted(self.entries)


@pytest.mark.parametrize("eviction", ["adaptive", "s3fifo", "lru", "none"])
@pytest.mark.parametrize("round", range(3))
def test_random_operations(seed, eviction, round):
    rng = random.Random(f"{seed}/{eviction}/{round}")
    operations = [name for name in dir(Model) if name.startswith("run_")]
    weights = [1 if name in ("run_all", "run_patterns") else 10 for name in operations]
    with memstore.Store(memory_limit="256MB", eviction=eviction, shards=rng.choice([1, 16, 1024])) as store:
        model = Model(store, rng)
        for step, name in enumerate(rng.choices(operations, weights, k=OPERATIONS)):
            try:
                getattr(model, name)()
            except BaseException:
                print(f"step {step}: {name}")
                raise
        assert {key: store[key] for key in store} == {key: value for key, (value, _) in model.entries.items()}
        assert store.stats().entries == len(model.entries)
