# SPDX-License-Identifier: Apache-2.0
"""What has to be put right in the child of a ``fork()``, which has one thread and the locks as the others left them."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

from ._threads import report


class Forked(Protocol):
    """Something that knows what other threads may have been at."""

    def _after_fork(self) -> None:
        """In the child, with its one thread: make locks anew, forget other threads, start those that are needed."""
        ...


_all: weakref.WeakSet[Forked] = weakref.WeakSet()


def after_fork(forked: Forked) -> None:
    """Have something put right in each child, for as long as it is alive."""
    _all.add(forked)


def _in_child() -> None:
    for forked in list(_all):
        try:
            forked._after_fork()
        except Exception:  # it had a thread that cannot be had again: the others still have their locks
            report()


os.register_at_fork(after_in_child=_in_child)
