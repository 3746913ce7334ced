# SPDX-License-Identifier: Apache-2.0
"""Events: what happens to the entries of a store, told as it happens."""

from __future__ import annotations

import asyncio
import enum
import heapq
import math
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Callable, ClassVar, NamedTuple, Optional

from . import _native
from ._closing import Closing
from ._fork import after_fork
from ._threads import report
from ._times import datetime_of
from .errors import CacheClosed, InvalidArgument, refused
from .stats import Alert


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


_ALL = EventKind.REMOVALS | EventKind.ALERT
#: Seconds; longer ones are as good as this.
_LONGEST_WAIT = 1e9
#: Seconds that a thread goes on without being asked for an event.
_IDLE = 1.0
#: Seconds that it takes for an event at a time, after which it sees whether it is asked still.
_TAKE = 0.2


class Event(NamedTuple):
    """An event: what happened to which entry."""

    kind: EventKind
    key: bytes
    #: The value that went.
    value: bytes
    version: int
    #: When the entry was to expire, None if never; ``datetime.max`` in UTC if that is beyond the year 9999.
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


_RawEvent = tuple[int, bytes, bytes, int, int, int, int, int, int, float, float]
#: In the order in which they were taken.
_Numbered = tuple[int, _RawEvent]


def _event(raw: _RawEvent) -> Event:
    kind, key, value, version, expires_at, at, dropped, alert, raised, found, threshold = raw
    return Event(
        EventKind(kind),
        key,
        value,
        version,
        datetime_of(expires_at) if expires_at else None,
        datetime_of(at),
        dropped,
        Alert(alert),
        bool(raised),
        found,
        threshold,
    )


class Subscription(_native.Subscription, Closing):
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

    _caller: Optional[_Caller] = None

    def __init__(self, store: _native.Handle, kinds: int, queue_size: int, /) -> None:
        if not 0 < kinds <= _ALL:
            raise refused(f"kinds are some of EventKind, not {kinds!r}", store.closed)
        if not 0 <= queue_size <= sys.maxsize:
            raise refused(f"queue_size is a number of events, or 0, not {queue_size!r}", store.closed)
        super().__init__(store, kinds, queue_size)
        after_fork(self)

    def _after_fork(self) -> None:
        """The child has the queue, which is empty, and none of the threads that waited."""
        self._forget_users()
        self.__dict__.pop("_waiter", None)
        if self._caller is not None:
            self._caller.restart()

    def get(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event, waiting for it at most ``timeout`` seconds; None if there was none in time.

        Without a timeout it waits until there is one. After a task has given up its wait for one it may take a fifth of a
        second longer, since events come in their order. Raises CacheClosed when no more will come.
        """
        if timeout is None:
            end = math.inf
        elif timeout == timeout:
            end = time.monotonic() + min(max(0.0, timeout), _LONGEST_WAIT)
        else:
            raise InvalidArgument("timeout is a number of seconds, or None")
        while True:
            left = max(0.0, end - time.monotonic())
            raw = self._take(min(left, _IDLE))
            if raw is not None:
                return _event(raw)
            if left == 0:
                return None

    def _take(self, seconds: float) -> Optional[_RawEvent]:
        """The next event, if it comes in time: also one that was taken for a task which does not wait any more."""
        waiter: Optional[_Waiter] = self.__dict__.get("_waiter")
        raw = waiter.take_left() if waiter is not None else None
        return raw if raw is not None else self._next(math.ceil(seconds * 1000))

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
        # One, also when several threads' loops ask for it at once.
        waiter: _Waiter = self.__dict__.get("_waiter") or self.__dict__.setdefault("_waiter", _Waiter(self))
        try:
            raw = await waiter.next()
        except CacheClosed:
            raise StopAsyncIteration from None
        return _event(raw)

    def close(self) -> None:
        """End the subscription; whoever waits for an event of it stops. Closing again does nothing."""
        super().close()
        waiter: Optional[_Waiter] = self.__dict__.get("_waiter")
        if waiter is not None:
            waiter.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<memstore.Subscription: {state}, {self.dropped} events dropped>"


class _Waiter:
    """Waits for the events of a subscription, on a thread, for the tasks of event loops.

    Each event goes to one task, in the order in which they asked. What was taken for a task that does not wait any more, or for
    a loop that has ended, goes to the next who asks: no event is lost.

    The thread keeps the subscription, and with it the store, alive: it ends when it has not been asked for a while, and who asks
    then starts another.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._thread: Optional[threading.Thread] = None
        # Held for what follows, also by a task that is destroyed while this thread holds it. Told when somebody asks, or of the
        # end.
        self._change = threading.Condition(threading.RLock())
        self._asking: deque[asyncio.Future[_Numbered]] = deque()
        # Given to the loops of these, which have not come to it yet.
        self._given: dict[asyncio.Future[_Numbered], _Numbered] = {}
        # A heap: what nobody has taken.
        self._left: list[_Numbered] = []
        # Whether the thread is about to have an event.
        self._taking = False
        self._taken = 0
        self._closed = False

    async def next(self) -> _RawEvent:
        answer: asyncio.Future[_Numbered] = asyncio.get_running_loop().create_future()
        with self._change:
            raw = self._at_once()
            if raw is not None:
                return raw
            self._have_thread()
            self._asking.append(answer)
            self._change.notify_all()
        try:
            return (await answer)[1]
        except BaseException:
            with self._change:
                self._give_up(answer)
                self._change.notify_all()
            raise

    def take_left(self) -> Optional[_RawEvent]:
        """What was taken, or is about to be, for a task that does not wait any more, unless another one is to have it."""
        with self._change:
            self._change.wait_for(lambda: self._asking or not self._taking)
            return None if self._asking else self._take_left()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._left.clear()
            self._change.notify_all()

    # ---- With the lock held

    def _take_left(self) -> Optional[_RawEvent]:
        for answer in [answer for answer in list(self._given) if answer.get_loop().is_closed()]:
            heapq.heappush(self._left, self._given.pop(answer))
        return heapq.heappop(self._left)[1] if self._left else None

    def _at_once(self) -> Optional[_RawEvent]:
        """An event that need not be waited for."""
        raw = self._take_left()
        if raw is not None:
            return raw
        return None if self._asking or self._taking else self._subscription._next(0)

    def _have_thread(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="memstore-events", daemon=True)
            thread.start()
            self._thread = thread

    def _give_up(self, answer: asyncio.Future[_Numbered]) -> None:
        """A task does not wait any more. What was given to its loop and has not arrived comes back from there."""
        if answer in self._asking:
            self._asking.remove(answer)
        elif answer.done() and not answer.cancelled() and answer.exception() is None:
            self._give(answer.result())

    def _give(self, event: _Numbered) -> None:
        """Give an event to the one who has asked first, or keep it for one who will."""
        while self._asking:
            answer = self._asking.popleft()
            try:
                answer.get_loop().call_soon_threadsafe(self._arrive, answer)
            except RuntimeError:
                continue  # the loop is closed
            self._given[answer] = event
            return
        heapq.heappush(self._left, event)

    def _end(self, closed: CacheClosed) -> None:
        """Tell all who have asked that no more will come."""
        while self._asking:
            answer = self._asking.popleft()
            try:
                answer.get_loop().call_soon_threadsafe(self._refuse, answer, CacheClosed(*closed.args))
            except RuntimeError:
                pass

    # ---- On the loop of who has asked

    def _arrive(self, answer: asyncio.Future[_Numbered]) -> None:
        with self._change:
            event = self._given.pop(answer, None)
            if event is None:
                return
            if answer.done():
                self._give(event)
            else:
                answer.set_result(event)

    @staticmethod
    def _refuse(answer: asyncio.Future[_Numbered], closed: CacheClosed) -> None:
        if not answer.done():
            answer.set_exception(closed)

    # ---- On the thread

    def _run(self) -> None:
        while self._is_wanted():
            raw = None
            try:
                raw = self._subscription._next(math.ceil(_TAKE * 1000))
            except CacheClosed as closed:
                with self._change:
                    self._taking = False
                    self._thread = None
                    self._end(closed)
                    self._change.notify_all()
                return
            except Exception:  # no memory for what it held
                report()
            with self._change:
                self._taking = False
                if raw is not None:
                    self._taken += 1
                    self._give((self._taken, raw))
                self._change.notify_all()

    def _is_wanted(self) -> bool:
        """Wait until somebody asks. Otherwise the thread ends."""
        with self._change:
            self._change.wait_for(lambda: self._asking or self._closed, _IDLE)
            self._taking = bool(self._asking) and not self._closed
            if not self._taking:
                self._thread = None
            if self._closed:
                self._end(CacheClosed("the subscription is closed"))
            return self._taking


class _Caller:
    """Calls a function for each event, on a thread of its own that ends with the subscription."""

    #: Those whose threads run: a child of a fork, which has not the threads, finds them here.
    _running: ClassVar[set[_Caller]] = set()

    def __init__(self, subscription: Subscription, callback: Callable[[Event], object]) -> None:
        self._subscription = subscription
        self._callback = callback
        self._start()

    def _start(self) -> None:
        self._running.add(self)
        try:
            self._thread = threading.Thread(target=self._run, name="memstore-events", daemon=True)
            self._thread.start()
        except BaseException:  # nobody takes events
            self._running.discard(self)
            self._subscription.close()
            raise

    def _run(self) -> None:
        try:
            while self._call_once():
                pass
        except BaseException:  # SystemExit ends this thread: then nobody takes events any more
            self._running.discard(self)
            self._subscription.close()
            raise
        self._running.discard(self)

    def _call_once(self) -> bool:
        """Whether more may come."""
        try:
            event = self._subscription.get()
        except CacheClosed:
            return False
        except Exception:  # no memory for what it held
            report()
            return True
        assert event is not None
        try:
            self._callback(event)
        except Exception:
            report()
        return True

    def restart(self) -> None:
        """In the child of a fork. If it was the callback that forked, its thread is there and goes on."""
        if self in self._running and self._thread is not threading.current_thread():
            self._start()


def call_back(subscription: Subscription, callback: Callable[[Event], object]) -> None:
    """Call a function for each event, until the subscription is closed or the store is."""
    subscription._caller = _Caller(subscription, callback)
