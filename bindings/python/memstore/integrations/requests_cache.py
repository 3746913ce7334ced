# SPDX-License-Identifier: Apache-2.0
"""A backend for requests-cache::

    session = requests_cache.CachedSession(backend=MemstoreCache(memory_limit="256MB"), expire_after=3600)

The keywords are the settings of the store; ``store`` gives one that is open, and stays so when the session is closed.
``serializer`` is requests-cache's, pickle by default. With ``ttl=True``, the default, a response that expires is dropped by
the store ``ttl_offset`` seconds later: the offset is for how long a stale response may still be revalidated or served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional

from requests_cache.backends.base import BaseCache, BaseStorage
from requests_cache.serializers import pickle_serializer, utf8_encoder

from .._patterns import starting_with
from ..errors import InvalidTTL
from ..store import Store
from ._shared import Opened, delete_many, keep, seconds_of


class MemstoreStorage(BaseStorage[str, Any]):
    """The entries of a store whose keys begin alike."""

    def __init__(
        self, opened: Opened, start: str, serializer: Any, ttl_offset: Optional[float] = None, **kwargs: Any
    ) -> None:
        super().__init__(serializer=serializer, **kwargs)
        self._opened = opened
        self._start = start
        self._ttl_offset = ttl_offset

    @property
    def store(self) -> Store:
        return self._opened.store

    def _ttl(self, item: Any) -> Optional[float]:
        """Seconds; None for never; 0 for what is over already."""
        remaining: Optional[float] = getattr(item, "expires_delta", None)
        if self._ttl_offset is None or remaining is None:
            return None
        return max(0.0, remaining + self._ttl_offset)

    def __getitem__(self, key: str) -> Any:
        data = self.store.get(self._start + key)
        if data is None:
            raise KeyError(key)
        return self.deserialize(key, data)

    def __setitem__(self, key: str, item: Any) -> None:
        data, ttl = self.serialize(item), self._ttl(item)
        if ttl == 0:
            self.store.delete(self._start + key)
            return
        if isinstance(data, str):
            data = data.encode()
        keep(self.store, self._start + key, lambda: self._set(self._start + key, data, ttl))

    def _set(self, name: str, data: bytes, ttl: Optional[float]) -> None:
        """Servers name times as they like: one above ``ttl.max_ttl`` is that, and what may stay for less than
        ``ttl.min_ttl`` is not kept."""
        try:
            self.store.set(name, data, ttl)
        except InvalidTTL:
            if ttl is None or ttl < seconds_of(self.store, "ttl.min_ttl"):
                self.store.delete(name)
            else:
                self.store.set(name, data, None)

    def __delitem__(self, key: str) -> None:
        if not self.store.delete(self._start + key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._start + key in self.store

    def __iter__(self) -> Iterator[str]:
        start = self._start.encode()
        return (key[len(start) :].decode() for key in self.store.keys(starting_with(start)))

    def __len__(self) -> int:
        return self.store.count(starting_with(self._start.encode()))

    def bulk_delete(self, keys: Iterable[str]) -> None:
        delete_many(self.store, (self._start + key for key in keys))

    def clear(self) -> None:
        self.store.delete_pattern(starting_with(self._start.encode()))

    def close(self) -> None:
        self._opened.close()


class MemstoreCache(BaseCache):
    """See the module."""

    def __init__(
        self,
        cache_name: str = "http_cache",
        store: Optional[Store] = None,
        serializer: Any = None,
        ttl: bool = True,
        ttl_offset: float = 3600,
        decode_content: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(cache_name=cache_name)
        self._opened = Opened(store, settings)
        self.responses = MemstoreStorage(
            self._opened,
            f"{cache_name}/response/",
            serializer if serializer is not None else pickle_serializer,
            ttl_offset if ttl else None,
            decode_content=decode_content,
        )
        self.redirects = MemstoreStorage(self._opened, f"{cache_name}/redirect/", utf8_encoder)

    @property
    def store(self) -> Store:
        """The store underneath: statistics, metrics, events."""
        return self._opened.store
