# SPDX-License-Identifier: Apache-2.0
"""Patterns made of bytes that may hold anything."""

from __future__ import annotations

import re

_SPECIAL = re.compile(rb"[*?\[\]\\]")


def starting_with(start: bytes) -> bytes:
    """The pattern of all keys that begin with these bytes."""
    return _SPECIAL.sub(rb"\\\g<0>", start) + b"*"
