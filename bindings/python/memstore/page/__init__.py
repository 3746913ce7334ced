# SPDX-License-Identifier: Apache-2.0
"""A report as a page of HTML that needs nothing else: neither files, nor scripts, nor a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._units import count, duration, percent, size
from . import chart
from .markup import Content, Markup, join, key_text, tag
from .samples import Samples
from .style import STYLE

if TYPE_CHECKING:
    from ..advice import Advice, HotKey, Report

KINDS = ("live", "stale", "dead", "index", "overhead", "free")
SEVERITIES = ("warning", "suggestion", "info")
QUANTILES = {"0.5": "p50", "0.9": "p90", "0.99": "p99", "0.999": "p99.9", "0.9999": "p99.99", "1": "max"}
# The reads that are shown as a histogram, when there are several.
LATENCIES_SHOWN = 4


def _section(title: str, *children: Content) -> Markup:
    return tag("section", tag("h2", title), *children)


def _note(text: str) -> Markup:
    return tag("p", text, class_="dim")


def _table(titles: Sequence[str], rows: Iterable[Sequence[Content]], numbers: Iterable[int]) -> Markup:
    kinds = ["number" if i in set(numbers) else "text" for i in range(len(titles))]
    head = tag("tr", *(tag("th", title, class_=kind) for title, kind in zip(titles, kinds)))
    body = [tag("tr", *(tag("td", cell, class_=kind) for cell, kind in zip(row, kinds))) for row in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="card wide")


def _milliseconds(number: float) -> str:
    """Of TTLs and ages, which may be long."""
    for factor, unit in ((86400e3, "d"), (3600e3, "h"), (60e3, "min"), (1e3, "s")):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.3g} ms"


def _whole_size(number: float) -> str:
    """A size that is a power of two."""
    return size(number).replace(".0 ", " ")


# ---- Parts of the page ----


def _tiles(figures: Mapping[str, Any]) -> Markup:
    counts, settings, tracking = (figures.get(name, {}) for name in ("counts", "settings", "tracking"))
    reads = counts.get("hits", 0) + counts.get("misses", 0)
    limit = settings.get("memory_limit")
    tiles = [
        ("hit ratio", percent(counts["hits"] / reads) if reads else "-"),
        ("reads", count(reads)),
        ("entries", count(counts.get("entries"))),
        ("memory limit", chart.decimal_size(limit) if limit else "-"),
        ("eviction", str(settings.get("eviction", "-"))),
        ("evictions", count(counts.get("evictions"))),
        ("expirations", count(counts.get("expirations"))),
        ("keys followed", count(tracking.get("keys")) if tracking.get("on") else "none"),
    ]
    return tag("div", *(tag("div", tag("b", value), name, class_="card") for name, value in tiles), class_="tiles")


def _advice(advice: Advice) -> Markup:
    severity = advice.severity if advice.severity in SEVERITIES else "info"
    change = None
    if advice.setting:
        change = tag(
            "p",
            *("Set ", tag("code", advice.setting), " to ", tag("b", tag("code", advice.suggested))),
            *(", which is ", tag("code", advice.current), " now."),
        )
    return tag(
        "article",
        tag("h3", advice.what),
        tag("p", tag("span", advice.severity, class_="badge"), " ", tag("code", advice.name)),
        change,
        tag("p", tag("span", "Because ", class_="dim"), advice.evidence),
        tag("p", tag("span", "Expect ", class_="dim"), advice.expected),
        class_=f"card advice {severity}",
    )


def _all_advice(report: Report) -> Markup:
    if not report.advice:
        return _section("Advice", _note("There is nothing to change."))
    return _section("Advice", *map(_advice, report.advice))


def _curve(report: Report) -> Markup:
    figures = report.figures
    tracking = figures.get("tracking", {})
    drawn = chart.miss_ratio_curve(
        [(point.bytes, point.miss_ratio) for point in report.curve],
        figures.get("settings", {}).get("memory_limit", 0),
        tracking.get("miss_ratio") if tracking.get("sampled") else None,
    )
    if drawn is None:
        return _section("Misses by memory", _note("Needs keys to be followed: monitoring.access_sample_ratio."))
    policies = sorted(figures.get("policies", []), key=lambda policy: float(policy["miss_ratio"]))
    rows = [(policy["policy"], percent(policy["miss_ratio"])) for policy in policies]
    return _section(
        "Misses by memory",
        tag("div", drawn, _note("The curve is what lru would miss. The dot is what the store misses."), class_="card wide"),
        _table(("simulated policy, at the limit", "reads that miss"), rows, [1]) if rows else None,
    )


def _meter(key: HotKey, largest: float) -> Markup:
    sure = max(key.share - key.error, 0) / largest * 120 if largest else 0
    whole = key.share / largest * 120 if largest else 0
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=whole, height=12, class_="unsure"),
        tag("rect", x=0, y=0, width=sure, height=12, class_="bar"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox="0 0 120 12",
        class_="meter",
    )


def _hot_keys(keys: Sequence[HotKey]) -> Markup:
    if not keys:
        return _section("Hot keys", _note("None, or no keys are followed: monitoring.access_sample_ratio."))
    sure = [key for key in keys if key.share > key.error]
    if not sure:
        return _section("Hot keys", _note("None gets so many more reads than others that it is sure."))
    largest = max(key.share for key in sure)
    rows = []
    for key in sure:
        shown = tag("code", key_text(key.key) or "(empty)", "…" if key.key_size > len(key.key) else None)
        least = percent(key.share - key.error)
        rows.append((shown, _meter(key, largest), count(key.key_size), least, percent(key.share)))
    titles = ("key", "", "bytes", "of reads, at least", "at most")
    return _section("Hot keys", _table(titles, rows, [2, 3, 4]))


def _histograms(figures: Mapping[str, Any]) -> Markup:
    kinds: tuple[tuple[str, str, Callable[[float], str]], ...] = (
        ("sizes", "size of entries", _whole_size),
        ("hit_sizes", "size of entries, by hits", _whole_size),
        ("ttls_left", "what is left of TTLs", _milliseconds),
        ("ttls_given", "TTLs given", _milliseconds),
        ("reuse_ages", "time between two reads of a key", _milliseconds),
        ("hit_ages", "time from the write to a hit", _milliseconds),
        ("late_reads", "time from an expiry to the next read", _milliseconds),
    )
    cards = []
    for name, title, bound in kinds:
        buckets = [(bucket["below"], bucket["count"]) for bucket in figures.get(name, [])]
        drawn = chart.histogram(title, buckets, bound)
        if drawn is not None:
            cards.append(tag("div", drawn, class_="card"))
    if not cards:
        return _section("Sizes and times", _note("There are no entries."))
    return _section("Sizes and times", tag("div", *cards, class_="charts"))


def _memory(samples: Samples | None) -> Markup:
    kinds = samples.by("memory_bytes", "kind") if samples is not None else {}
    limit = samples.value("memory_limit_bytes") if samples is not None else None
    shown = [(kind, kinds[kind]) for kind in KINDS if kind in kinds]
    if not shown:
        return _section("Memory", _note("Needs the metrics, with performance.enable_memory_stats."))
    whole = limit or sum(value for _, value in shown)
    rows: list[Sequence[Content]] = [
        (join(tag("span", "", class_=f"key part-{kind}"), kind), chart.decimal_size(value), percent(value / whole))
        for kind, value in shown
    ]
    return _section(
        "Memory",
        tag("div", chart.stacked(shown, whole), class_="card"),
        _table(("kind", "bytes", "of the limit"), rows, [1, 2]),
    )


def _latency_buckets(samples: Samples, operation: str) -> list[tuple[float, float]]:
    """Bounds that values are below, and counts; what is above the last bound is in one more.

    The metrics have in each bucket what is in the ones before it too, and the largest whole nanosecond in it.
    """
    buckets, before, last = [], 0.0, 0.0
    for bound, below in samples.by("operation_duration_seconds_bucket", "le", operation=operation).items():
        last = last * 4 if bound == "+Inf" else float(bound) + 1e-9
        buckets.append((last, below - before))
        before = below
    return buckets


def _latencies(samples: Samples | None) -> Markup:
    counts = samples.by("operation_duration_seconds_count", "operation") if samples is not None else {}
    measured = {operation: calls for operation, calls in counts.items() if calls > 0}
    if samples is None or not measured:
        return _section("Latencies", _note("Needs the metrics, with monitoring.track_operation_latency."))
    rows, cards = [], []
    for operation, calls in measured.items():
        quantiles = samples.by("operation_quantile_seconds", "q", operation=operation)
        rows.append((operation, count(calls), *(duration(quantiles.get(quantile)) for quantile in QUANTILES)))
    for operation in sorted(measured, key=lambda name: -measured[name])[:LATENCIES_SHOWN]:
        drawn = chart.histogram(f"{operation}, measured calls", _latency_buckets(samples, operation), duration, factor=4)
        if drawn is not None:
            cards.append(tag("div", drawn, class_="card"))
    titles = ("operation", "measured", *QUANTILES.values())
    return _section(
        "Latencies", _table(titles, rows, range(1, len(titles))), tag("div", *cards, class_="charts")
    )


def render(report: Report, title: str, samples: Samples | None = None) -> str:
    """The page of a report, with what metrics add to it."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    main = tag(
        "main",
        tag("h1", title),
        _tiles(report.figures),
        _all_advice(report),
        _curve(report),
        _hot_keys(report.hot_keys),
        _histograms(report.figures),
        _memory(samples),
        _latencies(samples),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, tag("body", main), lang="en") + "\n"
