# SPDX-License-Identifier: Apache-2.0
"""Loading in asyncio: one load for a key, however many tasks of a loop ask, over one lease of the library."""

from __future__ import annotations

import asyncio
import random
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Optional

from . import _native
from ._types import TTL, Key, Loaded
from .errors import CacheClosed, LockTimeout

#: Seconds between two looks whether the load of another thread or loop has ended: from one to the other, doubling.
_FIRST_LOOK, _LONGEST_LOOK = 0.001, 0.05


def _name(key: Key) -> bytes:
    return key.encode() if isinstance(key, str) else bytes(key)


class _Load:
    """A load that a loop has begun. Nobody joins it once its lease is no longer current: the key was written since,
    and what is being loaded may be older. One that refreshes is waited for only by who finds no value."""

    __slots__ = ("lease", "task", "refreshes")

    def __init__(self, lease: _native.Lease, task: asyncio.Task[Optional[bytes]], refreshes: bool) -> None:
        self.lease = lease
        self.task = task
        self.refreshes = refreshes


def _value_of(loaded: Loaded, ttl: TTL) -> tuple[Optional[bytes], TTL]:
    if loaded is None:
        return None, ttl
    value, ttl = loaded if isinstance(loaded, tuple) else (loaded, ttl)
    return bytes(memoryview(value)), ttl


async def _run(lease: _native.Lease, key: Key, loader: Callable[[Any], Awaitable[Loaded]], ttl: TTL) -> Optional[bytes]:
    try:
        value, ttl = _value_of(await loader(key), ttl)
        if value is None:
            lease.fail(True)
        else:
            lease.fill(value, ttl)
        return value
    except BaseException as error:
        old = lease.fail(False) if lease.held else None
        if old is None or not isinstance(error, Exception):
            raise
        return old


class AsyncLoads:
    """The loads of one store, by loop and key."""

    __slots__ = ("_by_loop", "bypass")

    def __init__(self, on_store_error: str) -> None:
        #: Whether a closed store has everything loaded, as the setting ``loader.on_store_error`` says.
        self.bypass: bool = on_store_error == "bypass"
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bytes, _Load]] = (
            weakref.WeakKeyDictionary()
        )

    async def get(
        self, store: _native.Handle, key: Key, loader: Callable[[Any], Awaitable[Loaded]], ttl: TTL
    ) -> Optional[bytes]:
        loads = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        name = _name(key)
        pause = _FIRST_LOOK
        while True:
            load = loads.get(name)
            running = load if load is not None and load.lease.current else None
            if running is not None and not running.refreshes:
                return await asyncio.shield(running.task)
            try:
                value, lease = store._lease_acquire(name)
            except LockTimeout:
                if running is not None:
                    return await asyncio.shield(running.task)
                await asyncio.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, _LONGEST_LOOK)
                continue
            except CacheClosed:
                if not self.bypass:
                    raise
                return _value_of(await loader(key), ttl)[0]
            if lease is None:
                return value
            task = self._begin(loads, name, lease, key, loader, ttl, refreshes=value is not None)
            return value if value is not None else await asyncio.shield(task)

    @staticmethod
    def _begin(
        loads: dict[bytes, _Load],
        name: bytes,
        lease: _native.Lease,
        key: Key,
        loader: Callable[[Any], Awaitable[Loaded]],
        ttl: TTL,
        refreshes: bool,
    ) -> asyncio.Task[Optional[bytes]]:
        task = asyncio.get_running_loop().create_task(_run(lease, key, loader, ttl))
        load = loads[name] = _Load(lease, task, refreshes)

        def ended(task: asyncio.Task[Optional[bytes]]) -> None:
            if loads.get(name) is load:
                del loads[name]
            if not task.cancelled():
                task.exception()  # everybody who waited may have been cancelled: nobody is to be warned then

        task.add_done_callback(ended)
        return task
