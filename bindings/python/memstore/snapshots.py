# SPDX-License-Identifier: Apache-2.0
"""How far saving, loading and warming have come, and what a snapshot tells about itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Optional

from .errors import IOFailed, refused
from .settings import Path


class Phase(IntEnum):
    """What is being done."""

    SAVING = 1
    VERIFYING = 2
    LOADING = 3
    WARMING = 4


class Progress(NamedTuple):
    """How far a call has come. The counts are of entries, and of keys when warming."""

    phase: Phase
    #: Of this phase.
    done: int
    #: Of as many; while saving an estimate.
    total: int
    #: Saved to the file, or stored in the store.
    stored: int
    #: Passed over, because the store holds the key already.
    present: int
    #: Passed over, because they have expired meanwhile.
    expired: int
    #: Passed over, because they do not fit the store.
    left_out: int
    #: Keys that the loader does not know.
    absent: int
    #: Keys that could not be loaded.
    failed: int


class SnapshotInfo(NamedTuple):
    """What the beginning of a snapshot tells."""

    #: Of the format.
    version: int
    compressed: bool
    saved_at: datetime
    entries: int
    #: Of the file.
    bytes: int


@contextlib.contextmanager
def saying_why(path: Path, closed: bool = False) -> Iterator[None]:
    """Has IOFailed name the file, beside the reason."""
    if not os.fspath(path):
        raise refused("a path is not empty", closed)
    try:
        yield
    except IOFailed as failure:
        if failure.errno is None or failure.filename is not None:  # a function's that is told the progress
            raise
        raise IOFailed(failure.errno, failure.strerror, os.fspath(path)) from None


def progress_of(fields: tuple[int, ...]) -> Progress:
    return Progress(Phase(fields[0]), *fields[1:])


def telling(progress: Optional[Callable[[Progress], object]]) -> Optional[Callable[..., object]]:
    """A function of the fields for one of their tuple."""
    if progress is None:
        return None
    return lambda *fields: progress(progress_of(fields))
