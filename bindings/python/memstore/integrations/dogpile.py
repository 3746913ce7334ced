# SPDX-License-Identifier: Apache-2.0
"""A backend for dogpile.cache::

    import memstore.integrations.dogpile  # registers it

    region = dogpile.cache.make_region().configure(
        "memstore",
        expiration_time=3600,
        arguments={"memory_limit": "256MB", "memory_expiration_time": 7200},
    )

It keeps bytes, which the region makes of its values. The arguments are the settings of the store; or ``store``, a store
that is open; and ``memory_expiration_time``, the seconds after which the store drops a value and gives its memory back:
longer than the region's ``expiration_time``, which it knows nothing of. Arguments that are neither are warned of. Several keys at
once are batches, but for deletions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

from dogpile.cache import register_backend
from dogpile.cache.api import NO_VALUE, BytesBackend

from .._types import TTL
from ..errors import NO_ROOM
from ..settings import is_section, is_setting
from ..store import Store
from ._shared import Opened, delete_many, keep


class MemstoreBackend(BytesBackend):
    """See the module."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        given = arguments.get("store")
        self._ttl: TTL = arguments.get("memory_expiration_time", ...)
        settings = {
            name: value
            for name, value in arguments.items()
            if is_setting(name) or (isinstance(value, Mapping) and is_section(name))
        }
        for name in arguments.keys() - settings.keys() - {"store", "memory_expiration_time"}:
            warnings.warn(f"{name!r} is no setting of a store", stacklevel=2)
        #: The store underneath: statistics, metrics, events.
        self.store: Store = Opened(given, settings).store

    def get_serialized(self, key: str) -> Union[bytes, Any]:
        return self.store.get(key, NO_VALUE)

    def get_serialized_multi(self, keys: Iterable[str]) -> Sequence[Union[bytes, Any]]:
        keys = list(keys)
        found = self.store.get_many(keys)
        return [found.get(key, NO_VALUE) for key in keys]

    def set_serialized(self, key: str, value: bytes) -> None:
        keep(self.store, key, lambda: self.store.set(key, value, self._ttl))

    def set_serialized_multi(self, mapping: Mapping[str, bytes]) -> None:
        try:
            self.store.set_many(mapping, self._ttl)
        except NO_ROOM:
            for key, value in mapping.items():
                self.set_serialized(key, value)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def delete_multi(self, keys: Iterable[str]) -> None:
        delete_many(self.store, keys)


register_backend("memstore", __name__, "MemstoreBackend")  # type: ignore[no-untyped-call]
