# SPDX-License-Identifier: Apache-2.0
import memstore
import pytest
from conftest import wait_until


def test_latencies_are_measured_when_asked_for():
    with memstore.Store(memory_limit="64MB", track_operation_latency=True) as store:
        for number in range(100):
            store.set(f"key/{number}", b"value")
        store.delete("key/1")
        latency = store.latency("set")
        assert (latency.count, latency.one_in, latency.slow) == (100, 1, 0)
        assert 0 < latency.p50 <= latency.p90 <= latency.p99 <= latency.p999 <= latency.p9999 <= latency.max
        assert latency.max <= latency.total
        assert store.latency("delete").count == 1
        store.reset_stats()
        assert store.latency("set").count == 0


def test_reads_are_measured_by_the_operation_that_they_are():
    with memstore.Store(memory_limit="64MB", track_operation_latency=True) as store:
        store["k"] = b"v"
        for _ in range(1000):
            store.get("k")
        store.get_many(["k"])
        assert sum(store.latency(name).count for name in ("get", "get_view", "get_many")) >= 1000 // 256


def test_latencies_are_refused_when_they_are_not_tracked(store):
    with pytest.raises(memstore.Unsupported):
        store.latency("get")
    with pytest.raises(memstore.InvalidArgument, match="frobnicate"):
        store.latency("frobnicate")


def test_operations_are_those_of_the_library():
    assert memstore.OPERATIONS[:2] == ("get", "get_view")
    assert {"set", "set_many", "delete", "increment", "commit"} <= set(memstore.OPERATIONS)


def test_rates_are_per_second():
    with memstore.Store(memory_limit="64MB", metrics_interval=0.02) as store:
        store.set("k", b"v")
        assert wait_until(lambda: store.rates().memory_usage > 0)
        rates = store.rates()
        assert rates.window >= 0.02 and 0 < rates.memory_usage < 1
        assert rates.alerts == memstore.Alert(0) and rates.alerts_raised == 0


def test_alerts_are_flags():
    with memstore.Store(memory_limit="64MB", metrics_interval=0.02, memory_usage_threshold=0.001) as store:
        assert wait_until(lambda: memstore.Alert.MEMORY_USAGE in store.rates().alerts)
        assert store.rates().alerts_raised == 1


def test_rates_are_refused_without_metrics():
    with memstore.Store(enable_metrics=False) as store:
        with pytest.raises(memstore.Unsupported):
            store.rates()


def test_memory_by_kind_can_be_off():
    with memstore.Store(enable_memory_stats=False) as store:
        store["k"] = b"v"
        assert store.memory().charged > 0 and store.memory().live == 0


def test_the_configured_limit_is_beside_the_one_in_force():
    with memstore.Store(memory_limit="64MiB", memory_pressure="off") as store:
        memory, stats = store.memory(), store.stats()
        assert memory.limit == memory.configured_limit == 64 << 20
        assert (stats.limit_lowered, stats.limit_raised) == (0, 0)
        store.reconfigure("memory_pressure", "psi")
        store.reconfigure("memory_limit", "32MiB")
        memory = store.memory()
        assert memory.configured_limit == 32 << 20 and memory.limit <= memory.configured_limit
        with pytest.raises(memstore.InvalidConfig, match="off, cgroup, psi"):
            store.reconfigure("memory_pressure", "on")


def test_entries_are_counted_by_ttl_and_add_up():
    with memstore.Store(memory_limit="256MB") as store:
        store["never"] = b"v"
        for number in range(10):
            store.set(f"minute/{number}", b"v", ttl=60)
        classes = store.ttls()
        assert classes[0] == memstore.TTLClass(None, 1)
        assert [c.entries for c in classes[1:] if c.shortest <= 60][-1] == 10
        assert [c.shortest for c in classes[1:]] == sorted(c.shortest for c in classes[1:])
        assert sum(c.entries for c in classes) == len(store)


def test_what_is_unsupported_tells_the_setting_it_needs():
    with memstore.Store(enable_metrics=False) as store:
        store["k"] = b"v"
        for call, setting in (
            (lambda: store.created_at("k"), "ttl.store_creation_time"),
            (lambda: store.latency("get"), "monitoring.track_operation_latency"),
            (store.rates, "monitoring.enable_metrics"),
        ):
            with pytest.raises(memstore.Unsupported, match=f"^this needs the setting {setting}$"):
                call()
