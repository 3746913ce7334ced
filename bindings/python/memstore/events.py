# SPDX-License-Identifier: Apache-2.0
"""Events: what happens to the entries of a store, told as it happens."""

from __future__ import annotations

import asyncio
import enum
import math
import queue
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Callable, ClassVar, NamedTuple, Optional

from . import _native
from ._fork import after_fork
from .errors import CacheClosed
from .stats import Alert

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class EventKind(enum.IntFlag):
    """What happened; as a mask, which events are wanted. The kind of a removal is its cause."""

    #: The entry's time was over.
    EXPIRED = 1
    #: The entry was removed to make room.
    EVICTED = 2
    #: The entry was deleted.
    DELETED = 4
    #: The entry was overwritten; the value told is the old one.
    REPLACED = 8
    #: The entry was removed by ``clear()``.
    CLEARED = 16
    #: All of the above: each entry that goes has exactly one of them.
    REMOVALS = 31
    #: Something went over its threshold, or is back: ``event.alert``; key and value are empty.
    ALERT = 32


class Event(NamedTuple):
    """An event: what happened to which entry."""

    kind: EventKind
    key: bytes
    #: The value that went.
    value: bytes
    version: int
    #: When the entry was to expire, None if never.
    expires_at: Optional[datetime]
    #: When it happened.
    at: datetime
    #: Events that this subscription lost right before this one.
    dropped: int
    #: Of an alert, which; else ``Alert(0)``.
    alert: Alert = Alert(0)
    #: Whether it is over its threshold, or back.
    raised: bool = False
    #: What was found, a share from 0 to 1.
    alert_value: float = 0.0
    #: What it is held against; 0.0 when there is no threshold any more.
    alert_threshold: float = 0.0


class EventStats(NamedTuple):
    """What the events of a store come to."""

    #: Subscriptions there are now.
    subscriptions: int
    #: Events in all queues.
    waiting: int
    #: Bytes of events that wait.
    bytes: int
    #: Bytes set aside for events, which count against the limit.
    memory: int
    #: Events that were ever put into a queue, counted in each.
    queued: int
    #: Events that were not, for want of room.
    dropped: int


def _datetime(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


_RawEvent = tuple[int, bytes, bytes, int, int, int, int, int, int, float, float]


def _event(raw: _RawEvent) -> Event:
    kind, key, value, version, expires_at, at, dropped, alert, raised, found, threshold = raw
    return Event(
        EventKind(kind),
        key,
        value,
        version,
        _datetime(expires_at) if expires_at else None,
        _datetime(at),
        dropped,
        Alert(alert),
        bool(raised),
        found,
        threshold,
    )


class Subscription(_native.Subscription):
    """A queue of events, made by ``Store.subscribe()``: an iterator, also an asynchronous one, and a context manager.

    >>> import memstore
    >>> store = memstore.Store()
    >>> with store.subscribe(EventKind.DELETED | EventKind.REPLACED) as removals:
    ...     store["k"] = b"old"
    ...     store["k"] = b"new"
    ...     store.delete("k")
    ...     store.close()
    ...     [(event.kind.name, event.key, event.value) for event in removals]
    True
    [('REPLACED', b'k', b'old'), ('DELETED', b'k', b'new')]

    Iterating waits for events and ends when the subscription is closed, or the store is and all that had happened is
    taken. Several threads may take events: each goes to one of them.
    """

    _thread: Optional[_Waiter] = None
    _caller: Optional[_Caller] = None

    def __init__(self, store: _native.Handle, kinds: int, queue_size: int, /) -> None:
        super().__init__(store, kinds, queue_size)
        after_fork(self)

    def _after_fork(self) -> None:
        """The child has the queue, which is empty, and none of the threads that waited."""
        self._forget_users()
        self._thread = None
        if self._caller is not None:
            self._caller.restart()

    def get(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event, waiting for it at most ``timeout`` seconds; None if there was none in time.

        Without a timeout it waits until there is one. Raises CacheClosed when no more will come.
        """
        milliseconds = -1 if timeout is None else max(0, math.ceil(timeout * 1000))
        raw = self._next(milliseconds)
        if raw is None:
            if timeout is None:
                return self.get()
            return None
        return _event(raw)

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            event = self.get()
        except CacheClosed:
            raise StopIteration from None
        assert event is not None
        return event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        try:
            raw = None
            if self._thread is None or self._thread.answer is None:
                raw = self._next(0)
            if raw is None:
                if self._thread is None:
                    self._thread = _Waiter(self)
                raw = await self._thread.next()
        except CacheClosed:
            raise StopAsyncIteration from None
        return _event(raw)

    def close(self) -> None:
        """End the subscription; whoever waits for an event of it stops. Closing again does nothing."""
        super().close()
        if self._thread is not None:
            self._thread.requests.put(None)
            self._thread = None

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<memstore.Subscription: {state}, {self.dropped} events dropped>"


class _Waiter:
    """A thread that waits for one event at a time, for an event loop.

    A task that is cancelled leaves its question behind: the answer is for the next one who asks, so that no event is
    lost.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.answer: Optional[asyncio.Future[_RawEvent]] = None
        self.requests: queue.SimpleQueue[Optional[asyncio.Future[_RawEvent]]] = queue.SimpleQueue()
        threading.Thread(
            target=self._run, args=(subscription,), name="memstore-events", daemon=True
        ).start()

    async def next(self) -> _RawEvent:
        if self.answer is None:
            self.answer = asyncio.get_running_loop().create_future()
            self.requests.put(self.answer)
        answer = self.answer
        raw = await asyncio.shield(answer)
        if self.answer is answer:
            self.answer = None
        return raw

    def _run(self, subscription: Subscription) -> None:
        while (answer := self.requests.get()) is not None:
            loop = answer.get_loop()
            try:
                raw = None
                while raw is None:
                    raw = subscription._next(-1)
                loop.call_soon_threadsafe(self._resolve, answer, raw, None)
            except CacheClosed as closed:
                try:
                    loop.call_soon_threadsafe(self._resolve, answer, None, closed)
                except RuntimeError:
                    pass
                return
            except RuntimeError:
                return  # the loop is closed: nobody asks any more

    @staticmethod
    def _resolve(
        answer: asyncio.Future[_RawEvent], raw: Optional[_RawEvent], error: Optional[Exception]
    ) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
            answer.exception()  # nobody has to have asked
        elif raw is not None:
            answer.set_result(raw)


class _Caller:
    """Calls a function for each event, on a thread of its own that ends with the subscription."""

    #: Those whose threads run: a child of a fork, which has not the threads, finds them here.
    _running: ClassVar[set[_Caller]] = set()

    def __init__(self, subscription: Subscription, callback: Callable[[Event], object]) -> None:
        self._subscription = subscription
        self._callback = callback
        self._running.add(self)
        self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="memstore-events", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for event in self._subscription:
            try:
                self._callback(event)
            except Exception:
                sys.excepthook(*sys.exc_info())
        self._running.discard(self)

    def restart(self) -> None:
        """In the child of a fork. If it was the callback that forked, its thread is there and goes on."""
        if self in self._running and self._thread is not threading.current_thread():
            self._start()


def call_back(subscription: Subscription, callback: Callable[[Event], object]) -> None:
    """Call a function for each event, until the subscription is closed or the store is."""
    subscription._caller = _Caller(subscription, callback)
