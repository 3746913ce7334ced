# SPDX-License-Identifier: Apache-2.0
"""Pictures in SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .._units import share
from .markup import Markup, tag

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 28, 44
BARS_WIDTH, BARS_HEIGHT = 370, 190
BARS_TOP, BARS_BOTTOM = 16, 40
LABELS_MOST = 5


def _svg(width: float, height: float, name: str, *children: Markup) -> Markup:
    return tag(
        "svg",
        tag("title", name),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        role="img",
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", class_: str = "axis") -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def decimal_size(number: float) -> str:
    """Bytes in the units of settings."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _size_ticks(least: float, most: float) -> list[float]:
    """Round sizes between the two, as many as there is room to label on a logarithmic axis."""
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        inside = [tick for tick in ticks if least <= tick <= most]
        if len(inside) <= 9:
            break
    return inside


def _scale_top(largest: float) -> float:
    """The end of an axis of shares."""
    return next((top for top in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if largest <= top), 1.0)


def miss_ratio_curve(points: Sequence[tuple[float, float]], limit: float, measured: float | None) -> Markup | None:
    """Sizes and the shares of reads that miss with them; None when there is nothing to draw.

    ``measured`` is what the store itself misses at its limit.
    """
    points = [(size, ratio) for size, ratio in points if size > 0]
    if len(points) < 2 or points[0][0] >= points[-1][0]:
        return None
    least, most = points[0][0], points[-1][0]
    top = _scale_top(max(ratio for _, ratio in [*points, (0, measured or 0)]))

    def x(size: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(size / least) / math.log(most / least)

    def y(ratio: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(ratio / top, 1)

    parts = []
    for i in range(6):
        ratio = top * i / 5
        parts += [
            _line(LEFT, y(ratio), WIDTH - RIGHT, y(ratio), "grid"),
            _text(LEFT - 8, y(ratio) + 4, f"{ratio * 100:.3g} %", "end"),
        ]
    for tick in _size_ticks(least, most):
        parts += [
            _line(x(tick), y(0), x(tick), y(0) + 5, "edge"),
            _text(x(tick), y(0) + 19, decimal_size(tick)),
        ]
    parts += [
        _line(LEFT, y(0), WIDTH - RIGHT, y(0), "edge"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "memory limit", class_="axis name"),
        _text(LEFT - 44, 14, "reads that miss", "start", "axis name"),
        tag("polyline", points=" ".join(f"{x(size):.1f},{y(ratio):.1f}" for size, ratio in points), class_="curve"),
    ]
    if least <= limit <= most:
        at_end = x(limit) > WIDTH * 0.6
        parts += [
            _line(x(limit), 6, x(limit), y(0), "limit"),
            _text(x(limit) + (-6 if at_end else 6), 16, f"limit now: {decimal_size(limit)}",
                  "end" if at_end else "start", "mark"),
        ]  # fmt: skip
        if measured is not None:
            title = tag("title", f"the store itself: {measured * 100:.3g} % of reads miss")
            parts.append(tag("circle", title, cx=x(limit), cy=y(measured), r=5, class_="dot"))
    return _svg(WIDTH, HEIGHT, "Miss-ratio curve", *parts)


def histogram(
    name: str, buckets: Sequence[tuple[float, float]], bound: Callable[[float], str], *, factor: float = 2
) -> Markup | None:
    """Buckets as bounds that their values are below, and counts; each bound is ``factor`` times the one before it."""
    buckets = [(below, count) for below, count in buckets if count > 0 and 0 < below < math.inf]
    if not buckets:
        return None
    first = min(below for below, _ in buckets)
    places = [round(math.log(below / first, factor)) for below, _ in buckets]
    bounds = [first * factor**i for i in range(max(places) + 1)]
    bars = [0.0] * len(bounds)
    for place, (_, count) in zip(places, buckets):
        bars[place] += count
    every = math.ceil(len(bars) / LABELS_MOST)
    left, right = 28, 28
    step = min((BARS_WIDTH - left - right) / len(bars), 60)
    floor = BARS_HEIGHT - BARS_BOTTOM
    whole = sum(bars)
    parts = [_line(left, floor, BARS_WIDTH - right, floor, "edge")]
    for i, (end, count) in enumerate(zip(bounds, bars)):
        height = (floor - BARS_TOP) * share(count, max(bars))
        title = tag("title", f"{bound(end / factor)} to {bound(end)}: {count / whole * 100:.3g} %")
        x = left + i * step
        parts.append(tag("rect", title, x=x + 1, y=floor - height, width=max(step - 2, 1), height=height, class_="bar"))
        if count == max(bars):
            parts.append(_text(max(x + step / 2, 20), floor - height - 4, f"{count / whole * 100:.3g} %"))
        if i % every == 0 or i + 1 == len(bars) and i % every > every / 2:
            parts += [_line(x + step, floor, x + step, floor + 4, "edge"), _text(x + step, floor + 17, f"{bound(end)}")]
    parts.append(_text(BARS_WIDTH / 2, BARS_HEIGHT - 5, name, class_="axis name"))
    return _svg(BARS_WIDTH, BARS_HEIGHT, name, *parts)


def stacked(parts: Sequence[tuple[str, float]], whole: float) -> Markup:
    """A bar of parts of a whole, each of the class ``part-NAME``."""
    x, drawn = 0.0, []
    for name, value in parts:
        width = WIDTH * share(value, whole)
        title = tag("title", f"{name}: {decimal_size(value)}")
        drawn.append(tag("rect", title, x=x, y=0, width=width, height=24, class_=f"part-{name}"))
        x += width
    return _svg(WIDTH, 24, "Memory by kind", tag("rect", x=0, y=0, width=WIDTH, height=24, class_="rest"), *drawn)
