# SPDX-License-Identifier: Apache-2.0
import re

import memstore
import pytest

KEYS = ["block/1", "block/22", "block/3/tx", "tx/1", "a*b", "axb"]


@pytest.fixture
def filled(store):
    store.set_many((key, b"") for key in KEYS)
    return store


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("", KEYS),
        ("*", KEYS),
        ("block/*", KEYS[:3]),
        (b"block/*", KEYS[:3]),
        ("block/?", ["block/1"]),
        ("*/[12]*", ["block/1", "block/22", "tx/1"]),
        ("block/[^1]*", ["block/22", "block/3/tx"]),
        ("a\\*b", ["a*b"]),
        ("a*b", ["a*b", "axb"]),
        ("nothing", []),
    ],
)
def test_patterns(filled, pattern, expected):
    wanted = sorted(key.encode() for key in expected)
    assert sorted(filled.keys(pattern)) == wanted
    assert filled.count(pattern) == len(wanted)
    assert filled.delete_pattern(pattern) == len(wanted)
    assert filled.keys(pattern) == []
    assert len(filled) == len(KEYS) - len(wanted)


@pytest.mark.parametrize("pattern", ["[a", "a\\", "[^"])
def test_a_malformed_pattern_touches_nothing(filled, pattern):
    for call in (filled.keys, filled.count, filled.delete_pattern):
        with pytest.raises(memstore.InvalidPattern, match=re.escape(f"(pattern {pattern!r})")):
            call(pattern)
    assert len(filled) == len(KEYS)


def test_keys_and_count_take_all_by_default(filled):
    assert len(filled.keys()) == filled.count() == len(KEYS)
    with pytest.raises(TypeError, match="a pattern is"):
        filled.keys(5)


def test_many_keys(store):
    keys = {b"%d" % i for i in range(50_000)}
    store.set_many((key, b"") for key in keys)
    assert set(store.keys("*")) == keys
