# SPDX-License-Identifier: Apache-2.0
"""How a store is shown on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .._units import count, duration, percent, size
from .reading import Change, Reading

BARS = "▁▂▃▄▅▆▇█"
KINDS = {"live": "green", "stale": "yellow", "dead": "red", "index": "cyan", "overhead": "blue", "free": "bright_black"}
QUANTILES = {"0.5": "p50", "0.99": "p99", "0.999": "p99.9", "0.9999": "p99.99", "1": "max"}
PANEL_WIDTH = 52
BAR_WIDTH = PANEL_WIDTH - 4
HOT_KEYS_SHOWN = 8


def sparkline(values: Sequence[float | None]) -> str:
    """Shares from 0 to 1, a bar each."""
    return "".join(" " if value is None else BARS[min(int(value * len(BARS)), len(BARS) - 1)] for value in values)


def _pairs(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_black")
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _hits(change: Change, history: Sequence[float | None]) -> RenderableType:
    recent = change.hit_ratio()
    style = "bright_black" if recent is None else "green" if recent >= 0.8 else "yellow" if recent >= 0.5 else "red"
    return Group(
        Text.assemble((percent(recent), f"bold {style}"), "  ", (sparkline(history), style)),
        _pairs([("since the beginning", percent(Change(None, change.now).hit_ratio()))]),
    )


def _throughput(change: Change) -> RenderableType:
    names = ("hits", "misses", "sets", "updates", "deletes", "evictions", "expirations", "rejected_writes", "loads")
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_row("", Text("/s", "bright_black"), Text("in all", "bright_black"))
    for name in names:
        if (f"memstore_{name}_total", frozenset[tuple[str, str]]()) in change.now.values or change.now.total(name):
            alarming = name == "rejected_writes" and change.count(name) > 0
            text = Text(name.replace("_", " "), "red" if alarming else "bright_black")
            table.add_row(text, count(change.rate(name)), count(change.now.total(name)))
    return table


def _memory(reading: Reading) -> RenderableType:
    limit = reading.value("memory_limit_bytes") or 0.0
    charged = reading.value("memory_charged_bytes")
    kinds = {kind: value for kind, value in reading.by("memory_bytes", "kind").items() if kind in KINDS}
    bar = Text()
    for kind, value in kinds.items():
        bar.append("█" * round(value / limit * BAR_WIDTH if limit else 0), KINDS[kind])
    bar.append("·" * max(BAR_WIDTH - len(bar), 0), "bright_black")
    legend = Table.grid(padding=(0, 2))
    for kind, value in kinds.items():
        legend.add_row(Text("█ " + kind, KINDS[kind]), size(value), percent(value / limit if limit else None))
    return Group(
        bar,
        legend,
        _pairs(
            [
                ("charged, of the limit", f"{size(charged)} of {size(limit)}"),
                ("entries", count(reading.value("entries"))),
                ("pinned by views", size(reading.value("memory_pinned_bytes"))),
            ]
        ),
    )


def _latencies(reading: Reading) -> RenderableType | None:
    rows = []
    for operation, measured in reading.by("operation_duration_seconds_count", "operation").items():
        if not measured:
            continue
        quantiles = [
            duration(reading.value("operation_quantile_seconds", operation=operation, q=q)) for q in QUANTILES
        ]
        rows.append((operation, count(measured), *quantiles))
    if not rows:
        return None
    table = Table(box=None, padding=(0, 1), header_style="bright_black")
    for name in ("operation", "measured", *QUANTILES.values()):
        table.add_column(name, justify="left" if name == "operation" else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _hot_keys(reading: Reading) -> RenderableType | None:
    keys = reading.by("hot_key_share", "key")
    if not keys:
        return None
    hottest = sorted(keys.items(), key=lambda item: -item[1])[:HOT_KEYS_SHOWN]
    return _pairs([(key, percent(share)) for key, share in hottest])


def _alerts(reading: Reading) -> Text:
    raised = [kind for kind, value in reading.by("alert", "kind").items() if value]
    if not raised:
        return Text("no alert", "green")
    return Text("ALERT: " + ", ".join(kind.replace("_", " ") for kind in raised), "bold white on red")


def _beside(left: Sequence[RenderableType], right: Sequence[RenderableType], width: int) -> RenderableType:
    if width < 2 * PANEL_WIDTH + 1:
        return Group(*left, *right)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Group(*left), Group(*right))
    return grid


def render(
    title: str, change: Change, history: Sequence[float | None], width: int, notice: str | None = None
) -> RenderableType:
    """The whole screen of one store, so many columns wide.

    ``history`` are earlier hit ratios, ``notice`` is what went wrong last.
    """
    head = Text.assemble(("memstore ", "bold"), title, "  ", _alerts(change.now))
    lines: list[RenderableType] = [head] if notice is None else [head, Text(notice, "yellow")]
    left = [
        Panel(_hits(change, history), title="hit ratio", width=PANEL_WIDTH),
        Panel(_throughput(change), title="calls", width=PANEL_WIDTH),
    ]
    right: list[RenderableType] = [Panel(_memory(change.now), title="memory", width=PANEL_WIDTH)]
    hot_keys = _hot_keys(change.now)
    if hot_keys is not None:
        right.append(Panel(hot_keys, title="hot keys, of all reads", width=PANEL_WIDTH))
    lines.append(_beside(left, right, width))
    latencies = _latencies(change.now)
    if latencies is not None:
        lines.append(Panel(latencies, title="latencies", width=min(width, 2 * PANEL_WIDTH + 1)))
    return Group(*lines)
