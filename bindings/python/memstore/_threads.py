# SPDX-License-Identifier: Apache-2.0
"""What the threads that are started here have in common."""

from __future__ import annotations

import contextlib
import sys


def report() -> None:
    """Tell of the exception at hand, as of one that nobody has caught; what fails in that ends no thread either."""
    try:
        sys.excepthook(*sys.exc_info())
    except Exception:
        with contextlib.suppress(Exception):
            sys.__excepthook__(*sys.exc_info())
