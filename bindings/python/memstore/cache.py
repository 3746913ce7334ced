# SPDX-License-Identifier: Apache-2.0
"""The mapping of objects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from typing import Any, NoReturn, Optional, ParamSpec, TypeVar, Union, Unpack, overload

from ._closing import Closing
from ._settings import AllSettings
from ._types import TTL
from .codec import PICKLE, Codec, codec_of, decode_key, encode_key
from .errors import KeyNotFound
from .memoize import PAIRS, Memoized, memoized
from .settings import Settings
from .store import Store
from .tags import TagsOf, count_versions, is_version

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")
P = ParamSpec("P")
R = TypeVar("R")

#: How many values are read at one instant by who goes through all of them.
_AT_ONCE = 16
#: What pop() is not given.
_NONE: Any = object()


class _Items(ItemsView[K, V]):
    """The items there are when iteration comes to them: what has gone meanwhile is passed over."""

    __slots__ = ()
    _mapping: Cache[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._rows()


class _Values(ValuesView[V]):
    """Their values."""

    __slots__ = ()
    _mapping: Cache[Any, V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping._rows())

    def __contains__(self, value: object) -> bool:
        return any(each is value or each == value for each in self)


class Cache(MutableMapping[K, V], Closing):
    """A mapping of objects that lives in a Store: bounded in bytes, with a TTL per entry.

    >>> cache = Cache(memory_limit="16MB", default_ttl="10m")
    >>> cache["user", 7] = {"name": "Ada"}
    >>> cache["user", 7]
    {'name': 'Ada'}
    >>> cache.set("session", None, ttl=30)      # None is a value like any other
    >>> "session" in cache, cache.get("session", "absent"), cache.get("nothing", "absent")
    (True, None, 'absent')
    >>> cache.close()

    Keys are hashable objects; equal ones are one key: text, bytes, None, tuples and frozensets of keys, and numbers across
    their types as with dict. Those of other types are one key if they are pickled alike, by which two datetimes that are
    equal in different time zones are two. Values go through a codec: PICKLE by default, JSON, MSGPACK, RAW, or a ``Codec(encode, decode)`` of your own. What comes out is a
    new object each time, so changing it changes nothing in the cache.

    Entries may be evicted, expire or be deleted by other threads at any time. ``items()`` and ``values()`` pass over those
    that go while one iterates, ``==`` too. ``dict(cache)`` asks for each key and raises KeyNotFound then:
    ``dict(cache.items())`` does not. Of several threads one adds what ``setdefault()`` is given. What ``pop()`` and
    ``popitem()`` return is what they removed: each value that was stored goes to one thread at most.

    The settings are those of Store. It is what ``cachetools.cached`` takes:

    >>> from cachetools import cached
    >>> @cached(Cache(memory_limit="16MB"))
    ... def square(n):
    ...     print("computing")
    ...     return n * n
    >>> square(7), square(7)
    computing
    (49, 49)
    """

    __slots__ = ("_store", "_codec", "_tagged", "_looked_through", "__weakref__")

    def __init__(
        self,
        config: Optional[Settings] = None,
        /,
        *,
        codec: Union[str, Codec] = PICKLE,
        **settings: Unpack[AllSettings],
    ) -> None:
        self._codec = codec_of(codec)
        #: Whether the store may hold versions of tags, made here or loaded; and how many loaded snapshots were looked through
        #: for them.
        self._tagged = False
        self._looked_through = 0
        self._store = Store(config, **settings)

    @property
    def store(self) -> Store:
        """The store underneath: statistics, memory, TTLs. Its entries belong to the cache."""
        return self._store

    def set(self, key: K, value: V, ttl: TTL = ...) -> None:
        """Keep a value for a time: as ``Store.set()``."""
        self._store.set(encode_key(key), self._codec.encode(value), ttl)

    @overload
    def get(self, key: K, default: None = None) -> Optional[V]: ...
    @overload
    def get(self, key: K, default: Union[V, D]) -> Union[V, D]: ...
    def get(self, key: K, default: Any = None) -> Any:
        """The value of a key, or ``default`` if no live entry has it."""
        data = self._store.get(encode_key(key))
        return default if data is None else self._codec.decode(data)

    def get_many(self, keys: Iterable[K], /) -> dict[K, V]:
        """The values of the keys that are there, read at one instant. A key that has none is not in the result, so that
        None in it is a value.

        >>> with Cache(memory_limit="16MB") as cache:
        ...     cache.set_many({"a": 1, ("b", 2): None}, ttl=60)
        ...     cache.get_many(["a", ("b", 2), "c"]), cache.delete_many(["a", "c"])
        ({'a': 1, ('b', 2): None}, 1)
        """
        names = {key: encode_key(key) for key in keys}
        found = self._store.get_many(names.values())
        return {key: self._codec.decode(found[name]) for key, name in names.items() if name in found}

    def set_many(self, items: Union[Mapping[K, V], Iterable[tuple[K, V]]], ttl: TTL = ...) -> None:
        """Keep all items of a mapping, or all (key, value) pairs, from one instant on; or none of them."""
        pairs = items.items() if isinstance(items, Mapping) else items
        self._store.set_many([(encode_key(key), self._codec.encode(value)) for key, value in pairs], ttl)

    def delete_many(self, keys: Iterable[K], /) -> int:
        """Remove entries at one instant. Returns how many were there."""
        return self._store.delete_many([encode_key(key) for key in keys])

    def ttl(self, key: K) -> Optional[float]:
        """How many seconds the entry has to live; None if it never expires. Raises KeyNotFound."""
        try:
            return self._store.ttl(encode_key(key))
        except KeyNotFound:
            raise KeyNotFound(key) from None

    def __getitem__(self, key: K) -> V:
        data = self._store.get(encode_key(key))
        if data is None:
            raise KeyNotFound(key)
        value: V = self._codec.decode(data)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._store.set(encode_key(key), self._codec.encode(value))

    def __delitem__(self, key: K) -> None:
        if not self._store.delete(encode_key(key)):
            raise KeyNotFound(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, Hashable) and encode_key(key) in self._store

    def __len__(self) -> int:
        loaded = self._store._loaded
        if not self._tagged and loaded == self._looked_through:
            return len(self._store)
        versions = count_versions(self._store)
        if versions:
            self._tagged = True
        self._looked_through = loaded
        return max(0, len(self._store) - versions)  # some may have gone since they were counted

    def _keys(self) -> Iterator[bytes]:
        return (data for data in self._store if not is_version(data))

    def __iter__(self) -> Iterator[K]:
        return map(decode_key, self._keys())

    def _rows(self) -> Iterator[tuple[K, V]]:
        keys = self._keys()
        while some := list(itertools.islice(keys, _AT_ONCE)):
            for data, value in self._store.get_many(some).items():
                yield decode_key(data), self._codec.decode(value)

    def items(self) -> ItemsView[K, V]:
        """A view of the keys and values: each as it is when iteration comes to it."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """A view of the values: each as it is when iteration comes to it."""
        return _Values(self)

    def _take(self, key: bytes) -> Any:
        """Remove an entry for its value, or for ``_NONE`` if there is none."""
        while True:
            data, version = self._store.get_versioned(key)
            if data is None:
                return _NONE
            value = self._codec.decode(data)
            if self._store.compare_and_delete(key, version):
                return value

    @overload
    def pop(self, key: K) -> V: ...
    @overload
    def pop(self, key: K, default: V) -> V: ...
    @overload
    def pop(self, key: K, default: D) -> Union[V, D]: ...
    def pop(self, key: K, default: Any = _NONE) -> Any:
        """Remove an entry and return its value; without one return ``default``, or raise KeyNotFound."""
        value = self._take(encode_key(key))
        if value is not _NONE:
            return value
        if default is _NONE:
            raise KeyNotFound(key)
        return default

    def popitem(self) -> tuple[K, V]:
        """Remove some entry and return its key and value. Raises KeyError when there is none."""
        while True:
            empty = True
            for data in self._keys():
                empty = False
                value = self._take(data)
                if value is not _NONE:
                    return decode_key(data), value
            if empty:
                raise KeyError("popitem(): the cache is empty")

    @overload
    def setdefault(self: Cache[K, Optional[D]], key: K, default: None = None) -> Optional[D]: ...
    @overload
    def setdefault(self, key: K, default: V) -> V: ...
    def setdefault(self, key: K, default: Any = None) -> Any:
        """The value of a key; if no live entry has it, ``default``, which is kept from now on."""
        name = encode_key(key)
        encoded: Any = None
        while True:
            data = self._store.get(name)
            if data is not None:
                return self._codec.decode(data)
            encoded = self._codec.encode(default) if encoded is None else encoded
            if self._store.add(name, encoded):
                return default

    @overload
    def memoize(self, function: Callable[P, R], /) -> Memoized[P, R]: ...
    @overload
    def memoize(
        self,
        function: None = None,
        /,
        *,
        ttl: TTL = ...,
        key: Optional[Callable[..., Hashable]] = None,
        name: Optional[str] = None,
        tags: Optional[TagsOf] = None,
    ) -> Callable[[Callable[P, R]], Memoized[P, R]]: ...
    def memoize(
        self,
        function: Optional[Callable[..., Any]] = None,
        /,
        *,
        ttl: TTL = ...,
        key: Optional[Callable[..., Hashable]] = None,
        name: Optional[str] = None,
        tags: Optional[TagsOf] = None,
    ) -> Any:
        """A decorator: keep the results of a function in the cache, as ``Store.memoize()`` does in a store.

        The results are entries of the cache like others. That is why they go through its codec, and there is none of the
        function's own; and why their keys are pairs of the function's name and what ``key(*args)`` gives, or the
        arguments. With ``tags``, which ``invalidate_tags()`` forgets, what tells the tags' versions is a third part of them.

        >>> with Cache(memory_limit="16MB") as cache:
        ...     @cache.memoize(ttl=60, key=lambda n: n, name="square")
        ...     def square(n):
        ...         return n * n
        ...     square(7), dict(cache)
        (49, {('square', 7): 49})
        """

        def decorate(function: Callable[..., Any]) -> Any:
            if tags is not None:
                self._tagged = True
            return memoized(
                self._store, function, name=name, naming=PAIRS, codec=self._codec, ttl=ttl, key=key, tags=tags
            )

        return decorate if function is None else decorate(function)

    def invalidate_tags(self, *tags: str) -> int:
        """Forget the results that have one of these tags: as ``Store.invalidate_tags()``.

        Nobody finds them any more; they count as entries until their TTL is over or the store needs their room.
        """
        return self._store.invalidate_tags(*tags)

    def clear(self) -> None:
        """Remove all entries."""
        self._store.clear()

    def close(self) -> None:
        """Close the store underneath. Closing again does nothing."""
        self._store.close()

    def __repr__(self) -> str:
        return f"<memstore.Cache over {self._store!r}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            "a Cache cannot be pickled or copied: its entries live in this process's memory; Store.save() writes them to a "
            "file, which Store.load() reads"
        )
