# SPDX-License-Identifier: Apache-2.0
"""What several integrations need: stores by name, writes that a cache may lose, deletions of many, stores of near caches."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional, ParamSpec, TypeVar, Union

from .._types import TTL, Key
from ..errors import NO_ROOM, CacheClosed, GCPressure, InvalidTTL, KeyNotFound, LockTimeout, NotANumber
from ..store import Store

P = ParamSpec("P")
R = TypeVar("R")

_stores: dict[str, tuple[Store, dict[str, Any]]] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def named_store(name: str, settings: Mapping[str, Any]) -> Store:
    """The store of a name, for all in this process who ask for it; opened by the first, with its settings.

    A store that was closed is opened anew. Raises ValueError when it is open with other settings.
    """
    given = dict(settings)
    with _lock:
        store, opened_with = _stores.get(name, (None, given))
        if store is not None and not store.closed:
            if opened_with != given:
                raise ValueError(
                    f"the store {name!r} is open already with other settings: {opened_with!r}, not {given!r}; "
                    "one with settings of its own needs a name of its own (in Django LOCATION)"
                )
            return store
        store = Store(given)
        _stores[name] = store, given
        return store


def refuse_beside(store: Optional[Store], settings: Mapping[str, Any]) -> None:
    if store is not None and settings:
        raise ValueError(f"beside a store that is open there are no settings: {', '.join(settings)}")


class Opened:
    """The store of one cache: one that was given, which stays open for the others who have it; or its own, which is opened
    anew when it is used after it was closed."""

    def __init__(self, given: Optional[Store], settings: Mapping[str, Any]) -> None:
        refuse_beside(given, settings)
        self._given = given
        self._settings = settings
        self._own = Store(settings) if given is None else None

    @property
    def store(self) -> Store:
        if self._given is not None:
            return self._given
        if self._own is None or self._own.closed:
            with _lock:
                if self._own is None or self._own.closed:
                    self._own = Store(self._settings)
        return self._own

    def close(self) -> None:
        if self._own is not None:
            self._own.close()


def keep(store: Store, key: Key, write: Callable[[], Any]) -> bool:
    """Write the value of a key. If the store has no room for it, no older value stays, either. Returns whether it was
    written."""
    try:
        write()
        return True
    except NO_ROOM:
        store.delete(key)
        return False


#: Keys of a batch, whose deletion takes memory until it is committed: so few find it in a full store.
_KEYS_AT_ONCE = 128


def delete_many(store: Store, keys: Iterable[Key]) -> None:
    """Delete any number of keys, not at one instant: one batch of them is refused by a full store that does not evict,
    and one that does evicts others for it."""
    if isinstance(keys, (str, bytes)):
        raise TypeError(f"keys are several, not {keys!r}")
    names = list(keys)  # which may come from a look at the store
    for first in range(0, len(names), _KEYS_AT_ONCE):
        group = names[first : first + _KEYS_AT_ONCE]
        try:
            store.delete_many(group)
        except NO_ROOM:
            for key in group:
                store.delete(key)


# ---- Near caches


def surely(store: Store, remove: Callable[[], R]) -> R:
    """Remove what has changed, however long others hold it up. A store that cannot do it is closed: what is cached of a
    key must not outlive its change, which is told once."""
    while True:
        try:
            return remove()
        except (LockTimeout, GCPressure):
            time.sleep(0.001)  # performance.lock_timeout may be none
        except CacheClosed:
            raise
        except BaseException:
            store.close()
            raise


def part(argument: Any) -> Union[str, bytes]:
    """An argument as it goes over the wire, where 1 and 1.0 are two."""
    if isinstance(argument, str):
        return argument
    return bytes(argument) if isinstance(argument, (bytes, bytearray, memoryview)) else repr(argument)


def open_near(store: Optional[Store], settings: Mapping[str, Any], ttl: TTL) -> Store:
    """The store of a near cache: the one given, or a new one. What cannot be is refused now, and not at each answer."""
    refuse_beside(store, settings)
    if store is not None and not isinstance(store, Store):
        raise TypeError(f"store is a memstore.Store, not {store!r}")
    opened = store if store is not None else Store(settings)
    try:
        with contextlib.suppress(KeyNotFound):
            opened.expire("t", ttl)
    except BaseException:
        if store is None:
            opened.close()
        raise
    return opened


def unless_closed(otherwise: Callable[[], Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For methods of near caches: one whose store is closed is an empty one, so that the client goes on without it."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except CacheClosed:
                empty: R = otherwise()
                return empty

        return call

    return decorate


def nothing() -> None:
    """What there is in a store that is closed."""


# ---- Settings


#: Seconds.
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PRECISIONS = {"millisecond": 0.0, "second": 1.0, "minute": 60.0}


def seconds_of(store: Store, setting: str) -> float:
    """A setting that is a duration; 0 where it is unset."""
    number, unit = re.fullmatch(r"(\d+)([a-z]*)", store.setting(setting)).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS.get(unit, 0)


# ---- Values, of which integers can be counted with


def encode(value: Any) -> bytes:
    """Integers as decimal text, which the store can count with; others pickled, which never looks like a number."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return b"%d" % value
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def decode(data: bytes) -> Any:
    """The value that was encoded."""
    return pickle.loads(data) if data.startswith(b"\x80") else int(data)


def count(store: Store, key: Key, delta: Any) -> Any:
    """Add to a value that is there, atomically. None if it is not there.

    Its expiry stays, but that of one that is no integer of 64 bits is shortened anew where there is ``ttl.jitter``.
    """
    if type(delta) is int and delta and -(2**63) <= delta < 2**63:
        try:
            # One that is absent, or has just run out, would begin where the sum is above 64 bits: it is not begun.
            return store.incr(key, delta, 2**63 - 1 if delta > 0 else -(2**63))
        except NotANumber:
            pass  # it is not there, or a float, or the sum is above 64 bits
    while True:
        data, version = store.get_versioned(key)
        if data is None:
            return None
        value = decode(data) + delta
        if encode(value) == data:
            return value
        try:
            if _set_until_the_same(store, key, encode(value), version):
                return value
        except KeyNotFound:
            return None


def _set_until_the_same(store: Store, key: Key, data: bytes, version: int) -> bool:
    """Store a value if the entry has the version. It expires when the entry would have."""
    ttl = store.ttl(key)
    if ttl is not None:
        # Expiries are whole ones of a precision, which what is a little less is rounded up to, and what is more not.
        ttl -= min(ttl, _PRECISIONS[store.setting("ttl.ttl_precision")]) / 2
    try:
        return store.compare_and_set(key, data, version, ttl)
    except InvalidTTL:
        # Less is left than may be given anew, or more since the bounds were changed: None is as long as may be.
        least = seconds_of(store, "ttl.min_ttl")
        return store.compare_and_set(key, data, version, least if ttl is not None and ttl <= least else None)


def close_named(name: Optional[str] = None) -> None:
    """Close the store of a name, or all of them."""
    with _lock:
        for each in [name] if name is not None else list(_stores):
            store, _ = _stores.pop(each, (None, None))
            if store is not None:
                store.close()

