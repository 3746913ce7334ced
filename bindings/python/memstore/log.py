# SPDX-License-Identifier: Apache-2.0
"""The log of a store, for ``logging``."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from typing import Optional, Union

from . import _native
from ._fork import after_fork
from ._threads import report

#: Levels of the library, by its numbers.
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}

#: What ``Store(logger=...)`` takes: a logger, or True for ``logging.getLogger("memstore")``.
Logger = Union[logging.Logger, bool, None]

_Value = Union[str, int, float, bool]
_Record = tuple[int, int, int, str, str, str, dict[str, _Value]]

_readers: weakref.WeakSet[LogReader] = weakref.WeakSet()


def logger_of(logger: Logger) -> Optional[logging.Logger]:
    """The logger that is meant."""
    if isinstance(logger, logging.Logger):
        return logger
    if logger is None or logger is False:
        return None
    if logger is True:
        return logging.getLogger("memstore")
    raise TypeError(f"logger is a logging.Logger, True or None, not {logger!r}")


class LogReader:
    """Hands the records of a store to a logger, on a thread of its own that ends with the store."""

    def __init__(self, configuration: _native._Config, logger: logging.Logger) -> None:
        self.queue: _native.LogQueue = _native.LogQueue()
        self._logger = logger
        _native.set_logger(configuration, self._level(), self.queue)
        self._start()
        _readers.add(self)
        after_fork(self)

    def _level(self) -> int:
        return max((number for number, level in _LEVELS.items() if self._logger.isEnabledFor(level)), default=0)

    def _start(self) -> None:
        thread = threading.Thread(target=_hand_out, args=(self.queue, self._logger), name="memstore-log", daemon=True)
        thread.start()
        self._thread = thread

    def end(self, timeout: Optional[float] = None) -> None:
        """No more records come; wait until the logger has got all."""
        self.queue.end()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def _after_fork(self) -> None:
        """The child has the queue and not the thread."""
        self.queue.forget()
        self._start()


def _hand_out(queue: _native.LogQueue, logger: logging.Logger) -> None:
    while True:
        try:
            records = queue.take()
        except Exception:  # no memory for them
            report()
            continue
        if records is None:
            return
        for record in records:
            try:
                _log(logger, record)
            except Exception:  # what fails in a logger ends no thread
                report()


def _log(logger: logging.Logger, record: _Record) -> None:
    number, at_ms, suppressed, store, event, message, fields = record
    level = _LEVELS[number]
    if not logger.isEnabledFor(level):
        return
    known: dict[str, _Value] = {"store": store} if store else {}
    if suppressed:
        known["suppressed"] = suppressed
    known |= fields
    text = " ".join([f"{event}: {message}", *(f"{name}={value!r}" for name, value in known.items())])
    made = logger.makeRecord(
        logger.name, level, "memstore", 0, "%s", (text,), None, extra={"memstore": {"event": event} | known}
    )
    made.created = at_ms / 1000
    made.msecs = float(at_ms % 1000)
    logger.handle(made)


def _end_all() -> None:
    for reader in list(_readers):
        reader.end(timeout=1)


atexit.register(_end_all)
