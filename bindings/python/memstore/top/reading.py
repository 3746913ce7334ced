# SPDX-License-Identifier: Apache-2.0
"""The metrics of one store at one time, and what two of them tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from ..page.samples import OWN_LABELS, Key, keep


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a store told at one time."""

    time: float
    values: Mapping[Key, float]

    def value(self, name: str, **labels: str) -> float | None:
        """A sample's value, or None where there is no such sample."""
        return self.values.get((f"memstore_{name}", frozenset(labels.items())))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Samples that differ in one label: its value and theirs, in the order of the text."""
        found = {}
        for (full, labels), value in self.values.items():
            if full == f"memstore_{name}" and len(labels) == 1:
                ((key, text),) = labels
                if key == label:
                    found[text] = value
        return found

    def total(self, name: str) -> float:
        """The sum of a counter over its labels."""
        return sum(value for (full, _), value in self.values.items() if full == f"memstore_{name}_total")


def _families(text: str) -> Iterable[Metric]:
    # Servers that do not know OpenMetrics answer in the older form.
    try:
        if text.rstrip().endswith("# EOF"):
            return list(parse_openmetrics(text))  # type: ignore[no-untyped-call,unused-ignore]
        return list(parse_plain(text))
    except ValueError as failure:
        # It repeats what it has read, which may be anything, on a terminal.
        raise ValueError(f"this is no text of metrics: {ascii(str(failure)):.200}") from failure


def parse(time: float, text: str) -> dict[str, Reading]:
    """The stores in a text, by the labels that tell them apart (``""`` for one without). ValueError when it is none."""
    stores: dict[str, dict[Key, float]] = {}
    for family in _families(text):
        for sample in family.samples:
            if not sample.name.startswith("memstore_"):
                continue
            names = [f"{key}={value}" for key, value in sorted(sample.labels.items()) if key not in OWN_LABELS]
            own = frozenset((key, value) for key, value in sample.labels.items() if key in OWN_LABELS)
            keep(stores.setdefault(", ".join(names), {}), (sample.name, own), sample.value)
    if not stores:
        raise ValueError("there are no metrics of a store in it")
    return {name: Reading(time, values) for name, values in stores.items()}


@dataclasses.dataclass(frozen=True)
class Change:
    """What happened between two readings, or since the store was opened where there is only one."""

    before: Reading | None
    now: Reading

    @property
    def seconds(self) -> float | None:
        """The time between them; None where it is not known, as when the clock was set back."""
        return None if self.before is None or self.now.time <= self.before.time else self.now.time - self.before.time

    def count(self, name: str) -> float:
        """How much a counter has grown. One that was reset has begun at 0."""
        then = self.before.total(name) if self.before is not None else 0.0
        now = self.now.total(name)
        return now - then if now >= then else now

    def rate(self, name: str) -> float | None:
        """The same a second."""
        return self.count(name) / self.seconds if self.seconds is not None else None

    def hit_ratio(self) -> float | None:
        """Hits of all reads; None without reads."""
        hits, misses = self.count("hits"), self.count("misses")
        return hits / (hits + misses) if hits + misses else None
