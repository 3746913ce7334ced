# SPDX-License-Identifier: Apache-2.0
"""The mapping of objects."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, MutableMapping
from types import TracebackType
from typing import Any, NoReturn, Optional, ParamSpec, Self, TypeVar, Union, overload

from ._types import TTL
from .codec import PICKLE, Codec, codec_of, decode_key, encode_key
from .errors import KeyNotFound
from .memoize import PAIRS, Memoized, memoized
from .settings import Setting, Settings
from .store import Store

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")
P = ParamSpec("P")
R = TypeVar("R")


class Cache(MutableMapping[K, V]):
    """A mapping of objects that lives in a Store: bounded in bytes, with a TTL per entry.

    >>> cache = Cache(memory_limit="16MB", default_ttl="10m")
    >>> cache["user", 7] = {"name": "Ada"}
    >>> cache["user", 7]
    {'name': 'Ada'}
    >>> cache.set("session", None, ttl=30)      # None is a value like any other
    >>> "session" in cache, cache.get("session", "absent"), cache.get("nothing", "absent")
    (True, None, 'absent')
    >>> cache.close()

    Keys are hashable objects; equal ones are one key (numbers across their types too, as with dict). Values go
    through a codec: PICKLE by default, JSON, MSGPACK, RAW, or a ``Codec(encode, decode)`` of your own. What comes out is a
    new object each time, so changing it changes nothing in the cache.

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

    __slots__ = ("_store", "_codec", "__weakref__")

    def __init__(
        self,
        config: Optional[Settings] = None,
        /,
        *,
        codec: Union[str, Codec] = PICKLE,
        **settings: Union[Setting, Settings],
    ) -> None:
        self._codec = codec_of(codec)
        self._store = Store(config, **settings)  # type: ignore[arg-type]

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
        return len(self._store)

    def __iter__(self) -> Iterator[K]:
        for data in self._store:
            yield decode_key(data)

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
    ) -> Callable[[Callable[P, R]], Memoized[P, R]]: ...
    def memoize(
        self,
        function: Optional[Callable[..., Any]] = None,
        /,
        *,
        ttl: TTL = ...,
        key: Optional[Callable[..., Hashable]] = None,
        name: Optional[str] = None,
    ) -> Any:
        """A decorator: keep the results of a function in the cache, as ``Store.memoize()`` does.

        They go through the cache's codec, and their keys are pairs of the function's name and what ``key(*args)``
        gives, or the arguments.

        >>> with Cache(memory_limit="16MB") as cache:
        ...     @cache.memoize(ttl=60, key=lambda n: n, name="square")
        ...     def square(n):
        ...         return n * n
        ...     square(7), dict(cache)
        (49, {('square', 7): 49})
        """

        def decorate(function: Callable[..., Any]) -> Any:
            return memoized(self._store, function, name=name, naming=PAIRS, codec=self._codec, ttl=ttl, key=key)

        return decorate if function is None else decorate(function)

    def clear(self) -> None:
        """Remove all entries."""
        self._store.clear()

    def close(self) -> None:
        """Close the store underneath. Closing again does nothing."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<memstore.Cache over {self._store!r}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            "a Cache cannot be pickled or copied: its entries live in this process's memory; Store.save() writes them to a "
            "file, which Store.load() reads"
        )
