# SPDX-License-Identifier: Apache-2.0
"""Types of arguments."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import EllipsisType
from typing import TYPE_CHECKING, Union

if sys.version_info >= (3, 12):
    from collections.abc import Buffer as Buffer
elif TYPE_CHECKING:
    from typing_extensions import Buffer as Buffer
else:
    Buffer = Union[bytes, bytearray, memoryview]

Key = Union[str, Buffer]
#: What a loader returns: a value, a value with its TTL, or None if there is none.
Loaded = Union[Buffer, "tuple[Buffer, TTL]", None]
#: Seconds, a timedelta, None for never, or ... for the configured default.
TTL = Union[float, timedelta, None, EllipsisType]
