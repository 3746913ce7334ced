# SPDX-License-Identifier: Apache-2.0
import time
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import memstore
import pytest
from conftest import wait_until


def test_a_point_of_time_is_an_aware_datetime_or_a_number(store):
    for when in ("tomorrow", None, date.today(), timedelta(days=40_000)):
        with pytest.raises(TypeError, match="a time is an aware datetime or a number of Unix seconds, not "):
            store.set_until("k", b"", when)
    with pytest.raises(memstore.InvalidArgument, match="without a time zone"):
        store.set_until("k", b"", datetime(2100, 1, 1))
    assert "k" not in store


def test_times_that_no_float_can_hold_are_no_ttl(store):
    for call in (lambda: store.set("k", b"", ttl=10**400), lambda: store.set_until("k", b"", 10**400)):
        with pytest.raises(memstore.InvalidTTL):
            call()


def test_an_entry_goes_when_its_time_is_over(store):
    started = time.monotonic()
    store.set("k", b"v", ttl=0.05)
    assert wait_until(lambda: store.get("k") is None)
    # Times are whole milliseconds, so the last one of them may be cut short.
    assert time.monotonic() - started >= 0.049
    assert "k" not in store


def test_expired_entries_are_not_counted(store):
    store.set_many({f"k{i}": b"" for i in range(100)}, ttl=0.02)
    assert wait_until(lambda: len(store) == 0)
    assert store.keys() == []


@pytest.mark.parametrize("ttl", [60, 60.0, timedelta(minutes=1), Decimal(60)], ids=lambda ttl: type(ttl).__name__)
def test_a_ttl_is_seconds_or_a_timedelta(store, ttl):
    store.set("k", b"", ttl=ttl)
    assert 59 < store.ttl("k") <= 60
    store.set("k", b"", ttl)
    assert 59 < store.ttl("k") <= 60


def test_none_never_expires(store):
    store.set("k", b"", ttl=None)
    assert store.ttl("k") is None
    with pytest.raises(memstore.TTLNotSet, match="'k'"):
        store.expires_at("k")


def test_without_a_ttl_the_default_applies():
    with memstore.Store(default_ttl=100) as store:
        store.set("a", b"")
        store.set("b", b"", ttl=memstore.DEFAULT_TTL)
        store["c"] = b""
        store.set_many({"d": b""})
        store.add("e", b"")
        store.incr("f")
        for key in "abcdef":
            assert 99 < store.ttl(key) <= 100
        store.set("never", b"", ttl=None)
        assert store.ttl("never") is None


@pytest.mark.parametrize(
    "ttl", [0, -1, -0.5, timedelta(0), timedelta(seconds=-1), float("nan"), float("inf"), 1e300, -1e300]
)
def test_a_ttl_that_is_none_is_refused_and_the_old_value_stays(store, ttl):
    store.set("k", b"old", ttl=50)
    for call in (
        lambda: store.set("k", b"new", ttl=ttl),
        lambda: store.set_many({"k": b"new"}, ttl=ttl),
        lambda: store.replace("k", b"new", ttl=ttl),
        lambda: store.expire("k", ttl),
    ):
        with pytest.raises(memstore.InvalidTTL):
            call()
    assert store["k"] == b"old"
    assert store.ttl("k") > 49


@pytest.mark.parametrize("ttl", [0, -1, -5, timedelta(seconds=-1), float("nan"), float("inf"), 1e300])
def test_writes_that_are_refused_for_their_ttl_are_counted(store, ttl):
    store["k"] = b"old"
    version = store.get_versioned("k")[1]
    for number, call in enumerate(
        (
            lambda: store.set("k", b"new", ttl),
            lambda: store.set_async("k", b"new", ttl),
            lambda: store.set_many({"k": b"new"}, ttl),
            lambda: store.add("other", b"new", ttl),
            lambda: store.replace("k", b"new", ttl),
            lambda: store.compare_and_set("k", b"new", version, ttl),
            lambda: store.incr("number", ttl=ttl),
        ),
        1,
    ):
        with pytest.raises(memstore.InvalidTTL, match="a TTL is a number of seconds above 0, .*None stores for ever"):
            call()
        assert store.stats().rejected_invalid_ttl == number
    assert store["k"] == b"old" and len(store) == 1


@pytest.mark.parametrize("ttl", ["60", b"60", [60], object()])
def test_a_ttl_of_another_type_is_a_type_error(store, ttl):
    with pytest.raises(TypeError, match="a TTL is a number of seconds, a timedelta or None"):
        store.set("k", b"", ttl=ttl)


def test_the_shortest_ttl_is_a_millisecond(store):
    store.set("k", b"", ttl=1e-9)
    assert wait_until(lambda: "k" not in store)


def test_bounds_of_the_configuration_hold():
    with memstore.Store(min_ttl=10, max_ttl=100) as store:
        for ttl in (9, 101):
            with pytest.raises(memstore.InvalidTTL):
                store.set("k", b"", ttl=ttl)
        assert store.stats().rejected_invalid_ttl == 2
        store.set("k", b"", ttl=None)
        assert 99 < store.ttl("k") <= 100


def test_expire_counts_from_now_and_keeps_value_and_version(store):
    store.set("k", b"v", ttl=10)
    version = store.get_versioned("k")[1]
    store.expire("k", 100)
    assert 99 < store.ttl("k") <= 100
    assert store.get_versioned("k") == (b"v", version)
    store.expire("k", None)
    assert store.ttl("k") is None
    store.expire("k")
    assert store.ttl("k") is None


def test_expire_does_not_revive(store):
    store.set("k", b"v", ttl=0.01)
    time.sleep(0.02)
    with pytest.raises(memstore.KeyNotFound):
        store.expire("k", 100)
    assert "k" not in store


def test_ttl_of_an_absent_key(store):
    for call in (store.ttl, store.expires_at, store.expire):
        with pytest.raises(memstore.KeyNotFound, match="'absent'"):
            call("absent")


def test_expires_at_is_an_aware_datetime(store):
    store.set("k", b"", ttl=3600)
    left = store.expires_at("k") - datetime.now(timezone.utc)
    assert timedelta(seconds=3598) < left < timedelta(seconds=3602)


def test_set_until(store):
    store.set_until("a", b"1", datetime.now(timezone.utc) + timedelta(seconds=50))
    store.set_until("b", b"2", time.time() + 50)
    assert 49 < store.ttl("a") <= 51
    assert 49 < store.ttl("b") <= 51
    for past in (datetime(2020, 1, 1, tzinfo=timezone.utc), 1.5):
        with pytest.raises(memstore.TTLExpired) as caught:
            store.set_until("a", b"new", past)
        assert isinstance(caught.value, KeyError)
        assert "has passed" in str(caught.value)
    assert store["a"] == b"1"
    with pytest.raises(ValueError, match="time zone"):
        store.set_until("a", b"", datetime(2100, 1, 1))
    with pytest.raises(TypeError, match="Unix seconds"):
        store.set_until("a", b"", "tomorrow")


def test_created_at_needs_its_setting(store):
    store["k"] = b""
    with pytest.raises(memstore.Unsupported):
        store.created_at("k")
    with memstore.Store(store_creation_time=True) as other:
        before = datetime.now(timezone.utc)
        other["k"] = b""
        created = other.created_at("k")
        assert abs(created - before) < timedelta(seconds=2)
        with pytest.raises(memstore.KeyNotFound):
            other.created_at("absent")


def test_an_expiry_beyond_the_dates_there_are(store):
    store.set("k", b"v", ttl=10**12)
    assert store.expires_at("k") == datetime.max.replace(tzinfo=timezone.utc)
    assert 10**12 - 60 < store.ttl("k") <= 10**12
