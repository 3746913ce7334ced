# SPDX-License-Identifier: Apache-2.0
"""Functions whose results are kept in a store: ``Store.memoize()`` and ``Cache.memoize()``.

A result is kept under the function's name and its arguments. The name is unique in the store: a second function of the
same name (a closure that is made again, a module that is reloaded) gets a number, so that it never meets the results
of the first. Calls that miss are loads of the library: one for a key, overtaken by an invalidation meanwhile.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, ParamSpec, Protocol, TypeVar, cast, overload

from ._flight import Flight
from ._fork import after_fork
from ._patterns import starting_with
from ._types import TTL
from .codec import Codec, encode_key
from .errors import NO_ROOM, CacheClosed, InvalidArgument, LoaderFailed
from .tags import TagsOf, tags_of, versions

if TYPE_CHECKING:
    from .store import Store

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: Whether Python code of several threads runs at once, so that adding to a number takes a lock.
_FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


class CacheInfo(NamedTuple):
    """How a memoized function does, in the form of ``functools.lru_cache``."""

    hits: int
    misses: int
    #: None: the store is bounded in bytes.
    maxsize: Optional[int]
    #: How many results are in the store, those included that were forgotten by a tag: nobody finds them any more, and they
    #: go when their TTL is over or the store needs their room.
    currsize: int


class Memoized(Protocol[P, R_co]):
    """A function whose results are kept: what ``memoize()`` makes of a function."""

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __get__(self, instance: None, owner: Any = None, /) -> Memoized[P, R_co]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None, /) -> Callable[..., R_co]: ...

    def cache_info(self) -> CacheInfo:
        """Hits and misses since the start, and how many results are kept now, for which every key is looked at."""
        ...

    def cache_parameters(self) -> dict[str, Any]:
        """What was chosen, in the form of ``functools.lru_cache``: with the function's name in the store, and the TTL."""
        ...

    def cache_clear(self) -> None:
        """Forget all results, also those that are being computed; hits and misses start at 0."""
        ...

    def cache_key(self, /, *args: Any, **kwargs: Any) -> bytes:
        """The key under which the store has the result of a call."""
        ...

    def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        """Forget the result of a call, also one that is being computed. Returns whether one was there."""
        ...


class Naming(NamedTuple):
    """How keys are made of a function's name: what all of them begin with, one of them, and one with its tags' versions."""

    start: Callable[[str], bytes]
    key: Callable[[str, Hashable], bytes]
    tagged: Callable[[bytes, bytes], bytes]


def _plain_start(name: str) -> bytes:
    return name.encode() + b":"


def _plain_key(name: str, key: Hashable) -> bytes:
    if isinstance(key, str):
        key = key.encode()
    elif isinstance(key, memoryview):
        key = bytes(key)
    if isinstance(key, bytes) and not key.startswith(b"\0"):
        return b"%b:%b" % (name.encode(), key)
    return b"%b:\0%b" % (name.encode(), encode_key(key))


#: In a Store: the name, in which there is no colon, a colon, and the key: as it is when it is text or bytes that do not begin
#: with the zero that marks the others.
PLAIN = Naming(_plain_start, _plain_key, lambda key, versions: key + versions)
#: In a Cache: the pair (name, key), with tags (name, key, versions), which is a key like others of it. What is written of a
#: tuple begins its longer ones.
PAIRS = Naming(
    lambda name: encode_key((name,)),
    lambda name, key: encode_key((name, key)),
    lambda key, versions: key + encode_key((versions,))[1:],
)


class _Count:
    """Whether a call is a hit, where only a load tells: a kept result that is old is computed anew by one call."""

    __slots__ = ("_called", "_memo")

    def __init__(self, memo: _Memo) -> None:
        self._memo = memo
        self._called = False

    def call(self) -> None:
        """The function is called; again, if it asked for that."""
        if not self._called:
            self._called = True
            self._memo.count_miss()

    def end(self) -> None:
        """The caller has a result; what is called from now on is to refresh it, for others."""
        if not self._called:
            self._called = True
            self._memo.count_hit()


def _uncounted() -> None:
    """The call was counted before: nothing was kept."""


class _Memo:
    """The results of one function."""

    def __init__(
        self, store: Store, function: Callable[..., Any], name: str, naming: Naming, codec: Codec, ttl: TTL,
        key: Optional[Callable[..., Hashable]], tags: Optional[TagsOf],
    ) -> None:  # fmt: skip
        self.store = store
        self.function = function
        self.name = name
        self.naming = naming
        self.codec = codec
        self.ttl = ttl
        self.arguments = key if key is not None else _arguments_of(function)
        self.tags = tags_of(tags) if tags is not None else None
        self.hits = 0
        self.misses = 0
        self.flights: dict[bytes, Flight] = {}
        self.lock = threading.Lock()
        after_fork(self)

    def _after_fork(self) -> None:
        self.lock = threading.Lock()
        me = threading.get_ident()
        for flight in self.flights.values():
            flight.callers = [caller for caller in flight.callers if caller == me]
        self.flights = {key: flight for key, flight in self.flights.items() if flight.callers}

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        key = self.naming.key(self.name, self.arguments(*args, **kwargs))
        if self.tags is None:
            return key
        return self.naming.tagged(key, versions(self.store, self.tags(*args, **kwargs)))

    def kept(self, key: bytes) -> Optional[bytes]:
        """The kept result, unless it may be computed anew by its age. A store that is closed has none: then the function
        is called, as with get_or_load()."""
        try:
            data = self.store._get_fresh(key) if self.store._refreshes else self.store.get(key)
        except CacheClosed:
            return None
        if data is not None:
            self.count_hit()
        return data

    def count_hit(self) -> None:
        if _FREE_THREADED:
            with self.lock:
                self.hits += 1
        else:
            self.hits += 1

    def count_miss(self) -> None:
        with self.lock:
            self.misses += 1

    def call(self, /, *args: Any, **kwargs: Any) -> Any:
        key = self.key_of(args, kwargs)
        data = self.kept(key)
        if data is None and self.store._refreshes:
            count = _Count(self)
            data = self._compute(key, args, kwargs, count.call)
            count.end()
        elif data is None:
            self.count_miss()
            data = self._compute(key, args, kwargs, _uncounted)
        return None if data is None else self.codec.decode(data)

    def _compute(
        self, key: bytes, args: tuple[Any, ...], kwargs: dict[str, Any], called: Callable[[], None]
    ) -> Optional[bytes]:
        with self.lock:
            flight = self.flights.setdefault(key, Flight())
            caller = flight.join()

        def load(_: bytes) -> Any:
            called()
            computation = flight.begin(caller)
            try:
                computation.data = self.codec.encode(self.function(*args, **kwargs))
                return computation.data
            except BaseException as error:
                computation.error = error
                raise
            finally:
                with self.lock:
                    flight.end(computation)

        try:
            return self.store.get_or_load(key, load, self.ttl)
        except LoaderFailed:
            error = flight.error_for(caller)
            # What is to end another thread, as KeyboardInterrupt, is not for this one.
            if not isinstance(error, Exception):
                raise
            raise error from None
        except NO_ROOM as refusal:
            data = flight.result_for(caller, refusal)
            if data is None or not self.store._async_loads.bypass:
                raise
            return bytes(data)
        finally:
            with self.lock:
                flight.callers.remove(threading.get_ident())
                if not flight.callers:
                    del self.flights[key]

    async def acall(self, /, *args: Any, **kwargs: Any) -> Any:
        key = self.key_of(args, kwargs)
        data = self.kept(key)
        if data is None and self.store._refreshes:
            count = _Count(self)
            data = await self._acompute(key, args, kwargs, count.call)
            count.end()
        elif data is None:
            self.count_miss()
            data = await self._acompute(key, args, kwargs, _uncounted)
        return None if data is None else self.codec.decode(data)

    async def _acompute(
        self, key: bytes, args: tuple[Any, ...], kwargs: dict[str, Any], called: Callable[[], None]
    ) -> Optional[bytes]:
        async def load(_: bytes) -> Any:
            called()
            return self.codec.encode(await self.function(*args, **kwargs))

        return await self.store.aget_or_load(key, load, self.ttl)

    # ---- What the function gets as attributes

    def cache_key(self, /, *args: Any, **kwargs: Any) -> bytes:
        return self.key_of(args, kwargs)

    def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        key = self.key_of(args, kwargs)
        with self.lock:
            if key in self.flights:
                self.flights[key].forget()
        return self.store.delete(key)

    def cache_clear(self) -> None:
        with self.lock:
            for flight in self.flights.values():
                flight.forget()
        self.store.delete_pattern(starting_with(self.naming.start(self.name)))
        with self.lock:
            self.hits = self.misses = 0

    def cache_parameters(self) -> dict[str, Any]:
        return {"maxsize": None, "typed": False, "name": self.name, "ttl": self.ttl}

    def cache_info(self) -> CacheInfo:
        return CacheInfo(self.hits, self.misses, None, self.store.count(starting_with(self.naming.start(self.name))))


def _arguments_of(function: Callable[..., Any]) -> Callable[..., Hashable]:
    """What stands for the arguments of a call: (positional ones,), or (positional ones, ones by name).

    An argument given by name is the same as given by position; one that is left out is not the same as its default.
    """
    try:
        bind = inspect.signature(function).bind
    except ValueError:  # a function written in C without a signature
        bind = None

    def arguments(*args: Any, **kwargs: Any) -> Hashable:
        if kwargs and bind is not None:
            bound = bind(*args, **kwargs)
            args, kwargs = bound.args, bound.kwargs
        return (args, tuple(sorted(kwargs.items()))) if kwargs else (args,)

    return arguments


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether a call has to be awaited, also of an object that has an ``async def __call__``."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None) or ''}.{name}".replace(":", ".")


_naming_lock = threading.Lock()


def _after_fork() -> None:
    global _naming_lock
    _naming_lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


class Names:
    """The names of a store's memoized functions; a name is never given out again."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        #: How often each was asked for.
        self._given: dict[str, int] = {}

    def unique(self, name: str) -> str:
        with _naming_lock:
            number = self._given[name] = self._given.get(name, 0) + 1
        return name if number == 1 else f"{name}#{number}"


def memoized(
    store: Store,
    function: Callable[P, R],
    *,
    name: Optional[str],
    naming: Naming,
    codec: Codec,
    ttl: TTL,
    key: Optional[Callable[..., Hashable]],
    tags: Optional[TagsOf] = None,
) -> Memoized[P, R]:
    """Make a function one whose results are kept in a store."""
    if not callable(function):
        raise TypeError(f"memoize() is for functions, not for {function!r}; its options are keyword arguments")
    if name is not None and not isinstance(name, str):
        raise TypeError(f"the name of a memoized function is a str, not {name!r}")
    if naming is PLAIN and name is not None and ":" in name:
        raise InvalidArgument(f"the name of a memoized function has no colon, which ends it in the keys of a store: {name!r}")
    if key is not None and not callable(key):
        raise TypeError(f"key is a function of a call's arguments, not {key!r}")
    memo = _Memo(store, function, name or store._names.unique(_name_of(function)), naming, codec, ttl, key, tags)

    # Functions, not bound methods: as attributes of a class they become methods of its objects.
    def call(*args: Any, **kwargs: Any) -> Any:
        return memo.call(*args, **kwargs)

    async def acall(*args: Any, **kwargs: Any) -> Any:
        return await memo.acall(*args, **kwargs)

    made: Callable[..., Any] = acall if _is_coroutine_function(function) else call
    functools.update_wrapper(made, function)
    for attribute in ("cache_key", "invalidate", "cache_clear", "cache_info", "cache_parameters"):
        setattr(made, attribute, getattr(memo, attribute))
    return cast("Memoized[P, R]", made)
