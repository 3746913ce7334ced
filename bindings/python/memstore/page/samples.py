# SPDX-License-Identifier: Apache-2.0
"""The samples of a metrics text, in OpenMetrics' form or the older one, without a package for it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")
#: A sample's name and labels.
Key = tuple[str, frozenset[tuple[str, str]]]

_SAMPLE = re.compile(r'(memstore_\w+)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)(?: \S+)?$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Labels that are the library's own; the others tell stores apart.
OWN_LABELS = {"version", "kind", "reason", "operation", "q", "le", "key", "from", "status"}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


class Samples:
    """The metrics of one store."""

    def __init__(self, values: Mapping[Key, float]) -> None:
        self._values = values

    def value(self, name: str, **labels: str) -> float | None:
        """A sample's value, or None where there is no such sample."""
        return self._values.get((f"memstore_{name}", frozenset(labels.items())))

    def by(self, name: str, label: str, **others: str) -> dict[str, float]:
        """Samples that differ in one label: its value and theirs, in the order of the text."""
        found = {}
        for (full, labels), value in self._values.items():
            have = dict(labels)
            text = have.pop(label, None)
            if full == f"memstore_{name}" and text is not None and have == others:
                found[text] = value
        return found


def keep(values: dict[Key, float], key: Key, value: float) -> None:
    """Take a sample; one that is not finite tells nothing."""
    if math.isfinite(value):
        values[key] = value


def choose(stores: Mapping[str, T], wanted: str) -> tuple[str, T]:
    """The first store whose labels contain this. ValueError when there is none."""
    for labels, store in stores.items():
        if wanted in labels:
            return labels, store
    there_are = "; ".join(labels or "one without labels" for labels in stores)
    raise ValueError(f"no store's labels contain {wanted!r}; there are: {there_are}")


def parse(text: str, wanted: str = "") -> Samples:
    """The metrics of the first store whose labels contain this. ValueError when there are none."""
    stores: dict[str, dict[Key, float]] = {}
    for line in text.split("\n"):
        match = _SAMPLE.match(line)
        if match is None:
            continue
        labels = {name: _unescaped(value) for name, value in _LABEL.findall(match[2] or "")}
        store = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name not in OWN_LABELS)
        own = frozenset((name, value) for name, value in labels.items() if name in OWN_LABELS)
        keep(stores.setdefault(store, {}), (match[1], own), float(match[3]))
    if not stores:
        raise ValueError("there are no metrics of a store in it")
    return Samples(choose(stores, wanted)[1])
