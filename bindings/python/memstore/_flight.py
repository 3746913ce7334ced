# SPDX-License-Identifier: Apache-2.0
"""Calls of a memoized function that overlap: who may be given what another has computed."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Optional

from .errors import LockTimeout

if TYPE_CHECKING:
    from ._types import Buffer


class Computation:
    """One call of the function: when it began and ended, in the order of its flight, and what came of it."""

    __slots__ = ("began", "data", "ended", "error")

    def __init__(self, began: int) -> None:
        self.began = began
        self.ended = 0
        #: What it returned, encoded, which the store may not take.
        self.data: Optional[Buffer] = None
        self.error: Optional[BaseException] = None


class Caller:
    """One who is in a flight: when he came, when the result had last been forgotten by then, and what he computes
    himself."""

    __slots__ = ("came", "computes", "forgotten")

    def __init__(self, came: int, forgotten: int) -> None:
        self.came = came
        self.forgotten = forgotten
        self.computes: Optional[Computation] = None


class Flight:
    """What is being computed for calls that overlap, for those who wait for another's computation: what the store gives
    none of them, and an exception that it raised is for them, too."""

    __slots__ = ("_error", "_forgotten", "_order", "_result", "callers")

    def __init__(self) -> None:
        #: The threads that wait for it, those that compute among them.
        self.callers: list[int] = []
        self._order = itertools.count(1)
        self._forgotten = 0
        #: Of the computations that have ended, well or not, those that began last.
        self._result: Optional[Computation] = None
        self._error: Optional[Computation] = None

    def join(self) -> Caller:
        self.callers.append(threading.get_ident())
        return Caller(next(self._order), self._forgotten)

    def forget(self) -> None:
        """Who joins from now on is given nothing of what began before."""
        self._forgotten = next(self._order)

    def begin(self, caller: Caller) -> Computation:
        caller.computes = Computation(next(self._order))
        return caller.computes

    def end(self, computation: Computation) -> None:
        computation.ended = next(self._order)
        if computation.error is None:
            self._result = self._later(self._result, computation)
        else:
            self._error = self._later(self._error, computation)

    @staticmethod
    def _later(one: Optional[Computation], other: Computation) -> Computation:
        return other if one is None or one.began < other.began else one

    def error_for(self, caller: Caller) -> Optional[BaseException]:
        found = caller.computes or self._for(caller, self._error)
        return found.error if found is not None else None

    def result_for(self, caller: Caller, refusal: Exception) -> Optional[Buffer]:
        """What was computed for one whom the store refuses it."""
        found = caller.computes or self._for(caller, self._result)
        # Who had no place may not have come to wait for what had begun before: the key was written since, unknown here.
        if found is None or (found.began < caller.came and isinstance(refusal, LockTimeout)):
            return None
        return found.data

    @staticmethod
    def _for(caller: Caller, other: Optional[Computation]) -> Optional[Computation]:
        """Another's computation, if a caller may have waited for it."""
        if other is None or other.began < caller.forgotten or other.ended < caller.came:
            return None
        return other
