# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import urllib.request
from wsgiref.simple_server import make_server

import memstore
import prometheus_client
import pytest
from conftest import wait_until
from memstore.prometheus import Collector
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).parents[3]


def families(store):
    return {family.name: family for family in text_string_to_metric_families(store.metrics_text())}


def samples(store):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families(store).values()
        for sample in family.samples
    }


@pytest.fixture
def tracked():
    with memstore.Store(memory_limit="64MB", track_operation_latency=True) as store:
        yield store


def test_the_text_is_openmetrics_and_its_counts_are_the_store_s(tracked):
    tracked["k"] = b"v"
    tracked["k"] = b"w"
    tracked.get("k"), tracked.get("absent")
    tracked.delete("k")
    with pytest.raises(memstore.EntryTooLarge):
        tracked["large"] = bytes(40_000_000)
    told, stats, memory = samples(tracked), tracked.stats(), tracked.memory()
    for name in ("hits", "misses", "sets", "updates", "deletes", "evictions", "expirations", "compactions"):
        assert told[(f"memstore_{name}_total",)] == getattr(stats, name), name
    for name in ("moved_bytes", "written_bytes"):
        assert told[(f"memstore_{name}_total",)] == getattr(stats, name), name
    for reason in ("too_large", "invalid_ttl", "full", "memory", "condition", "timeout"):
        assert told[("memstore_rejected_writes_total", ("reason", reason))] == getattr(stats, f"rejected_{reason}")
    for kind in ("live", "dead", "index", "overhead", "free"):
        assert told[("memstore_memory_bytes", ("kind", kind))] == getattr(memory, kind)
    assert told[("memstore_memory_limit_bytes",)] == memory.limit
    assert told[("memstore_memory_charged_bytes",)] == memory.charged
    assert told[("memstore_entries",)] == 0


def test_histograms_count_up_to_all_that_was_measured(tracked):
    for number in range(100):
        tracked.set(f"key/{number}", b"value")
    family = families(tracked)["memstore_operation_duration_seconds"]
    buckets = [s for s in family.samples if s.name.endswith("_bucket") and s.labels["operation"] == "set"]
    assert [s.value for s in buckets] == sorted(s.value for s in buckets)
    assert buckets[-1].labels["le"] == "+Inf" and buckets[-1].value == 100
    told, latency = samples(tracked), tracked.latency("set")
    quantile = ("memstore_operation_quantile_seconds", ("operation", "set"), ("q", "0.99"))
    assert told[quantile] == pytest.approx(latency.p99, abs=1e-9)
    total = ("memstore_operation_duration_seconds_sum", ("operation", "set"))
    assert told[total] == pytest.approx(latency.total, abs=1e-8)


def promtool():
    found = shutil.which("promtool", path=os.pathsep.join([str(ROOT / ".dev" / "promtool"), os.environ["PATH"]]))
    if found is None:
        pytest.skip("there is no promtool: ./dev setup fetches it where it can be had, Debian has it in the package prometheus")
    return found


def test_promtool_has_nothing_to_say_of_the_file(tmp_path):
    path = tmp_path / "blocks.prom"
    with memstore.Store(
        export_metrics=str(path), track_operation_latency=True, access_sample_ratio=1, store_name="blocks"
    ) as store:
        for number in range(2000):
            store.set(f"key/{number % 5}", b"value")
            store.get(f"key/{number % 5}")
        wait_until(path.exists)
        told = subprocess.run([promtool(), "check", "metrics"], input=path.read_bytes(), capture_output=True)
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")


def test_what_is_switched_off_is_not_told(store):
    assert not any("operation" in name for name in families(store))
    with memstore.Store(enable_metrics=False, enable_memory_stats=False) as bare:
        assert not {"memstore_alert", "memstore_window_seconds", "memstore_memory_bytes"} & set(families(bare))


def test_a_closed_store_has_no_metrics():
    store = memstore.Store()
    store.close()
    with pytest.raises(memstore.CacheClosed):
        store.metrics_text()
    assert list(Collector(store).collect()) == []


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_a_scrape_over_http(tracked, accept):
    registry = prometheus_client.CollectorRegistry()
    registry.register(Collector(tracked, {"store": "blocks"}))
    tracked["k"] = b"v"
    server = make_server("127.0.0.1", 0, prometheus_client.make_wsgi_app(registry))
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=30) as response:
        text = response.read().decode()
    thread.join()
    server.server_close()
    assert 'memstore_sets_total{store="blocks"} 1.0' in text
    assert 'memstore_operation_duration_seconds_count{operation="set",store="blocks"} 1.0' in text


@pytest.fixture
def stores():
    with memstore.Store(track_operation_latency=True) as blocks, memstore.Store() as states:
        blocks["k"] = b"v"
        yield {"blocks": blocks, "states": states}


def scraped(registry):
    """The families of what a scrape gets, which are told of once."""
    text = generate_latest(registry).decode()
    found = list(text_string_to_metric_families(text))
    assert len({family.name for family in found}) == len(found)
    return text, {family.name: family for family in found}


def test_a_scrape_of_several_stores(stores):
    registry = prometheus_client.CollectorRegistry()
    collector = Collector(stores, {"node": "7"})
    registry.register(collector)
    text, found = scraped(registry)
    assert text.count("# TYPE memstore_sets ") == 1
    told = {sample.labels["store"]: sample.value for sample in found["memstore_sets"].samples}
    assert told == {"blocks": 1, "states": 0}
    assert all(sample.labels["node"] == "7" for family in found.values() for sample in family.samples)
    # What one of the stores does not tell is there for the other.
    assert {sample.labels["store"] for sample in found["memstore_operation_duration_seconds"].samples} == {"blocks"}
    collector.remove(stores["blocks"])
    collector.remove(stores["blocks"])
    assert {sample.labels["store"] for family in scraped(registry)[1].values() for sample in family.samples} == {"states"}


def test_a_registry_takes_one_collector(stores):
    registry = prometheus_client.CollectorRegistry()
    registry.register(Collector(stores["blocks"]))
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(Collector(stores["states"]))


def test_stores_are_added_with_labels_of_their_own(stores):
    registry = prometheus_client.CollectorRegistry()
    collector = Collector()
    registry.register(collector)
    assert scraped(registry)[1] == {}
    collector.add(stores["blocks"], {"store": "a"})
    with pytest.raises(ValueError, match="another store is collected with the labels {'store': 'a'}"):
        collector.add(stores["states"], {"store": "a"})
    stores["blocks"].close()
    collector.add(stores["states"], {"store": "a"})
    assert [sample.value for sample in scraped(registry)[1]["memstore_sets"].samples] == [0]


def test_labels_of_a_collector_are_those_of_stores_added_later_too(stores):
    registry = prometheus_client.CollectorRegistry()
    collector = Collector(labels={"app": "node", "store": "none"})
    registry.register(collector)
    for name, store in stores.items():
        collector.add(store, {"store": name})
    labels = [sample.labels for sample in scraped(registry)[1]["memstore_entries"].samples]
    assert labels == [{"app": "node", "store": name} for name in stores]


@pytest.mark.parametrize(
    "name, value", [("key", "a"), ("le", "1"), ("", "a"), ("a-b", "a"), ("__name__", "a"), (5, "a"), ("a", "\ud800")]
)
def test_labels_that_would_spoil_a_scrape_are_refused(stores, name, value):
    with pytest.raises(ValueError):
        Collector(stores, {name: value})
    collector = Collector(stores)
    with pytest.raises(ValueError):
        collector.add(stores["blocks"], {name: value})


def test_values_of_labels_are_told_as_text(stores):
    registry = prometheus_client.CollectorRegistry()
    registry.register(Collector(stores, {"shard": 5}))
    assert scraped(registry)[1]["memstore_entries"].samples[0].labels["shard"] == "5"


def test_a_store_that_is_closed_during_a_scrape_is_left_out(stores):
    class ClosesLate(memstore.Store):
        closed = False  # as it was a moment before

    late = ClosesLate()
    collector = Collector({**stores, "late": late})
    late.close()
    assert {sample.labels["store"] for family in collector.collect() for sample in family.samples} == set(stores)


def all_names(store):
    return {name for name, *_ in samples(store)}


def read_hot_key(store):
    """So often that it is told of."""
    store.reconfigure("access_sample_ratio", 1)
    store["hot"] = b"v"
    for _ in range(4000):
        store.get("hot")


DASHBOARD = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
CHOSEN = {"instance": "$instance", "store": "$store"}  # by the dashboard's variables; labels of the scrape


def test_every_series_of_the_dashboard_exists(tracked):
    read_hot_key(tracked)
    labels = {}
    for name, *pairs in samples(tracked):
        labels.setdefault(name, []).append(dict(pairs))
    assert len(TARGETS) >= 30
    for target in TARGETS:
        for name, matchers in re.findall(r"(memstore_\w+)(?:\{([^}]*)\})?", target["expr"]):
            wanted = dict(re.findall(r'(\w+)=~"([^"]*)"', matchers))
            assert name in labels and CHOSEN.items() <= wanted.items(), target["expr"]
            for label, value in wanted.items() - CHOSEN.items():
                for choice in value.split("|"):
                    assert any(found.get(label) == choice for found in labels[name]), (name, label, choice)
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - set(CHOSEN)
            assert shown <= set(labels[name][0]), target["legendFormat"]


def test_what_the_dashboard_lets_choose_is_there_and_panels_do_not_overlap(tracked):
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert set(variables) == {"datasource", *CHOSEN}
    for name in CHOSEN:
        query = variables[name]["query"]["query"]
        assert re.match(r"label_values\((memstore_\w+)", query).group(1) in all_names(tracked)
        # A scrape without the label is shown, too.
        assert query.endswith(f", {name})") and variables[name]["allValue"] == ".*"
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_prometheus_understands_the_dashboard(tmp_path):
    rules = [
        {"record": f"target:{i}", "expr": re.sub(r"\$__rate_interval", "5m", target["expr"])}
        for i, target in enumerate(TARGETS)
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    told = subprocess.run([promtool(), "check", "rules", "--lint=none", str(path)], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_documentation_lists_every_metric(tracked):
    read_hot_key(tracked)
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(memstore_\w+)", text, re.MULTILINE)) == set(families(tracked))
