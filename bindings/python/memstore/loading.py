# SPDX-License-Identifier: Apache-2.0
"""Loading in asyncio: one load for a key, however many tasks of a loop ask, over one lease of the library."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Optional

from . import _native
from ._types import TTL, Buffer, Key, Loaded
from .errors import NO_ROOM, CacheClosed, InvalidArgument, LoaderFailed, LockTimeout

#: Seconds between two looks whether the load of another thread or loop has ended: from one to the other, doubling.
_FIRST_LOOK, _LONGEST_LOOK = 0.001, 0.05


def _holds_objects(view: memoryview) -> bool:
    """Whether items of a buffer are Python objects, or members of them: their bytes are addresses."""
    names_between_colons = view.format.split(":")
    return any("O" in types for types in names_between_colons[::2])


def _bytes(given: Buffer, wanted: str) -> bytes:
    try:
        view = memoryview(given)
    except TypeError:
        raise TypeError(f"{wanted}, not {type(given).__name__}") from None
    if _holds_objects(view):
        raise TypeError("an array of objects has no bytes that could be stored")
    return bytes(view)


def _name(key: Key) -> bytes:
    return key.encode() if isinstance(key, str) else _bytes(key, "a key is a str or a bytes-like object")


class _Load:
    """A load that a loop has begun. Nobody joins it once its lease is no longer current: the key was written since,
    and what is being loaded may be older. Nor, where the store had no room for a lease, who came after it had begun:
    of a write nothing would tell. One that refreshes is waited for only by who finds no value."""

    __slots__ = ("began", "lease", "refreshes", "task", "waits_for")

    #: Given to it once it is there.
    task: asyncio.Task[Optional[bytes]]

    def __init__(self, lease: Optional[_native.Lease], refreshes: bool, began: int) -> None:
        self.lease = lease
        self.refreshes = refreshes
        #: In the order of those who come and of loads that begin.
        self.began = began
        #: The load that its task waits for.
        self.waits_for: Optional[_Load] = None

    async def result(self, key: Key) -> Optional[bytes]:
        """What it loads. Who is a load himself, and is waited for by this one, would wait for ever."""
        waiting, mine = _inside.get(), asyncio.current_task()
        # A task that a loader has begun is not its load's.
        if waiting is None or getattr(waiting, "task", mine) is not mine:
            return await asyncio.shield(self.task)
        ahead: Optional[_Load] = self
        while ahead is not None:
            if ahead is waiting:
                raise LoaderFailed(f"a loader waits for its own load (key {key!r})")
            ahead = ahead.waits_for
        waiting.waits_for = self
        try:
            return await asyncio.shield(self.task)
        finally:
            waiting.waits_for = None

    def is_for(self, came: int) -> bool:
        """Whether one who came then may join it."""
        return self.lease.current if self.lease is not None else came < self.began

    def is_abandoned(self) -> bool:
        """Whether a wait for it was cancelled along with it, and not with the task that waits."""
        waiter = asyncio.current_task()
        return self.task.cancelled() and not (waiter is not None and waiter.cancelling())

    def give_back(self) -> None:
        """Let others load, of one that did not come to an end or not even to its beginning."""
        if self.lease is not None:
            with contextlib.suppress(InvalidArgument):  # it was given back
                self.lease.abandon()


#: The load that a loader is called for.
_inside: ContextVar[Optional[_Load]] = ContextVar("memstore load", default=None)


def _value_of(loaded: Loaded, ttl: TTL) -> tuple[Optional[bytes], TTL]:
    if loaded is None:
        return None, ttl
    if isinstance(loaded, tuple):
        if len(loaded) != 2:
            raise TypeError("a loader returns a value, (value, ttl), or None if there is none")
        loaded, ttl = loaded
    return _bytes(loaded, "a value is a bytes-like object"), ttl


async def _run(
    load: _Load, key: Key, loader: Callable[[Any], Awaitable[Loaded]], ttl: TTL, bypass: bool
) -> Optional[bytes]:
    lease = load.lease
    _inside.set(load)
    if lease is None:
        return _value_of(await loader(key), ttl)[0]
    try:
        value, ttl = _value_of(await loader(key), ttl)
        if value is None:
            lease.fail(True)
        else:
            with contextlib.suppress(*(CacheClosed, *NO_ROOM) if bypass else ()):
                lease.fill(value, ttl)
        return value
    except Exception:
        old = lease.fail(False) if lease.held else None
        if old is None:
            raise
        return old
    except BaseException:  # the loop is ending, or the process: the database has not failed
        if lease.held:
            lease.abandon()
        raise


class _Patience:
    """Of a task that asks again and again, while another thread or loop loads or the store has no room for a lease."""

    __slots__ = ("_pause", "_without_room")

    def __init__(self) -> None:
        self._pause = _FIRST_LOOK
        #: Since when.
        self._without_room: Optional[float] = None

    def ask(
        self, store: _native.Handle, name: bytes
    ) -> Optional[tuple[Optional[bytes], Optional[_native.Lease]]]:
        """A value, a lease, or both; None where it is to be asked for again."""
        since = self._without_room
        try:
            found = store._lease_acquire(name, 0 if since is None else time.monotonic() - since)
        except LockTimeout:  # a load takes as long as it takes
            self._without_room = None
            return None
        if found is None and since is None:
            self._without_room = time.monotonic()
        return found

    async def wait(self) -> None:
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))
        self._pause = min(2 * self._pause, _LONGEST_LOOK)


class AsyncLoads:
    """The loads of one store, by loop and key."""

    __slots__ = ("_by_loop", "_order", "bypass")

    def __init__(self, on_store_error: str) -> None:
        #: Whether what the store cannot take, or is asked for once it is closed, is loaded all the same, as the setting
        #: ``loader.on_store_error`` says.
        self.bypass: bool = on_store_error == "bypass"
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bytes, _Load]] = (
            weakref.WeakKeyDictionary()
        )
        self._order = itertools.count()

    async def get(
        self, store: _native.Handle, key: Key, loader: Callable[[Any], Awaitable[Loaded]], ttl: TTL
    ) -> Optional[bytes]:
        loads = self._of_loop(asyncio.get_running_loop())
        name = _name(key)
        came = next(self._order)
        patience = _Patience()
        while True:
            running = self._running(loads, name, came)
            if running is None or running.refreshes:
                try:
                    found = patience.ask(store, name)
                except (CacheClosed, *NO_ROOM):  # not even for a load under way
                    if not self.bypass:
                        raise
                    return await self._begin(loads, name, None, key, loader, ttl, refreshes=False).result(key)
                if found is not None:
                    value, lease = found
                    if lease is None:
                        return value
                    load = self._begin(loads, name, lease, key, loader, ttl, refreshes=value is not None)
                    return value if value is not None else await load.result(key)
                # Where there is no place to look at the age of a value it is not to be refreshed now.
                value = store.get(name) if name in store else None
                if value is not None:
                    return value
            if running is None:
                await patience.wait()
                continue
            try:
                return await running.result(key)
            except asyncio.CancelledError:
                if not running.is_abandoned():
                    raise

    def _of_loop(self, loop: asyncio.AbstractEventLoop) -> dict[bytes, _Load]:
        loads = self._by_loop.get(loop)
        if loads is None:
            self._give_up_closed()
            loads = self._by_loop.setdefault(loop, {})
        return loads

    def _give_up_closed(self) -> None:
        """A loop that was closed under its loads ends none of them: others may load these keys."""
        for reference in self._by_loop.keyrefs():
            loop = reference()
            if loop is None or not loop.is_closed():
                continue
            for load in self._by_loop.pop(loop, {}).values():
                load.give_back()

    @staticmethod
    def _running(loads: dict[bytes, _Load], name: bytes, came: int) -> Optional[_Load]:
        """The load of a key that may be joined by one who came then."""
        load = loads.get(name)
        if load is not None and load.task.cancelled():  # and its end has not been told yet
            del loads[name]
            load.give_back()
            return None
        return load if load is not None and load.is_for(came) else None

    def _begin(
        self,
        loads: dict[bytes, _Load],
        name: bytes,
        lease: Optional[_native.Lease],
        key: Key,
        loader: Callable[[Any], Awaitable[Loaded]],
        ttl: TTL,
        refreshes: bool,
    ) -> _Load:
        load = loads[name] = _Load(lease, refreshes, next(self._order))
        # Not by a factory of the loop's, which may begin it before it is known here that there is one.
        load.task = asyncio.Task(_run(load, key, loader, ttl, self.bypass), loop=asyncio.get_running_loop())

        def ended(task: asyncio.Task[Optional[bytes]]) -> None:
            if loads.get(name) is load:
                del loads[name]
            if task.cancelled():
                load.give_back()  # a task that was cancelled before its first step could not
            else:
                task.exception()  # everybody who waited may have been cancelled: nobody is to be warned then

        load.task.add_done_callback(ended)
        return load
