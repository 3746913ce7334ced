# SPDX-License-Identifier: Apache-2.0
"""The caches for Python that are compared, each made as its documentation says is best for what is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional


class Peer(NamedTuple):
    """A cache: how it is described, how it is opened for so many entries of so many bytes, and its calls."""

    described: str
    open: Callable[[int, int], Any]
    get: Callable[[Any], Callable[[str], Optional[bytes]]]
    set: Callable[[Any], Callable[[str, bytes], Any]]
    get_many: Optional[Callable[[Any], Callable[[Sequence[str]], Any]]] = None


def _memstore(entries: int, value_size: int) -> Any:
    import memstore

    return memstore.Store(memory_limit=entries * (value_size + 20 + 32) + (8 << 20), huge_pages="on")


def _cachebox(entries: int, value_size: int) -> Any:
    import cachebox

    return cachebox.TTLCache(entries, 3600, capacity=entries)


def _cachebox_lru(entries: int, value_size: int) -> Any:
    import cachebox

    return cachebox.LRUCache(entries, capacity=entries)


def _cachetools(entries: int, value_size: int) -> Any:
    import cachetools

    return cachetools.TTLCache(entries, ttl=3600)


def _diskcache(entries: int, value_size: int) -> Any:
    import diskcache

    return diskcache.Cache(tempfile.mkdtemp(dir="/dev/shm"), size_limit=entries * (value_size + 200))


def _lru_dict(entries: int, value_size: int) -> Any:
    import lru

    return lru.LRU(entries)


def _moka(entries: int, value_size: int) -> Any:
    import moka_py

    return moka_py.Moka(entries, ttl=3600)


def _theine(entries: int, value_size: int) -> Any:
    import theine

    return theine.Cache(entries)


def _item(cache: Any) -> Callable[[str, bytes], Any]:
    return cache.__setitem__


PEERS = {
    "memstore": Peer("Store, with `huge_pages=\"on\"`", _memstore, lambda c: c.get, lambda c: c.set, lambda c: c.get_many),
    "dict": Peer("no bound, no TTL", lambda entries, size: {}, lambda c: c.get, _item),
    "lru-dict": Peer("LRU, no TTL", _lru_dict, lambda c: c.get, _item),
    "cachebox LRU": Peer("LRUCache, no TTL", _cachebox_lru, lambda c: c.get, _item),
    "cachebox TTL": Peer("TTLCache", _cachebox, lambda c: c.get, _item),
    "moka-py": Peer("Moka", _moka, lambda c: c.get, lambda c: c.set),
    "theine": Peer("Cache", _theine, lambda c: lambda key: c.get(key)[0], lambda c: c.set),
    "cachetools": Peer("TTLCache", _cachetools, lambda c: c.get, _item),
    "diskcache": Peer("Cache on tmpfs", _diskcache, lambda c: c.get, lambda c: c.set),
}
