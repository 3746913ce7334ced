# SPDX-License-Identifier: Apache-2.0
"""A cache type for Flask-Caching::

    cache = flask_caching.Cache(app, config={
        "CACHE_TYPE": "memstore.integrations.flask_caching.MemstoreCache",
        "CACHE_DEFAULT_TIMEOUT": 300,
        "CACHE_OPTIONS": {"memory_limit": "256MB"},    # settings of the store
    })

Each Cache has a store of its own; ``cache.cache.store`` is it. A timeout of 0 never expires, as in Flask-Caching. ``inc``
and ``dec`` are atomic, several keys at once are batches, but for deletions. A value that the store has no room for is not cached.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Optional

from flask_caching.backends.base import BaseCache

from ..errors import NO_ROOM
from ..store import Store
from ._shared import count, decode, delete_many, encode, keep


class MemstoreCache(BaseCache):
    """See the module."""

    def __init__(
        self, default_timeout: Any = 300, ignore_delete_many_errors: bool = False, **settings: Any
    ) -> None:
        super().__init__(default_timeout=default_timeout, ignore_delete_many_errors=ignore_delete_many_errors)
        #: The store underneath: statistics, metrics, events.
        self.store: Store = Store(settings)

    @classmethod
    def factory(cls, app: Any, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> MemstoreCache:
        return cls(*args, **kwargs)

    def _ttl(self, timeout: Any) -> Optional[float]:
        """Seconds; None for never, which 0 says here. A negative one is as good as over, and is 0."""
        if timeout is None:
            timeout = self.default_timeout
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
        return None if seconds == 0 else max(0.0, seconds)

    def get(self, key: str) -> Any:
        data = self.store.get(key)
        return None if data is None else decode(data)

    def has(self, key: str) -> bool:
        return key in self.store

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        data, ttl = encode(value), self._ttl(timeout)
        if ttl == 0:
            self.store.delete(key)
            return True
        return keep(self.store, key, lambda: self.store.set(key, data, ttl))

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        data, ttl = encode(value), self._ttl(timeout)
        if ttl == 0:
            return key not in self.store
        try:
            return self.store.add(key, data, ttl)
        except NO_ROOM:
            return False

    def delete(self, key: str) -> bool:
        return self.store.delete(key)

    def clear(self) -> bool:
        self.store.clear()
        return True

    def inc(self, key: str, delta: int = 1) -> Any:
        """Add to a counter; one that is not there starts at 0, with the default timeout."""
        value = count(self.store, key, delta)
        if value is not None:
            return value
        if self.add(key, delta):
            return delta
        return count(self.store, key, delta)

    def dec(self, key: str, delta: int = 1) -> Any:
        return self.inc(key, -delta)

    # ---- Many keys

    def get_many(self, *keys: str) -> list[Any]:
        found = self.store.get_many(keys)
        return [decode(found[key]) if key in found else None for key in keys]

    def set_many(self, mapping: dict[str, Any], timeout: Any = None) -> list[Any]:
        entries, ttl = {key: encode(value) for key, value in mapping.items()}, self._ttl(timeout)
        try:
            if ttl != 0:
                self.store.set_many(entries, ttl)
                return list(mapping)
        except NO_ROOM:
            pass
        return [key for key, value in mapping.items() if self.set(key, value, timeout)]

    def delete_many(self, *keys: str) -> list[Any]:
        delete_many(self.store, keys)
        return list(keys)
