# SPDX-License-Identifier: Apache-2.0
"""The store of bytes."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import warnings
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from types import EllipsisType, TracebackType
from typing import Any, Final, NoReturn, Optional, ParamSpec, Self, TypeVar, Union, Unpack, cast, overload

from . import _native
from ._closing import Closing
from ._settings import AllSettings, Duration, Size, StoreSettings
from .advice import Report
from ._times import datetime_of, unix_seconds
from ._types import TTL, Buffer, Key, Loaded
from .codec import PICKLE, Codec, codec_of
from .errors import naming, needing, refused
from .events import Event, EventKind, EventStats, Subscription, call_back
from .loading import AsyncLoads
from .log import Logger, LogReader, logger_of
from .memoize import PLAIN, Memoized, Names, memoized
from .settings import Configuration, Path, Setting, Settings
from .snapshots import Progress, SnapshotInfo, progress_of, saying_why, telling
from .stats import OPERATIONS, Latency, MemoryStats, Rates, Stats, TTLClass
from .tags import TagsOf, forget

#: The TTL that stands for the configured ``ttl.default_ttl``; the same as leaving the TTL out.
DEFAULT_TTL: Final[EllipsisType] = ...

P = ParamSpec("P")
R = TypeVar("R")


def _readable(size: int) -> str:
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"


class Store(_native.Handle, Closing):
    """An in-memory store: keys to bytes, each with its time to live, under a byte limit that is true.

    >>> store = Store(memory_limit="16MB", default_ttl="1h")
    >>> store.set("block/42", b"header", ttl=60)
    >>> store.get("block/42")
    b'header'
    >>> store["block/43"] = b"x"
    >>> sorted(store)
    [b'block/42', b'block/43']
    >>> "block/44" in store, store.get("block/44"), len(store)
    (False, None, 2)
    >>> store.close()

    ``Store.from_yaml(path)`` opens one as a file says, ``reconfigure()`` changes settings of an open one.

    Keys are ``str`` (as UTF-8) or bytes-like, at least one byte; they come back as ``bytes``. Values are bytes-like and
    come back as ``bytes``, or in place as a ``memoryview`` (see ``view()``).

    A TTL is a number of seconds, a ``timedelta``, or ``None`` for an entry that never expires; without one the
    configured default applies.

    Settings are named as in the configuration file: by mappings, by dotted paths, or by keyword, where the section may
    be left out (``default_ttl`` is ``ttl.default_ttl``) or set off by two underscores (``ttl__default_ttl``). Keywords
    override the mapping. Values are text with units (``"64MB"``, ``"1h"``), numbers (bytes, counts; seconds where the
    setting is a duration), ``bool``, ``timedelta``, or ``None`` for 0:

    >>> with Store({"ttl": {"default_ttl": "1h"}, "performance.lock_timeout": 0.5}, shards=16, eviction="lru") as store:
    ...     store["k"] = b"v"
    ...     store.ttl("k") > 3590
    True

    ``logger=True`` tells ``logging.getLogger("memstore")`` what the store has to say, on a thread of its own: that it
    was opened and with which settings, that it has reached its limit, that alerts were raised (``docs/logging.md``);
    another logger is given in its place. Without one the setting ``logger_enabled`` writes to stderr.

    All methods may be called by any number of threads, and in a child after ``fork()``, which has a store of its own.
    Several operations at one instant: ``get_many``, ``set_many``, ``delete_many``, ``has_many``:

    >>> with Store() as store:
    ...     store.set_many({"a": b"1", "b": b"2"}, ttl=timedelta(minutes=5))
    ...     store.get_many(["a", "b", "c"])
    ...     store.has_many(["a", "c"])
    ...     store.delete_many(["a", "b", "c"])
    {'a': b'1', 'b': b'2'}
    {'a': True, 'c': False}
    2
    """

    __slots__ = ("_async_loads", "_eviction", "_loaded", "_log_reader", "_names", "_refreshes")

    _async_loads: AsyncLoads
    _eviction: str
    #: How many snapshots were loaded, or parts of them.
    _loaded: int
    _log_reader: Optional[LogReader]
    _names: Names
    #: Whether values are loaded anew by their age.
    _refreshes: bool

    def __init__(
        self,
        config: Optional[Settings] = None,
        /,
        *,
        memory_limit: Union[Size, EllipsisType] = ...,
        default_ttl: Union[Duration, EllipsisType] = ...,
        logger: Logger = None,
        **settings: Unpack[StoreSettings],
    ) -> None:
        given = cast("dict[str, Setting]", settings)
        if memory_limit is not ...:
            given["memory_limit"] = memory_limit
        if default_ttl is not ...:
            given["default_ttl"] = default_ttl
        with Configuration({} if config is None else config, given) as configuration:
            self._open(configuration, logger_of(logger))

    def _open(self, configuration: Configuration, logger: Optional[logging.Logger]) -> None:
        async_loads = AsyncLoads(configuration.get("loader.on_store_error"))
        eviction = configuration.get("eviction")
        refreshes = configuration.get("loader.refresh_after") != "0"
        reader = LogReader(configuration.handle, logger) if logger is not None else None
        try:
            if reader is not None:
                _native.keep_log(self, reader.queue)
            _native.open_store(configuration.handle, self)
        except BaseException:
            if reader is not None:
                reader.end()
            raise
        # One that is open already has been refused, and is as it was.
        self._eviction = eviction
        self._async_loads = async_loads
        self._refreshes = refreshes
        self._names = Names()
        self._loaded = 0
        self._log_reader = reader

    @classmethod
    def from_yaml(
        cls,
        path: Path,
        /,
        *,
        environment: bool = False,
        logger: Logger = None,
        **settings: Unpack[AllSettings],
    ) -> Self:
        """Open a store with the settings of a YAML file, which stand under ``storage.memory`` or at the top.

        With ``environment=True`` variables such as ``MEMSTORE_PERFORMANCE_MEMORY_LIMIT`` override the file; keywords,
        as for ``Store``, override both. Raises InvalidConfig, which tells the file, the line and the column, or
        IOFailed if the file cannot be read.

        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        ...     _ = file.write("storage: {memory: {ttl: {default_ttl: 1h}, performance: {memory_limit: 16MB}}}")
        ...     file.flush()
        ...     with Store.from_yaml(file.name, shards=16) as store:
        ...         store["k"] = b"v"
        ...         store.capacity(), store.ttl("k") > 3590
        (16000000, True)
        """
        with Configuration(cast("Settings", settings), file=os.fspath(path), environment=environment) as configuration:
            store = cls.__new__(cls)
            store._open(configuration, logger_of(logger))
            return store

    def reconfigure(self, name: str, value: Setting, /) -> None:
        """Change a setting of the open store, named and valued as for ``Store``.

        Which settings can change is in ``docs/configuration.md``; for the others this raises Unsupported. A lower
        memory limit is reached before it returns, by evicting. What it raises says why a change was refused, and has
        changed nothing.

        >>> with Store(memory_limit="64MB") as store:
        ...     store.reconfigure("memory_limit", "32MB")
        ...     store.reconfigure("ttl.default_ttl", 60)
        ...     store.capacity()
        32000000
        """
        with Configuration() as configuration:
            path, text = configuration.named(name, value)
        _native.reconfigure(self, path, text)
        self._note_settings()

    def reload_yaml(self, path: Path, /, *, environment: bool = False, **settings: Union[Setting, Settings]) -> None:
        """Change the settings of the open store to those of a YAML file that has changed, all together.

        Give it what ``from_yaml`` was given: a setting that is named nowhere goes back to its default. All of it is put
        into force, or nothing: InvalidConfig tells the file, the line and the column, Unsupported the setting that an
        open store cannot change, and why.

        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, Store() as store:
        ...     _ = file.write("ttl: {min_ttl: 1h, max_ttl: 2h}")
        ...     file.flush()
        ...     store.reload_yaml(file.name)
        ...     store.setting("ttl.min_ttl")
        '1h'
        """
        with Configuration(settings, file=os.fspath(path), environment=environment) as configuration:
            _native.reconfigure_all(self, configuration.handle)
        self._note_settings()

    def _note_settings(self) -> None:
        """Whoever writes last has read afterwards that this is in force, in whatever order changes come here."""
        noted = None
        while noted != (now := (self.setting("loader.on_store_error"), self.setting("loader.refresh_after"))):
            self._async_loads.bypass, self._refreshes = now[0] == "bypass", now[1] != "0"
            noted = now

    def setting(self, name: str, /) -> str:
        """A setting of the open store as it is in force now, named as for ``Store`` and as text.

        >>> with Store(memory_limit="64MB") as store:
        ...     store.setting("memory_limit")
        '64MB'
        """
        with Configuration() as configuration:
            path = configuration.path(name)
        return _native.get_setting(self, path)

    # ---- Asynchronous writes

    def flush(self) -> None:
        """Wait until all that set_async() was given before is applied; reads see it from now on.

        Raises the error of the first of these writes that was refused since the last flush.

        >>> with Store(batch_timeout="1h") as store:
        ...     store.set_async("k", b"v")
        ...     before = store.get("k")
        ...     store.flush()
        ...     before, store.get("k")
        (None, b'v')
        """
        _native.flush(self)

    async def aflush(self) -> None:
        """flush() for asyncio: waits on a thread, so that it does not block the event loop."""
        await asyncio.to_thread(self.flush)

    # ---- Loading what is not there

    async def aget_or_load(
        self, key: Key, loader: Callable[[Any], Awaitable[Loaded]], ttl: TTL = ...
    ) -> Optional[bytes]:
        """get_or_load() for asyncio: the loader is a coroutine function, and nothing blocks the event loop.

        Tasks that ask for a key while it is loaded wait for that load; one that is cancelled does not harm it. All of
        them get the exception of a loader that fails. LoadRetry is such an exception: a coroutine pauses by itself.

        From the age ``loader.refresh_after`` on a value is loaded anew by a task in the background, while everybody
        is given the old one. A value that has expired within ``loader.max_stale`` is returned in place of an exception.

        >>> import asyncio
        >>> async def load(key):
        ...     return b"row of " + key.encode()
        >>> with Store() as store:
        ...     asyncio.run(store.aget_or_load("k", load, ttl=60))
        b'row of k'
        """
        return await self._async_loads.get(self, key, loader, ttl)

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
        codec: Union[str, Codec] = PICKLE,
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
        codec: Union[str, Codec] = PICKLE,
        tags: Optional[TagsOf] = None,
    ) -> Any:
        """A decorator: keep the results of a function, or of a coroutine function, in the store for ``ttl``.

        >>> store = Store(memory_limit="16MB")
        >>> @store.memoize(ttl=60)
        ... def square(n):
        ...     print("computing")
        ...     return n * n
        >>> square(7), square(7), square(n=7)
        computing
        (49, 49, 49)
        >>> square.invalidate(7), square.cache_info()
        (True, CacheInfo(hits=2, misses=1, maxsize=None, currsize=0))

        However many threads or tasks ask for a call that is not kept, one computes it, as with ``get_or_load()``. An
        exception reaches all of them and is not kept; None is kept like any other result. LoadRetry asks to be called
        again. From the age ``loader.refresh_after`` on one call computes a result anew. Results go through a codec, so
        that each call gives a new object.

        The arguments have to be hashable; equal ones are one call (1, 1.0 and True, too). ``key(*args, **kwargs)``
        says what stands for a call instead: for methods, where ``self`` is the first argument, it is needed. Text and
        bytes are taken as they are, after the function's name and a colon:

        >>> @store.memoize(key=lambda user: f"user/{user['id']}", name="rights")
        ... def rights(user):
        ...     return ["read"]
        >>> rights({"id": 42}), store.keys("rights:user/*")
        (['read'], [b'rights:user/42'])

        ``tags`` say what a result depends on, the same for all calls or by the call's arguments. ``invalidate_tags()``
        forgets what has a tag, of all functions, in the time that one removal takes:

        >>> @store.memoize(tags=lambda user, year: [f"user/{user}", f"year/{year}"])
        ... def report(user, year):
        ...     print("computing")
        ...     return user * year
        >>> report(1, 2026), report(1, 2026), store.invalidate_tags("user/1"), report(1, 2026)
        computing
        computing
        (2026, 2026, 1, 2026)
        >>> store.close()

        The name is the function's own, made unique; what is given as ``name`` is taken as it is, so that a function in
        a restarted program, or another one, may find the results. It has no colon. The function has ``cache_info()``,
        ``cache_clear()``, ``invalidate(*args)``, ``cache_key(*args)`` and ``__wrapped__``.
        """

        def decorate(function: Callable[..., Any]) -> Any:
            return memoized(self, function, name=name, naming=PLAIN, codec=codec_of(codec), ttl=ttl, key=key, tags=tags)

        return decorate if function is None else decorate(function)

    def invalidate_tags(self, *tags: str) -> int:
        """Forget the results of memoized functions that have one of these tags, also those that are being computed.

        All tags are forgotten at one instant. Returns how many of them were in use. The memory of the results is free
        when their TTL is over, or when the store needs it.
        """
        return forget(self, tags)

    # ---- Filling a store before it is used

    def save(self, path: Path, progress: Optional[Callable[[Progress], object]] = None) -> Progress:
        """Save all live entries to a file, which is replaced in one step when the new one is whole.

        Readers and writers go on meanwhile; each batch is saved as a whole or not at all. ``progress`` is called now
        and then with a Progress; if it returns something true, Cancelled is raised and the old file stays.

        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "snapshot")
        >>> with Store() as store:
        ...     store["k"] = b"v"
        ...     store.save(path).stored
        1
        >>> with Store() as store:
        ...     store.load(path).stored, store["k"]
        (1, b'v')
        """
        with saying_why(path, self.closed):
            return progress_of(self._save(path, telling(progress)))

    def load(self, path: Path, progress: Optional[Callable[[Progress], object]] = None) -> Progress:
        """Load a snapshot: entries keep what is left of their TTL, and those that the store holds already stay.

        All of the file is verified first: CorruptSnapshot means that nothing was loaded. Nothing is evicted for it; if
        not all fits, what was of most use is loaded (``Progress.left_out`` counts the rest).
        """
        with saying_why(path, self.closed):
            try:
                return progress_of(self._load(path, telling(progress)))
            finally:
                self._loaded += 1

    @staticmethod
    def snapshot_info(path: Path) -> SnapshotInfo:
        """What the beginning of a snapshot tells, also of one that this version cannot load."""
        with saying_why(path):
            version, compressed, saved_at, entries, size = _native.Handle._snapshot_info(path)
        return SnapshotInfo(version, bool(compressed), datetime_of(saved_at), entries, size)

    def warm(
        self,
        keys: Iterable[Key],
        loader: Callable[[list[Any]], Mapping[Any, Loaded]],
        ttl: TTL = ...,
        progress: Optional[Callable[[Progress], object]] = None,
    ) -> Progress:
        """Load many keys ahead: ``loader`` is called with lists of those that are not there, at the rate that the
        setting ``loader.warm_rate`` allows, and returns a mapping of what it knows: of values, or of (value, ttl).
        Keys in mutable buffers come to it as bytes.

        An exception of the loader is raised in the end; what the other calls returned is stored all the same.

        >>> with Store() as store:
        ...     store["a"] = b"mine"
        ...     done = store.warm(["a", "b", "c"], lambda keys: {"b": b"row of b"}, ttl=60)
        ...     done.present, done.stored, done.absent, store["b"]
        (1, 1, 1, b'row of b')
        """
        return progress_of(self._warm(keys, loader, ttl, telling(progress)))

    # ---- Conditional writes and counters

    def add(self, key: Key, value: Buffer, ttl: TTL = ...) -> bool:
        """Store a value only if no live entry has the key. Returns whether it was stored.

        >>> with Store() as store:
        ...     store.add("lock", b"me", ttl=10), store.add("lock", b"you", ttl=10)
        (True, False)
        """
        return _native.add(self, key, value, ttl)

    def replace(self, key: Key, value: Buffer, ttl: TTL = ...) -> bool:
        """Store a value only if a live entry has the key. Returns whether it was stored."""
        return _native.replace(self, key, value, ttl)

    def compare_and_set(self, key: Key, value: Buffer, version: int, ttl: TTL = ...) -> bool:
        """Store a value only if the entry has the version that get_versioned() or view() told; 0 expects no entry.

        >>> with Store() as store:
        ...     store["k"] = b"old"
        ...     value, version = store.get_versioned("k")
        ...     store.compare_and_set("k", b"new", version), store.compare_and_set("k", b"newer", version)
        (True, False)
        """
        return _native.compare_and_set(self, key, value, ttl, version)

    def incr(self, key: Key, delta: int = 1, initial: int = 0, ttl: TTL = ...) -> int:
        """Add to a counter kept as a decimal number, atomically; returns the sum. An absent one starts at ``initial``.

        A counter that exists keeps its expiry. Raises NotANumber, with nothing changed, if the value is no number or
        the sum would overflow 64 bits.

        >>> with Store() as store:
        ...     store.incr("n"), store.incr("n", 10), store.incr("n", -1), store["n"]
        (1, 11, 10, b'10')
        """
        return _native.increment(self, key, delta, initial, ttl)

    # ---- Time to live

    def set_until(self, key: Key, value: Buffer, when: Union[datetime, float]) -> None:
        """Store a value that expires at a point of time: an aware datetime, or Unix seconds.

        Raises TTLExpired if that has passed; an older entry stays as it was.
        """
        _native.set_until(self, key, value, unix_seconds(when))

    def ttl(self, key: Key) -> Optional[float]:
        """How many seconds the entry has to live; None if it never expires. Raises KeyNotFound.

        >>> with Store() as store:
        ...     store.set("a", b"", ttl=None)
        ...     store.ttl("a")
        ...     store.expire("a", 60)
        ...     59 < store.ttl("a") <= 60
        True
        """
        ms = _native.get_ttl(self, key)
        return None if ms is None else ms / 1000

    def expire(self, key: Key, ttl: TTL = ...) -> None:
        """Give the entry a new TTL, counted from now; its value and version stay. Raises KeyNotFound."""
        _native.update_ttl(self, key, ttl)

    def expires_at(self, key: Key) -> datetime:
        """When the entry expires, as an aware datetime in UTC: ``datetime.max`` if that is beyond the year 9999. Raises
        TTLNotSet if it never does, or KeyNotFound.
        """
        return datetime_of(_native.get_expiration(self, key))

    def created_at(self, key: Key) -> datetime:
        """When the entry was last written. Raises Unsupported without the setting ``ttl.store_creation_time``."""
        with needing("ttl.store_creation_time"):
            return datetime_of(_native.get_created(self, key))

    # ---- Patterns

    def keys(self, pattern: Key = "") -> list[bytes]:
        """The keys that match a pattern. ``iter(store)`` goes through all keys without a list.

        ``*`` is any run of bytes (also across ``/``), ``?`` one byte, ``[a-z]`` one of a set, ``[^a]`` one not of it,
        ``\\`` takes the next byte literally; the empty pattern matches every key.

        >>> with Store() as store:
        ...     store.set_many([("block/1", b""), ("block/22", b""), ("tx/1", b"")])
        ...     sorted(store.keys("block/*")), store.count("*/?"), store.delete_pattern("[a-s]*"), len(store)
        ([b'block/1', b'block/22'], 2, 2, 1)
        """
        with naming(pattern):
            return _native.keys(self, pattern)

    def count(self, pattern: Key = "") -> int:
        """How many live keys match a pattern."""
        with naming(pattern):
            return _native.count_by_pattern(self, pattern)

    def delete_pattern(self, pattern: Key) -> int:
        """Remove the entries whose keys match a pattern, one after the other. Returns how many."""
        with naming(pattern):
            return _native.delete_by_pattern(self, pattern)

    # ---- The store as a whole

    def clear(self) -> None:
        """Remove all entries."""
        _native.clear(self)

    def size(self) -> int:
        """How many live entries there are, exactly: ``len(store)``."""
        return len(self)

    def capacity(self) -> int:
        """How many bytes the store may use, index and slack included; 0 when it is closed."""
        return _native.capacity(self)

    def compact(self, max_dead_ratio: float = 0.0) -> None:
        """Reclaim dead bytes until they are at most this share of live and dead bytes. Raises MemoryFragmentation."""
        if not 0 <= max_dead_ratio <= 1:
            raise refused(f"max_dead_ratio is a share from 0 to 1, not {max_dead_ratio!r}", self.closed)
        _native.compact(self, max_dead_ratio)

    def maintain(self, budget: Optional[float] = None) -> bool:
        """Do the maintenance thread's work here, for about ``budget`` seconds; returns whether all of it is done.

        Needed only with the setting ``maintenance="manual"``. Without a budget it does all there is.
        """
        if budget is None:
            return _native.maintain(self, 0)
        if not budget >= 0:
            raise refused(f"budget is a number of seconds that is not negative, or None, not {budget!r}", self.closed)
        return _native.maintain(self, math.ceil(min(budget, 1e9) * 1_000_000) or 1)

    # ---- Events

    def subscribe(self, kinds: int = EventKind.REMOVALS, queue_size: int = 0) -> Subscription:
        """Ask for events from now on, to be taken from a queue: see Subscription.

        At most ``queue_size`` events wait, 0 = as many as there is memory for (the setting ``events.queue_memory``).
        Nobody waits for a subscriber: what finds the queue full is dropped and counted, and the next event says how
        many were lost before it.

        >>> with Store() as store, store.subscribe(queue_size=1000) as removals:
        ...     store["k"] = b"v"
        ...     _ = store.delete("k")
        ...     event = removals.get()
        ...     event.kind, event.key, event.value
        (<EventKind.DELETED: 4>, b'k', b'v')
        """
        return Subscription(self, kinds, queue_size)

    def on_event(self, callback: Callable[[Event], object], kinds: int = EventKind.REMOVALS) -> Subscription:
        """Call a function for each event from now on, on a thread of its own, until what this returns is closed or
        the store is. It may call every method of the store, ``close()`` included. Its exceptions are reported to
        ``sys.excepthook`` and end nothing.
        """
        if not callable(callback):
            raise TypeError(f"a callback is a function of an event, not {callback!r}")
        subscription = self.subscribe(kinds)
        call_back(subscription, callback)
        return subscription

    def event_stats(self) -> EventStats:
        """What the events come to: how many wait, were dropped, and their memory."""
        return EventStats(*_native.get_event_stats(self))

    # ---- Statistics

    def stats(self) -> Stats:
        """What the store has done.

        >>> with Store() as store:
        ...     store["k"] = b"v"
        ...     _ = store.get("k"), store.get("absent")
        ...     s = store.stats()
        ...     s.hits, s.misses, s.sets, s.entries, s.hit_rate
        (1, 1, 1, 1, 0.5)
        """
        return Stats(*_native.get_stats(self))

    def memory(self) -> MemoryStats:
        """Where the store's bytes are."""
        return MemoryStats(*_native.get_memory_stats(self))

    def ttls(self) -> list[TTLClass]:
        """How many entries there are by their TTL: those that never expire, then classes from the shortest TTL on.

        >>> with Store() as store:
        ...     store.set("k", b"v", ttl=60)
        ...     store["l"] = b"v"
        ...     [c.entries for c in store.ttls() if c.entries]
        [1, 1]
        """
        return TTLClass._all(_native.get_ttl_stats(self))

    def hit_rate(self) -> float:
        """hits / (hits + misses), 0.0 when nothing was read."""
        return _native.get_hit_rate(self)

    def latency(self, operation: str) -> Latency:
        """How long the calls of an operation took: ``"get"``, ``"set"``, ``"get_many"`` and the others of ``OPERATIONS``.

        ``store.get()`` and ``get_many()`` are calls of ``get_many`` in the library or of ``get``. Raises ``Unsupported``
        in a store opened without ``track_operation_latency``.

        >>> with Store(track_operation_latency=True) as store:
        ...     store["k"] = b"v"
        ...     latency = store.latency("set")
        ...     latency.count, 0 < latency.p50 <= latency.max
        (1, True)
        """
        if operation not in OPERATIONS:
            raise refused(f"{operation!r} is none of {', '.join(OPERATIONS)}", self.closed)
        with needing("monitoring.track_operation_latency"):
            return Latency._of(_native.get_latency(self, OPERATIONS.index(operation)))

    def rates(self) -> Rates:
        """What went on in the last window of ``monitoring.metrics_interval``, per second, and what is over its threshold.

        Raises ``Unsupported`` when ``monitoring.enable_metrics`` is off.
        """
        with needing("monitoring.enable_metrics"):
            return Rates._of(_native.get_rates(self))

    def metrics_text(self) -> str:
        """All that the store tells of itself in OpenMetrics' text form, which Prometheus reads; ``docs/metrics.md`` lists
        the metrics. ``memstore.prometheus`` has a collector of them.
        """
        return _native.metrics_text(self)

    def advise(self) -> Report:
        """How the store is used, and which settings to change for it, each with the figure behind it.

        What needs some keys to be followed (the miss-ratio curve, hot keys, other policies) is there when
        ``access_sample_ratio`` is not 0; it can be switched on in a store in use, with ``reconfigure()``. ``docs/advice.md``
        says what each advice means.

        >>> with Store() as store:
        ...     print(store.advise())
        [info] Some of the keys have to be followed to tell more.
            because   no key is followed
            set       monitoring.access_sample_ratio: 0.01 (is 0)
            expect    the miss-ratio curve, hot keys, other policies, TTLs against use
        <BLANKLINE>
        Entries 0, hits 0, misses 0, expired 0, evicted 0
        Never read: 0 of those expired, 0 of those evicted
        <BLANKLINE>
        """
        return Report.from_json(_native.advise_json(self), people=_native.advise_text(self))

    def reset_stats(self) -> None:
        """Set all counters to zero and forget the latencies."""
        _native.reset_stats(self)

    # ---- The object

    async def aclose(self) -> None:
        """close() for asyncio: waits for the calls in flight on a thread. ``async with`` ends with it.

        >>> import asyncio
        >>> async def main():
        ...     async with Store() as store:
        ...         store["k"] = b"v"
        ...     return store.closed
        >>> asyncio.run(main())
        True
        """
        await asyncio.to_thread(self.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        name = type(self).__qualname__
        if self.closed:
            return f"<memstore.{name}: closed>"
        memory = self.memory()
        return (
            f"<memstore.{name}: {len(self)} entries, {_readable(memory.charged)} of {_readable(memory.limit)}, "
            f"eviction {self._eviction}>"
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            "a Store cannot be pickled or copied: its entries live in this process's memory; save() writes them to a file, "
            "which load() reads"
        )

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self.closed:
            return
        try:
            about = repr(self)
        except Exception:
            # An interpreter that ends may have taken the names of this module away.
            about = "<memstore.Store>"
        _warn(f"unclosed {about}", ResourceWarning, source=self)
        self.close()
