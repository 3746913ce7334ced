# SPDX-License-Identifier: Apache-2.0
"""From Python values to the settings of the C library, which are named by paths and valued by text."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Optional, SupportsFloat, SupportsIndex, Union

from . import _native
from .errors import InvalidConfig

#: Text with units is passed on as it is: "64MB", "1h". Numbers are bytes or counts, and seconds where the setting is a
#: duration.
Setting = Union[str, int, float, bool, timedelta, "os.PathLike[str]", None]
Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
#: Settings by path, nested or dotted: {"ttl": {"default_ttl": "1h"}} or {"ttl.default_ttl": "1h"}.
Settings = Mapping[str, Union[Setting, "Settings"]]



def _paths() -> Iterator[str]:
    """The path of each setting there is."""
    number = 0
    while (path := _native.config_key(number)) is not None:
        yield path
        number += 1


def _by_name() -> dict[str, str]:
    """The paths by all that settings may be called: the path itself, and without its section where that is unique."""
    paths = list(_paths())
    last = [path.rpartition(".")[2] for path in paths]
    short = {name: path for name, path in zip(last, paths) if last.count(name) == 1}
    return short | {path: path for path in paths}


_PATHS = _by_name()


def names() -> list[str]:
    """The paths of all settings."""
    return list(_paths())


def is_setting(name: str) -> bool:
    """Whether a setting is called so: by its path, or without the section."""
    return name.replace("__", ".").removeprefix("storage.memory.") in _PATHS


def is_section(name: str) -> bool:
    """Whether settings stand together under such a name."""
    start = name.replace("__", ".").removeprefix("storage.memory.") + "."
    return name in ("storage", "storage.memory") or any(path.startswith(start) for path in _PATHS.values())


def _flatten(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Setting]]:
    for name, value in settings.items():
        path = prefix + _name(name)
        if isinstance(value, Mapping) and (value or is_section(path)):
            yield from _flatten(value, path + ".")
        elif isinstance(value, Mapping):
            yield path, ""  # for which the library says what is wrong
        else:
            yield path, value


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise InvalidConfig(f"the name of a setting is a str, not {name!r}")
    return name.replace("__", ".")


def _number(value: object) -> Union[int, float, None]:
    """A number of whatever type, such as numpy's."""
    try:
        if isinstance(value, SupportsIndex):
            return operator.index(value)
        return float(value) if isinstance(value, SupportsFloat) else None
    except TypeError:
        return None


def _digits(number: Union[int, float]) -> str:
    """A number as the library reads it: with at most 6 digits after the point. What is almost nothing is not the 0 that
    stands for none."""
    if isinstance(number, int) or not math.isfinite(number):
        return str(number)
    rounded = round(number, 6) or math.copysign(1e-6, number) * (number != 0)
    return f"{rounded:.6f}".rstrip("0").rstrip(".")


def _c_text(path: str, text: str) -> str:
    if "\0" in text:
        raise InvalidConfig(f"{path!r}: a setting's name and value cannot hold NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidConfig(f"{path!r}: {text!r} is no text that has a form in UTF-8") from None
    return text


def _require_settings(given: object) -> None:
    """A store has a length, so that an empty one would pass for no settings; and a cache is a mapping."""
    is_open = isinstance(given, _native.Handle) or isinstance(getattr(given, "store", None), _native.Handle)
    if isinstance(given, Mapping) and not is_open:
        return
    beside = ": each Store and Cache opens one of its own, it takes none that is open" if is_open else ""
    raise TypeError(f"settings are a mapping or keywords, not {type(given).__name__}{beside}")


class Configuration:
    """A ``memstore_config`` of the C library, filled from a file, the environment and Python values, in this order; a
    context manager."""

    def __init__(self, *sources: Settings, file: Optional[Path] = None, environment: bool = False) -> None:
        for source in sources:
            _require_settings(source)
        self.handle: _native._Config = _native.config_new()
        try:
            if file is not None:
                _native.config_load_file(self.handle, file)
            if environment:
                _native.config_load_environment(self.handle)
            for source in sources:
                for name, value in _flatten(source):
                    self._set(self._path(name), value)
        except BaseException:
            _native.config_free(self.handle)
            raise

    def __enter__(self) -> Configuration:
        return self

    def __exit__(self, *exc_info: object) -> None:
        _native.config_free(self.handle)

    def get(self, path: str) -> str:
        """A setting as text."""
        return _native.config_get(self.handle, path)

    def _path(self, name: str) -> str:
        path = _PATHS.get(name.removeprefix("storage.memory."))
        if path is None:
            self.get(_c_text(name, name))  # raises, with the nearest known name
            raise AssertionError(f"{name} is a setting that was not listed")
        return path

    def _set(self, path: str, value: Setting) -> None:
        _native.config_set(self.handle, path, self._text(path, value))

    def named(self, name: str, value: Setting) -> tuple[str, str]:
        """The path and the text of a setting as people may write them."""
        path = self.path(name)
        return path, self._text(path, value)

    def path(self, name: str) -> str:
        """The path of a setting as people may write it."""
        return self._path(_name(name))

    def _text(self, path: str, value: Setting) -> str:
        if isinstance(value, str):
            return _c_text(path, value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, os.PathLike):
            return _c_text(path, os.fsdecode(value))
        if value is None:
            return "" if self._is_text(path) else "0"
        if isinstance(value, timedelta):
            return self._milliseconds(path, value.total_seconds())
        number = _number(value)
        if number is not None:
            if not self._is_text(path) and self._is_duration(path):
                return self._milliseconds(path, number)
            return _digits(number)
        raise InvalidConfig(f"{path}: {value!r} is no str, number, bool, timedelta or None")

    def _is_text(self, path: str) -> bool:
        """Whether the library takes any text for this setting."""
        before = self.get(path)
        try:
            _native.config_set(self.handle, path, "any text")
        except InvalidConfig:
            return False
        _native.config_set(self.handle, path, before)
        return True

    def _is_duration(self, path: str) -> bool:
        """Whether the library takes a duration for this setting: only such a one accepts a unit of time."""
        before = self.get(path)
        try:
            _native.config_set(self.handle, path, "1h")
        except InvalidConfig:
            return False
        _native.config_set(self.handle, path, before)
        return True

    @staticmethod
    def _milliseconds(path: str, seconds: float) -> str:
        if not math.isfinite(seconds):
            raise InvalidConfig(f"{path}: {seconds!r} is not a finite number of seconds")
        milliseconds = round(seconds * 1000)
        # What is almost nothing is not the 0 that stands for no limit.
        return f"{milliseconds or (seconds > 0) - (seconds < 0)}ms"
