# SPDX-License-Identifier: Apache-2.0
"""The metrics of stores for ``prometheus_client``, which this module alone needs.

>>> import prometheus_client
>>> from memstore import Store
>>> from memstore.prometheus import Collector
>>> registry = prometheus_client.CollectorRegistry()
>>> with Store() as store:
...     registry.register(Collector(store, {"store": "blocks"}))
...     store["k"] = b"v"
...     registry.get_sample_value("memstore_sets_total", {"store": "blocks"}) == 1
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from .store import Store


class Collector:
    """Collects the metrics of a store, all that its ``metrics_text()`` has; a store that is closed has none.

    ``labels`` are added to each metric: they tell the stores of a program apart.
    """

    def __init__(self, store: Store, labels: Optional[Mapping[str, str]] = None) -> None:
        self._store = store
        self._labels = dict(labels or {})

    def describe(self) -> list[Metric]:
        """Nothing: which metrics there are depends on the store's settings, which may change."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        if self._store.closed:
            return
        families = text_string_to_metric_families(self._store.metrics_text())  # type: ignore[no-untyped-call,unused-ignore]
        for family in families:
            family.samples = [sample._replace(labels=self._labels | sample.labels) for sample in family.samples]
            yield family
