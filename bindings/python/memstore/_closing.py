# SPDX-License-Identifier: Apache-2.0
"""What is closed at the end of a ``with`` block."""

from __future__ import annotations

from types import TracebackType
from typing import Optional, Protocol, Self


class _Closable(Protocol):
    def close(self) -> None: ...


class Closing:
    """A context manager of what has a ``close()``."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self: _Closable,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
