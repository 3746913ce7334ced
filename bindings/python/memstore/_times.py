# SPDX-License-Identifier: Apache-2.0
"""Points of time, as the library has them and as Python has them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Union

from .errors import InvalidArgument

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST = datetime.max.replace(tzinfo=timezone.utc)


def datetime_of(milliseconds: int) -> datetime:
    """Unix milliseconds as an aware datetime in UTC; what is beyond the year 9999 as the last that there is."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _LAST


def unix_seconds(when: Union[datetime, float]) -> float:
    """A point of time as Unix seconds."""
    if not isinstance(when, datetime):
        return when
    if when.tzinfo is None:
        raise InvalidArgument("a datetime without a time zone is no point of time; use e.g. datetime.now(timezone.utc)")
    return when.timestamp()
