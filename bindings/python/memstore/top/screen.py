# SPDX-License-Identifier: Apache-2.0
"""How a store is shown on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .._text import plain
from .._units import count, duration, percent, share, size
from .reading import Change, Reading

BARS = "▁▂▃▄▅▆▇█"
# Not bright_black, which is the background in some palettes.
DIM = "dim"
KINDS = {"live": "green", "stale": "yellow", "dead": "red", "index": "cyan", "overhead": "blue", "free": DIM}
QUANTILES = {"0.5": "p50", "0.99": "p99", "0.999": "p99.9", "0.9999": "p99.99", "1": "max"}
PANEL_WIDTH = 52  # at most
COLUMNS_FROM = 76  # as wide as two panels have to be
QUANTILES_FROM = 70  # as wide as all of QUANTILES have to be
QUANTILES_LEFT = ("0.5", "0.99", "1")  # where there is less room
FRAME = 4  # columns that a panel's border and padding take
BORDERS = 2  # lines that they take
HOT_KEYS_SHOWN = 8


def sparkline(values: Sequence[float | None]) -> str:
    """Shares from 0 to 1, a bar each."""
    return "".join(" " if value is None else BARS[min(int(share(value, 1) * len(BARS)), len(BARS) - 1)] for value in values)


def _pairs(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=DIM)
    table.add_column(justify="right", no_wrap=True)
    for name, value in rows:
        table.add_row(Text(name), value)
    return table


def _hits(change: Change, history: Sequence[float | None]) -> RenderableType:
    recent = change.hit_ratio()
    style = DIM if recent is None else "green" if recent >= 0.8 else "yellow" if recent >= 0.5 else "red"
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
    table.add_row("", Text("/s", DIM), Text("in all", DIM))
    for name in names:
        if (f"memstore_{name}_total", frozenset[tuple[str, str]]()) in change.now.values or change.now.total(name):
            alarming = name == "rejected_writes" and change.count(name) > 0
            text = Text(name.replace("_", " "), "red" if alarming else DIM)
            table.add_row(text, count(change.rate(name)), count(change.now.total(name)))
    return table


def _memory(reading: Reading, width: int) -> RenderableType:
    limit = reading.value("memory_limit_bytes") or 0.0
    charged = reading.value("memory_charged_bytes")
    kinds = {kind: value for kind, value in reading.by("memory_bytes", "kind").items() if kind in KINDS}
    bar = Text()
    for kind, value in kinds.items():
        bar.append("█" * round(share(value, limit) * width), KINDS[kind])
    bar.truncate(width)
    bar.append("·" * (width - len(bar)), DIM)
    legend = Table.grid(padding=(0, 2))
    legend.add_column()
    legend.add_column(justify="right")
    legend.add_column(justify="right")
    for kind, value in kinds.items():
        legend.add_row(Text("█ " + kind, KINDS[kind]), size(value), percent(value / limit if limit else None))
    return Group(
        bar,
        legend,
        _pairs(
            [
                ("charged", f"{size(charged)} of {size(limit)}"),
                ("entries", count(reading.value("entries"))),
                ("pinned", size(reading.value("memory_pinned_bytes"))),
            ]
        ),
    )


def _measured(reading: Reading) -> dict[str, float]:
    """Calls measured of each operation that was called."""
    counts = reading.by("operation_duration_seconds_count", "operation")
    return {operation: measured for operation, measured in counts.items() if measured}


def _latencies(reading: Reading, width: int) -> RenderableType:
    is_wide = width >= QUANTILES_FROM
    shown = tuple(QUANTILES) if is_wide else QUANTILES_LEFT
    table = Table(box=None, padding=(0, 1) if is_wide else (0, 1, 0, 0), pad_edge=is_wide, header_style=DIM)
    table.add_column("operation" if is_wide else "", no_wrap=True)
    for name in ("measured", *(QUANTILES[q] for q in shown)) if is_wide else (QUANTILES[q] for q in shown):
        table.add_column(name, justify="right", no_wrap=True)
    for operation, measured in _measured(reading).items():
        quantiles = [duration(reading.value("operation_quantile_seconds", operation=operation, q=q)) for q in shown]
        table.add_row(Text(plain(operation)), *([count(measured)] if is_wide else []), *quantiles)
    return table


def _cut(text: str, width: int) -> str:
    cut = Text(text)
    cut.truncate(width, overflow="ellipsis")
    return cut.plain


def _hot_keys(reading: Reading, most: int, width: int) -> RenderableType | None:
    keys = reading.by("hot_key_share", "key")
    hottest = sorted(keys.items(), key=lambda item: -item[1])[: max(most, 0)]
    if not hottest:
        return None
    room = width - 2 - max(len(percent(share)) for _, share in hottest)
    return _pairs([(_cut(plain(key), room), percent(share)) for key, share in hottest])


def _alerts(reading: Reading) -> Text:
    raised = [kind for kind, value in reading.by("alert", "kind").items() if value]
    if not raised:
        return Text("no alert", "green")
    return Text("ALERT: " + plain(", ".join(kind.replace("_", " ") for kind in raised)), "bold bright_white on red")


def _height_of_memory(reading: Reading) -> int:
    return BORDERS + 1 + len(set(reading.by("memory_bytes", "kind")) & set(KINDS)) + 3


def render(
    title: str,
    change: Change,
    history: Sequence[float | None],
    width: int,
    height: int | None = None,
    notice: str | None = None,
) -> RenderableType:
    """The whole screen of one store, so many columns wide.

    ``history`` are earlier hit ratios, ``notice`` is what went wrong last. Of hot keys, as many are shown beside the rest
    as ``height`` lines have room for.
    """
    now = change.now
    head = Text.assemble(("memstore ", "bold"), plain(title), "  ", _alerts(now))
    lines: list[RenderableType] = [head] if notice is None else [head, Text(plain(notice), "yellow")]
    in_columns = width >= COLUMNS_FROM
    panel = min(PANEL_WIDTH, (width - 1) // 2 if in_columns else width)
    measured = len(_measured(now))
    across = min(width, 2 * panel + 1)
    latencies = [Panel(_latencies(now, across), title="latencies", width=across)] if measured else []
    below = BORDERS + 1 + measured if measured else 0
    most = HOT_KEYS_SHOWN
    if height is not None and in_columns:
        most = min(most, height - len(lines) - below - _height_of_memory(now) - BORDERS)
    hot_keys = _hot_keys(now, most, panel - FRAME)
    left = [
        Panel(_hits(change, history), title="hit ratio", width=panel),
        Panel(_throughput(change), title="calls", width=panel),
    ]
    right = [Panel(_memory(now, panel - FRAME), title="memory", width=panel)]
    if hot_keys is not None:
        right.append(Panel(hot_keys, title="hot keys, of all reads", width=panel))
    if not in_columns:
        return Group(*lines, *left, *right, *latencies)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Group(*left), Group(*right))
    return Group(*lines, grid, *latencies)
