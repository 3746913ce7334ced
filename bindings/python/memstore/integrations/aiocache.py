# SPDX-License-Identifier: Apache-2.0
"""A cache for aiocache::

    cache = MemstoreCache(memory_limit="256MB", namespace="site:")

    @aiocache.cached(cache=MemstoreCache, memory_limit="256MB", ttl=60)
    async def load(n): ...

    aiocache.caches.set_config({
        "default": {"cache": "memstore.integrations.aiocache.MemstoreCache", "memory_limit": "256MB"},
    })

Keywords that aiocache does not know are settings of the store; ``store`` gives one that is open, and stays so when the cache
is closed. By default integers are kept as numbers, which ``increment()`` counts with, and other values are pickled. A
serializer has to give bytes or text, or integers. None of the methods waits for anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from aiocache.base import BaseCache
from aiocache.serializers import BaseSerializer

from .._patterns import starting_with
from ..errors import NO_ROOM, KeyNotFound, NotANumber
from ..store import Store
from ._shared import Opened, decode, encode, keep

#: What aiocache's own caches take.
_OPTIONS = ("serializer", "plugins", "namespace", "key_builder", "timeout", "ttl")


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    return b"%d" % value if type(value) is int else value


class MemstoreSerializer(BaseSerializer):
    """What is to be counted is a number in the store, all else a pickle."""

    DEFAULT_ENCODING = None

    def dumps(self, value: Any) -> Any:
        return encode(value)

    def loads(self, value: Optional[bytes]) -> Any:
        return None if value is None else decode(value)


class MemstoreCache(BaseCache):
    """See the module."""

    NAME = "memstore"

    def __init__(self, serializer: Any = None, store: Optional[Store] = None, **options: Any) -> None:
        settings = {name: options.pop(name) for name in list(options) if name not in _OPTIONS}
        super().__init__(serializer=serializer or MemstoreSerializer(), **options)
        self._opened = Opened(store, settings)

    @property
    def store(self) -> Store:
        """The store underneath: statistics, metrics, events."""
        return self._opened.store

    def _text(self, data: Optional[bytes], encoding: Optional[str]) -> Any:
        return data if data is None or encoding is None else data.decode(encoding)

    async def _get(self, key: str, encoding: Optional[str] = "utf-8", _conn: Any = None) -> Any:
        return self._text(self.store.get(key), encoding)

    async def _gets(self, key: str, encoding: str = "utf-8", _conn: Any = None) -> Any:
        """The token for set(_cas_token=): the version; None, with which a set is not conditional, where nothing is."""
        return self.store.get_versioned(key)[1] or None

    async def _multi_get(self, keys: Iterable[str], encoding: Optional[str] = "utf-8", _conn: Any = None) -> list[Any]:
        keys = list(keys)
        found = self.store.get_many(keys)
        return [self._text(found.get(key), encoding) for key in keys]

    async def _set(self, key: str, value: Any, ttl: Any = None, _cas_token: Any = None, _conn: Any = None) -> Any:
        data = _bytes(value)
        if _cas_token is not None:
            return int(self.store.compare_and_set(key, data, _cas_token, ttl or None))
        return keep(self.store, key, lambda: self.store.set(key, data, ttl or None))

    async def _multi_set(self, pairs: Iterable[tuple[str, Any]], ttl: Any = None, _conn: Any = None) -> bool:
        entries = {key: _bytes(value) for key, value in pairs}
        try:
            self.store.set_many(entries, ttl or None)
        except NO_ROOM:
            for key, value in entries.items():
                await self._set(key, value, ttl)
        return True

    async def _add(self, key: str, value: Any, ttl: Any = None, _conn: Any = None) -> bool:
        if not self.store.add(key, _bytes(value), ttl or None):
            raise ValueError(f"Key {key} already exists, use .set to update the value")
        return True

    async def _exists(self, key: str, _conn: Any = None) -> bool:
        return key in self.store

    async def _increment(self, key: str, delta: int, _conn: Any = None) -> int:
        try:
            return self.store.incr(key, delta, ttl=None)
        except NotANumber:
            raise TypeError("Value is not an integer") from None

    async def _expire(self, key: str, ttl: Any, _conn: Any = None) -> bool:
        try:
            self.store.expire(key, ttl or None)
        except KeyNotFound:
            return False
        return True

    async def _delete(self, key: str, _conn: Any = None) -> int:
        return int(self.store.delete(key))

    async def _clear(self, namespace: Optional[str] = None, _conn: Any = None) -> bool:
        if namespace:
            self.store.delete_pattern(starting_with(namespace.encode()))
        else:
            self.store.clear()
        return True

    async def _raw(self, command: str, *args: Any, encoding: str = "utf-8", _conn: Any = None, **kwargs: Any) -> Any:
        """A method of the store."""
        return getattr(self.store, command)(*args, **kwargs)

    async def _redlock_release(self, key: str, value: Any) -> int:
        token = _bytes(value)
        while True:
            data, version = self.store.get_versioned(key)
            if data != token:
                return 0
            if self.store.compare_and_delete(key, version):
                return 1

    async def _close(self, *args: Any, _conn: Any = None, **kwargs: Any) -> None:
        self._opened.close()
