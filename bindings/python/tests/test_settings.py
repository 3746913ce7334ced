# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import get_type_hints

import memstore
import pytest
from memstore import _settings, settings
from memstore.settings import Configuration


def text(path, *sources):
    with Configuration(*sources) as configuration:
        return configuration.get(path)


@pytest.mark.parametrize(
    "settings",
    [
        {"ttl": {"default_ttl": "1h"}},
        {"ttl.default_ttl": "1h"},
        {"default_ttl": "1h"},
        {"ttl__default_ttl": "1h"},
        {"default_ttl": 3600},
        {"default_ttl": 3600.0},
        {"default_ttl": timedelta(hours=1)},
        {"default_ttl": "3600000"},
    ],
    ids=str,
)
def test_a_setting_may_be_written_in_several_ways(settings):
    wanted = text("ttl.default_ttl", {"ttl.default_ttl": "1h"})
    assert text("ttl.default_ttl", settings) == wanted
    assert text("ttl.default_ttl", {}) != wanted
    with memstore.Store(settings) as store:
        store["k"] = b""
        assert 3599 < store.ttl("k") <= 3600


def test_keywords_override_the_mapping():
    with memstore.Store({"ttl": {"default_ttl": "1h"}, "shards": 4}, default_ttl=60, shards=8) as store:
        store["k"] = b""
        assert 59 < store.ttl("k") <= 60
    assert text("shards", {"shards": 4}, {"shards": 8}) == "8"


def test_numbers_of_any_type():
    numpy = pytest.importorskip("numpy")
    for number in (16, 16.0, numpy.int64(16), numpy.uint8(16), numpy.float32(16), Decimal(16), Fraction(16)):
        assert text("shards", {"shards": number}) == "16"
        assert text("ttl.max_ttl", {"max_ttl": number}) == "16s"
    assert text("performance.memory_limit", {"memory_limit": numpy.int64(64_000_000)}) == "64MB"


@pytest.mark.parametrize(
    "share, kept",
    [(1 / 3, "0.333333"), (2 / 3, "0.666667"), (0.1 + 0.2, "0.3"), (1e-5, "0.00001"), (1e-7, "0.000001"), (5e-324, "0.000001"),
     (0.0, "0"), (1.0, "1"), (0.99999999, "1"), (1 - 2**-53, "1")],
)  # fmt: skip
def test_shares_are_rounded_to_what_the_library_keeps(share, kept):
    assert text("monitoring.hit_rate_threshold", {"hit_rate_threshold": share}) == kept


def test_numbers_that_are_no_shares_or_counts_are_refused():
    for name, number, why in (
        ("hit_rate_threshold", -1e-9, "negative"),
        ("hit_rate_threshold", 1.1, "above the largest"),
        ("hit_rate_threshold", float("nan"), "not a number"),
        ("hit_rate_threshold", float("inf"), "not a number"),
        ("shards", 2.5, "not a whole number"),
        ("memory_limit", 64e6 / 3, "needs a larger unit"),
        ("memory_limit", 1j, "is no str, number"),
    ):
        with pytest.raises(memstore.InvalidConfig, match=why):
            text("shards", {name: number})


def test_a_name_is_text():
    with memstore.Store() as store:
        for call in (lambda: store.setting(5), lambda: store.reconfigure(5, 1), lambda: memstore.Store({5: 1})):
            with pytest.raises(memstore.InvalidConfig, match="the name of a setting is a str, not 5"):
                call()


def test_kinds_of_values():
    assert text("shards", {"shards": 16}) == text("shards", {"shards": "16"}) == "16"
    assert text("ttl.store_creation_time", {"store_creation_time": True}) == "true"
    assert text("ttl.store_creation_time", {"store_creation_time": False}) == "false"
    assert text("eviction", {"eviction": "fifo"}) == "fifo"
    assert text("memory_pressure", {"memory_pressure": False}) == "off"
    assert text("huge_pages", {"huge_pages": True}) == "on"
    assert text("huge_pages", {"huge_pages": False}) == "off"
    sizes = {text("performance.memory_limit", {"memory_limit": value}) for value in (64_000_000, 64e6, "64MB")}
    assert len(sizes) == 1
    never = {text("ttl.default_ttl", {"default_ttl": value}) for value in (None, 0, "0", timedelta(0))}
    assert len(never) == 1
    assert text("performance.lock_timeout", {"lock_timeout": 0.25}) == text(
        "performance.lock_timeout", {"lock_timeout": "250ms"}
    )


@pytest.mark.parametrize(
    "settings, named",
    [
        ({"memry_limit": 5}, "memry_limit"),
        ({"ttl": {"bogus": 5}}, "ttl.bogus"),
        ({"bogus.default_ttl": 5}, "bogus.default_ttl"),
        ({"default_ttl": "5 parsecs"}, "default_ttl"),
        ({"default_ttl": -5}, "default_ttl"),
        ({"default_ttl": float("nan")}, "default_ttl"),
        ({"default_ttl": 1e18}, "default_ttl"),
        ({"default_ttl": [1]}, "default_ttl"),
        ({"shards": 7}, "shards"),
        ({"shards": "many"}, "shards"),
        ({"eviction": "random"}, "eviction"),
        ({"memory_limit": "-1MB"}, "memory_limit"),
        ({7: 7}, "7"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(settings, named):
    with pytest.raises(memstore.InvalidConfig, match=named) as caught:
        memstore.Store(settings)
    assert isinstance(caught.value, ValueError)


def test_settings_that_contradict_each_other():
    with pytest.raises(memstore.InvalidConfig):
        memstore.Store(min_ttl=100, max_ttl=10)


def test_a_limit_that_holds_nothing():
    with pytest.raises(memstore.InvalidConfig, match="limit"):
        memstore.Store(memory_limit=1)


def test_an_unknown_keyword_is_named():
    with pytest.raises(memstore.InvalidConfig, match="evicton"):
        memstore.Store(evicton="lru")


@pytest.mark.parametrize("settings", [{"perfromance": {}}, {"ttl": {"bogus": {}}}, {"shards": {}}, {"config": {}}])
def test_a_section_that_there_is_not_is_refused_though_it_is_empty(settings):
    with pytest.raises(memstore.InvalidConfig, match="perfromance|bogus|shards|config"):
        memstore.Store(settings)


def test_a_section_may_be_empty():
    memstore.Store({"ttl": {}, "storage": {"memory": {"performance": {}}}}).close()


def test_the_types_name_every_setting():
    known = set(settings.names())
    sections = {path.partition(".")[0] for path in known if "." in path}
    keywords = {name.replace(".", "__") for name in settings._PATHS} | sections
    assert set(_settings.AllSettings.__annotations__) == keywords
    assert set(_settings.StoreSettings.__annotations__) == keywords - {"memory_limit", "default_ttl"}
    for section in sections:
        typed = get_type_hints(_settings.StoreSettings)[section].__annotations__
        assert {f"{section}.{name}" for name in typed} == {path for path in known if path.startswith(section + ".")}


@pytest.mark.parametrize("kind", [memstore.Store, memstore.Cache])
def test_what_is_no_mapping_is_no_settings(kind, store):
    """An open store above all, which has no entries and would pass for no settings at all."""
    with pytest.raises(TypeError, match="settings are a mapping or keywords, not Store: each .* opens one of its own"):
        kind(store)
    store["k"] = b"v"
    with memstore.Cache() as cache:
        for given in (store, cache):
            with pytest.raises(TypeError, match="opens one of its own"):
                kind(given)
    for given in ("", 0, [], [("shards", 1)], "shards: 1"):
        with pytest.raises(TypeError, match=f"not {type(given).__name__}$"):
            kind(given)
    with kind(None) as first, kind({}) as second:
        assert not len(first) and not len(second)


def test_almost_nothing_is_not_no_limit():
    assert text("ttl.default_ttl", {"ttl.default_ttl": 1e-9}) == "1ms"
    assert text("ttl.default_ttl", {"ttl.default_ttl": timedelta(microseconds=1)}) == "1ms"
    assert text("ttl.default_ttl", {"ttl.default_ttl": 0.0}) == "0"
    with pytest.raises(memstore.InvalidConfig, match="negative"):
        text("ttl.default_ttl", {"ttl.default_ttl": -1e-9})


def test_text_without_a_form_in_utf_8_is_refused():
    with pytest.raises(memstore.InvalidConfig, match="store_name.*UTF-8"):
        memstore.Store(store_name="\udc80")
