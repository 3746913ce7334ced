# SPDX-License-Identifier: Apache-2.0
"""The metrics of stores for ``prometheus_client``, which this module alone needs.

>>> import prometheus_client
>>> from memstore import Store
>>> from memstore.prometheus import Collector
>>> registry = prometheus_client.CollectorRegistry()
>>> with Store() as blocks, Store() as states:
...     registry.register(Collector({"blocks": blocks, "states": states}))
...     blocks["k"] = b"v"
...     [registry.get_sample_value("memstore_sets_total", {"store": name}) for name in ("blocks", "states")]
[1, 0]
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Optional, Union

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ._fork import after_fork
from .errors import CacheClosed
from .page.samples import OWN_LABELS
from .store import Store

_Labels = tuple[tuple[str, str], ...]
_NAME = re.compile("(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


def _checked(labels: Mapping[str, Any]) -> dict[str, str]:
    """Labels as texts. What a scrape, and with it those of all other metrics, would fail of is refused now."""
    for name in labels:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in OWN_LABELS:
            raise ValueError(f"{name!r} is no name for a label of a store, or a metric's own")
    texts = {name: str(value) for name, value in labels.items()}
    for text in texts.values():
        text.encode()  # UnicodeEncodeError is a ValueError
    return texts


class Collector:
    """Collects the metrics of stores, all that their ``metrics_text()`` has; a store that is closed has none.

    ``stores`` is a store, or stores by their names, which become the label ``store``. ``labels`` are added to each metric.
    A registry takes one Collector: what is told of a metric, its type and its help, is told once for all stores. Raises
    ValueError for labels that no metric can have.
    """

    def __init__(
        self, stores: Union[Store, Mapping[str, Store], None] = None, labels: Optional[Mapping[str, Any]] = None
    ) -> None:
        self._labels = _checked(labels or {})
        self._stores: dict[_Labels, Store] = {}
        self._after_fork()
        after_fork(self)
        if isinstance(stores, Store):
            self.add(stores)
        elif stores is not None:
            for name, store in stores.items():
                self.add(store, {"store": name})

    def _after_fork(self) -> None:
        self._lock = threading.Lock()

    def add(self, store: Store, labels: Optional[Mapping[str, Any]] = None) -> None:
        """Collect the metrics of another store, too, with these labels over the Collector's own. Raises ValueError if an
        open store has them, or no metric can."""
        key = tuple(sorted({**self._labels, **_checked(labels or {})}.items()))
        with self._lock:
            if key in self._stores and not self._stores[key].closed:
                raise ValueError(f"another store is collected with the labels {dict(key)}")
            self._stores[key] = store

    def remove(self, store: Store) -> None:
        """Collect the metrics of a store no more. Of one that is not collected this does nothing."""
        with self._lock:
            self._stores = {key: each for key, each in self._stores.items() if each is not store}

    def describe(self) -> list[Metric]:
        """One metric, so that a registry refuses a second Collector. Which others there are depends on settings."""
        return [Metric("memstore_build", "The library.", "info")]

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        with self._lock:
            stores = list(self._stores.items())
        merged: dict[str, Metric] = {}
        for labels, store in stores:
            for family in _families(store):
                samples = [sample._replace(labels=dict(labels) | sample.labels) for sample in family.samples]
                family.samples = []
                merged.setdefault(family.name, family).samples += samples
        yield from merged.values()


def _families(store: Store) -> list[Metric]:
    try:
        text = store.metrics_text()
    except CacheClosed:
        return []
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call,unused-ignore]
