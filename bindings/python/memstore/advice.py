# SPDX-License-Identifier: Apache-2.0
"""How a store is used, and which settings to change for it: what ``Store.advise()`` returns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union, overload

TITLE = "How the store is used"


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice."""

    #: What it is about: "more_memory", "ttl_too_long", …; docs/advice.md has all.
    name: str
    #: "warning", "suggestion" or "info".
    severity: str
    #: A sentence for people.
    what: str
    #: The figures behind it.
    evidence: str
    #: The setting to change, "performance.memory_limit"; "" = none.
    setting: str
    #: Its value.
    current: str
    #: The value to give it.
    suggested: str
    #: What is to be expected of the change.
    expected: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the miss-ratio curve."""

    #: A memory limit.
    bytes: int
    #: About how many entries fit it.
    entries: int
    #: The share of reads that would have missed.
    miss_ratio: float


@dataclass(frozen=True, slots=True)
class HotKey:
    """A key that is read often."""

    #: The key, or the first 64 bytes of a longer one.
    key: bytes
    #: How many bytes all of it has.
    key_size: int
    #: Its share of reads, at most.
    share: float
    #: By how much that may be too large.
    error: float


@dataclass(frozen=True, slots=True)
class Report(Sequence[Advice]):
    """A list of advice, what matters most first, and the figures that it was judged by. ``str()`` is text for people."""

    advice: tuple[Advice, ...]
    #: The share of reads that would have missed with other memory limits; empty unless keys are followed.
    curve: tuple[CurvePoint, ...]
    #: The keys that are read most; empty unless keys are followed.
    hot_keys: tuple[HotKey, ...]
    #: All figures, as docs/advice.md describes them.
    figures: dict[str, Any]
    _text: Optional[str] = None

    @classmethod
    def from_json(cls, text: Union[str, bytes], *, people: Optional[str] = None) -> Report:
        """What ``to_json()`` gave, or ``memstore_advise_json()`` in C. ``people`` is what ``str()`` of it will be."""
        figures = json.loads(text)
        if not isinstance(figures, dict) or "advice" not in figures:
            raise ValueError("this is no report of memstore's")
        fields = Advice.__dataclass_fields__
        return cls(
            tuple(Advice(**{name: item[name] for name in fields}) for item in figures["advice"]),
            tuple(CurvePoint(**point) for point in figures["curve"]),
            tuple(HotKey(**{**key, "key": key["key"].encode("latin-1")}) for key in figures["hot_keys"]),
            figures,
            people,
        )

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(self.figures)

    def to_html(self, *, title: str = TITLE, metrics: Optional[str] = None, store: str = "") -> str:
        """All of it as a page of HTML that needs no other file.

        ``metrics``, what ``Store.metrics_text()`` or a file of ``monitoring.export_metrics`` has, add memory by kind and latencies;
        ``store`` is a part of the labels of the store that is meant, when several are in it. ValueError when there is none.
        """
        from .page import render
        from .page.samples import parse

        return render(self, title, None if metrics is None else parse(metrics, store))

    @overload
    def __getitem__(self, index: int) -> Advice: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Advice, ...]: ...
    def __getitem__(self, index: Union[int, slice]) -> Union[Advice, tuple[Advice, ...]]:
        return self.advice[index]

    def __len__(self) -> int:
        return len(self.advice)

    def __iter__(self) -> Iterator[Advice]:
        return iter(self.advice)

    def __str__(self) -> str:
        if self._text is not None:
            return self._text
        return "".join(
            f"[{advice.severity}] {advice.what}\n    because   {advice.evidence}\n"
            + (f"    set       {advice.setting}: {advice.suggested} (is {advice.current})\n" if advice.setting else "")
            + f"    expect    {advice.expected}\n"
            for advice in self.advice
        )
