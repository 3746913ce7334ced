# SPDX-License-Identifier: Apache-2.0
"""What a store raises. Everything derives from :class:`Error`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import ClassVar

from . import _native


class Error(Exception):
    """A call of a store failed; nothing was changed by it."""

    #: The C library's status, such as ``MEMSTORE_ERR_CACHE_FULL``.
    status: ClassVar[str] = ""


def _shown(key: object) -> str:
    """A key as messages show it: keys can be long, and buffers tell nothing of what is in them."""
    if isinstance(key, memoryview):
        key = bytes(key)
    if isinstance(key, (str, bytes, bytearray)) and len(key) > _LONGEST_SHOWN:
        return repr(key[:_LONGEST_SHOWN]) + "…"
    return repr(key)


#: Of a key in a message.
_LONGEST_SHOWN = 64


class KeyNotFound(Error, KeyError):
    """No live entry has the key, which is ``args[0]`` as with ``KeyError``."""

    status = "MEMSTORE_ERR_KEY_NOT_FOUND"

    def __str__(self) -> str:
        return f"no live entry has the key {_shown(self.args[0])}" if self.args else "no live entry has the key"


class CacheFull(Error):
    """Eviction is off and the memory limit is reached."""

    status = "MEMSTORE_ERR_CACHE_FULL"


class EntryTooLarge(Error, ValueError):
    """Key and value are above ``max_entry_size``, or could never fit the memory limit."""

    status = "MEMSTORE_ERR_ENTRY_TOO_LARGE"


class CacheClosed(Error):
    """The store is closed."""

    status = "MEMSTORE_ERR_CACHE_CLOSED"


class InvalidTTL(Error, ValueError):
    """The TTL is not positive, not finite, or outside ``ttl.min_ttl`` .. ``ttl.max_ttl``."""

    status = "MEMSTORE_ERR_INVALID_TTL"


class TTLExpired(KeyNotFound):
    """The time asked for has passed, or the entry has run out just now."""

    status = "MEMSTORE_ERR_TTL_EXPIRED"

    def __str__(self) -> str:
        about = f" (key {_shown(self.args[0])})" if self.args else ""
        return f"the time asked for has passed, or the entry has just run out{about}"


class TTLNotSet(Error):
    """The entry never expires."""

    status = "MEMSTORE_ERR_TTL_NOT_SET"


class TTLUpdateFailed(Error):
    """The entry was replaced while its TTL was being changed."""

    status = "MEMSTORE_ERR_TTL_UPDATE_FAILED"


class MemoryExhausted(Error, MemoryError):
    """The system gave no memory, or views hold all of it."""

    status = "MEMSTORE_ERR_MEMORY_EXHAUSTED"


class MemoryFragmentation(Error):
    """compact() could not bring the dead bytes under the bound asked for."""

    status = "MEMSTORE_ERR_MEMORY_FRAGMENTATION"


class ShardOverflow(Error):
    """One shard's index cannot grow within the memory limit."""

    status = "MEMSTORE_ERR_SHARD_OVERFLOW"


class GCPressure(Error):
    """A write waited ``performance.lock_timeout`` for reclaimed memory and got none."""

    status = "MEMSTORE_ERR_GC_PRESSURE"


class InvalidArgument(Error, ValueError):
    """An argument is empty where that is not allowed, or outside its range."""

    status = "MEMSTORE_ERR_INVALID_ARGUMENT"


class InvalidConfig(Error, ValueError):
    """A setting is unknown, has the wrong type or unit, or contradicts another."""

    status = "MEMSTORE_ERR_INVALID_CONFIG"


class InvalidPattern(Error, ValueError):
    """The pattern is malformed: an open bracket, or a backslash at its end."""

    status = "MEMSTORE_ERR_INVALID_PATTERN"


class LockTimeout(Error, TimeoutError):
    """A lock was not had within ``performance.lock_timeout``."""

    status = "MEMSTORE_ERR_LOCK_TIMEOUT"


class LoaderFailed(Error):
    """The loader of another thread, which was waited for, failed; or a loader asked for the key that it loads."""

    status = "MEMSTORE_ERR_LOADER_FAILED"


class LoadRetry(Exception):
    """Raised by a loader that wants to be called again after a pause: see ``Store.get_or_load()``."""


class NotANumber(Error, ValueError):
    """The value is not a decimal 64-bit integer, or the sum would overflow one."""

    status = "MEMSTORE_ERR_NOT_A_NUMBER"


class IOFailed(Error, OSError):
    """Reading or writing a file failed."""

    status = "MEMSTORE_ERR_IO"


class CorruptSnapshot(Error):
    """A snapshot is damaged, cut off, or none; nothing of it was loaded."""

    status = "MEMSTORE_ERR_CORRUPT_SNAPSHOT"


class Cancelled(Error):
    """A function that was told of the progress asked for the end, by returning something true."""

    status = "MEMSTORE_ERR_CANCELLED"


class Unsupported(Error):
    """The store does not keep what was asked for, or cannot change it while it is open."""

    status = "MEMSTORE_ERR_UNSUPPORTED"


@contextlib.contextmanager
def needing(setting: str) -> Iterator[None]:
    """Has Unsupported tell which setting a call needs."""
    try:
        yield
    except Unsupported:
        raise Unsupported(f"this needs the setting {setting}") from None


def refused(why: str, closed: bool) -> Error:
    """What a call raises that is given an argument which it cannot take. To a closed store nothing else matters."""
    return CacheClosed("the store is closed") if closed else InvalidArgument(why)


@contextlib.contextmanager
def naming(pattern: object) -> Iterator[None]:
    """Has InvalidPattern show the pattern."""
    try:
        yield
    except InvalidPattern as failure:
        raise InvalidPattern(f"{failure} (pattern {_shown(pattern)})") from None


#: Why a store may not take a value although nothing is wrong with the call.
NO_ROOM = (EntryTooLarge, CacheFull, GCPressure, MemoryExhausted, ShardOverflow, LockTimeout)


def _subclasses(base: type[Error]) -> list[type[Error]]:
    found = [base]
    for derived in base.__subclasses__():
        found += _subclasses(derived)
    return found


#: What MEMSTORE_LOAD_RETRY is in ``memstore/loader.h``.
_LOAD_RETRY = 2
#: 0 stands for the class of the statuses that have none of their own.
_native.register_errors(
    {getattr(_native, c.status) if c.status else 0: c for c in _subclasses(Error)} | {_LOAD_RETRY: LoadRetry}
)
