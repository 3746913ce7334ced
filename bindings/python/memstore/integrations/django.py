# SPDX-License-Identifier: Apache-2.0
"""A cache backend for Django::

    CACHES = {
        "default": {
            "BACKEND": "memstore.integrations.django.MemstoreCache",
            "LOCATION": "pages",                       # caches of one LOCATION share a store
            "TIMEOUT": 300,
            "OPTIONS": {"memory_limit": "256MB"},      # settings of the store
        }
    }

The store lives in the process, as with Django's local-memory cache, but is bounded in bytes (so that MAX_ENTRIES and
CULL_FREQUENCY mean nothing), keeps what is used most, and gives the memory of what has expired back. ``incr`` is atomic,
``get_many`` and ``set_many`` are batches, and ``get_or_set`` with a callable calls it once for a key,
however many threads ask. The asynchronous methods work in place: none of them waits for anything.

A value that the store has no room for is not cached, and no older value of the key is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from ..errors import NO_ROOM, KeyNotFound, LoaderFailed
from ..store import Store
from ._shared import count, decode, delete_many, encode, keep, named_store


class MemstoreCache(BaseCache):
    """See the module."""

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {k: v for k, v in params.get("OPTIONS", {}).items() if k not in ("MAX_ENTRIES", "CULL_FREQUENCY")}
        self._name = f"django:{name}"
        self._settings = options
        self._opened = named_store(self._name, self._settings)

    @property
    def store(self) -> Store:
        """The store underneath: statistics, metrics, events."""
        if self._opened.closed:
            self._opened = named_store(self._name, self._settings)
        return self._opened

    def _key(self, key: Any, version: Optional[int]) -> str:
        name: str = self.make_and_validate_key(key, version=version)
        return name

    def _ttl(self, timeout: Any) -> Optional[float]:
        """Seconds; None for never; 0 for what is over already."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return None if timeout is None else max(0.0, float(timeout))

    # ---- One key

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None) -> bool:
        name, data, ttl = self._key(key, version), encode(value), self._ttl(timeout)
        if ttl == 0:
            return name not in self.store
        try:
            return self.store.add(name, data, ttl)
        except NO_ROOM:
            return False

    def get(self, key: Any, default: Any = None, version: Optional[int] = None) -> Any:
        data = self.store.get(self._key(key, version))
        return default if data is None else decode(data)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None) -> None:
        name, data, ttl = self._key(key, version), encode(value), self._ttl(timeout)
        if ttl == 0:
            self.store.delete(name)
        else:
            keep(self.store, name, lambda: self.store.set(name, data, ttl))

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None) -> bool:
        name, ttl = self._key(key, version), self._ttl(timeout)
        if ttl == 0:
            return self.store.delete(name)
        try:
            self.store.expire(name, ttl)
        except KeyNotFound:
            return False
        return True

    def delete(self, key: Any, version: Optional[int] = None) -> bool:
        return self.store.delete(self._key(key, version))

    def has_key(self, key: Any, version: Optional[int] = None) -> bool:
        return self._key(key, version) in self.store

    def incr(self, key: Any, delta: Any = 1, version: Optional[int] = None) -> Any:
        value = count(self.store, self._key(key, version), delta)
        if value is None:
            raise ValueError(f"Key {key!r} not found")
        return value

    def get_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None
    ) -> Any:
        ttl = self._ttl(timeout)
        if not callable(default) or ttl == 0:
            return super().get_or_set(key, default, timeout=timeout, version=version)
        name = self._key(key, version)
        loaded: list[bytes] = []
        raised: Optional[Exception] = None

        def load(_: object) -> bytes:
            nonlocal raised
            try:
                loaded.append(encode(default()))
            except Exception as error:
                raised = error
                raise
            return loaded[-1]

        try:
            data = self.store.get_or_load(name, load, ttl)
        except LoaderFailed as failure:
            if failure is raised:
                raise
            # Another thread's call of its default failed, or a default asks for its own key.
            return super().get_or_set(key, default, timeout=timeout, version=version)
        except NO_ROOM as failure:
            if failure is raised:
                raise
            # Not for the value, or, as where loads are bounded, not for a load.
            if loaded:
                return decode(loaded[-1])
            return super().get_or_set(key, default, timeout=timeout, version=version)
        assert data is not None
        return decode(data)

    # ---- Many keys

    def get_many(self, keys: Iterable[Any], version: Optional[int] = None) -> dict[Any, Any]:
        names = {self._key(key, version): key for key in keys}
        return {names[name]: decode(data) for name, data in self.store.get_many(names).items()}

    def set_many(self, data: dict[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None) -> list[Any]:
        entries = {self._key(key, version): encode(value) for key, value in data.items()}
        ttl = self._ttl(timeout)
        if ttl == 0:
            delete_many(self.store, entries)
            return []
        try:
            self.store.set_many(entries, ttl)
            return []
        except NO_ROOM:
            written = [keep(self.store, name, lambda n=name, v=value: self.store.set(n, v, ttl))  # type: ignore[misc]
                       for name, value in entries.items()]  # fmt: skip
            return [key for key, done in zip(data, written) if not done]

    def delete_many(self, keys: Iterable[Any], version: Optional[int] = None) -> None:
        delete_many(self.store, [self._key(key, version) for key in keys])

    def clear(self) -> None:
        self.store.clear()

    # ---- The same for asynchronous code: nothing of it waits, so that no thread is needed

    async def aadd(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None) -> bool:
        return self.add(key, value, timeout, version)

    async def aget(self, key: Any, default: Any = None, version: Optional[int] = None) -> Any:
        return self.get(key, default, version)

    async def aset(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None) -> None:
        self.set(key, value, timeout, version)

    async def atouch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None) -> bool:
        return self.touch(key, timeout, version)

    async def adelete(self, key: Any, version: Optional[int] = None) -> bool:
        return self.delete(key, version)

    async def ahas_key(self, key: Any, version: Optional[int] = None) -> bool:
        return self.has_key(key, version)

    async def aincr(self, key: Any, delta: Any = 1, version: Optional[int] = None) -> Any:
        return self.incr(key, delta, version)

    async def aget_many(self, keys: Iterable[Any], version: Optional[int] = None) -> dict[Any, Any]:
        return self.get_many(keys, version)

    async def aset_many(
        self, data: dict[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None
    ) -> list[Any]:
        return self.set_many(data, timeout, version)

    async def adelete_many(self, keys: Iterable[Any], version: Optional[int] = None) -> None:
        self.delete_many(keys, version)

    async def aclear(self) -> None:
        self.clear()
