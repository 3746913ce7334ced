# SPDX-License-Identifier: Apache-2.0
"""What a store advises, as Python sees it; tests/stories/test_advice.c has each kind of advice."""

import json

import memstore
import pytest


def use(store, keys, times):
    for number in range(times):
        key = f"user/{number * 7919 % keys}"
        if store.get(key) is None:
            store.set(key, b"x" * 100)


def test_a_report_is_a_sequence_with_a_curve_hot_keys_text_and_json():
    with memstore.Store(memory_limit="1MB", access_sample_ratio=1, lock_timeout="10m") as store:
        use(store, 20000, 60000)
        for _ in range(20000):
            store.get(b"\xffhot")
        report = store.advise()
    assert report[0] == next(iter(report)) and len(report) >= 1
    memory = [advice for advice in report if advice.name == "more_memory"]
    assert memory[0].setting == "performance.memory_limit" and memory[0].current == "1000kB"
    assert [point.bytes for point in report.curve] == sorted(point.bytes for point in report.curve)
    assert report.curve[0].miss_ratio > report.curve[-1].miss_ratio
    assert report.hot_keys[0].key == b"\xffhot" and report.hot_keys[0].key_size == 4
    assert abs(report.hot_keys[0].share - 0.25) < 0.05
    assert "performance.memory_limit: " in str(report) and "the limit now" in str(report)
    assert json.loads(report.to_json())["tracking"]["on"] is True


def test_a_report_can_be_kept_as_json():
    with memstore.Store(access_sample_ratio=1) as store:
        use(store, 100, 5000)
        report = store.advise()
    again = memstore.Report.from_json(report.to_json())
    assert again.advice == report.advice and again.curve == report.curve and again.hot_keys == report.hot_keys
    assert all(advice.what in str(again) for advice in report)


@pytest.mark.parametrize("text", ["[]", "{}", "3"])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError):
        memstore.Report.from_json(text)


def test_following_is_switched_on_in_a_store_in_use():
    with memstore.Store() as store:
        assert [advice.name for advice in store.advise()] == ["tracking"]
        assert store.advise().curve == ()
        store.reconfigure("access_sample_ratio", 1)
        for _ in range(20):
            use(store, 100, 250)
            report = store.advise()  # which digests what is followed, so that nothing is lost on a busy machine
        assert "tracking" not in [advice.name for advice in report]
        assert store.advise().curve != ()


def test_a_closed_store_gives_no_advice():
    store = memstore.Store()
    store.close()
    with pytest.raises(memstore.CacheClosed):
        store.advise()
