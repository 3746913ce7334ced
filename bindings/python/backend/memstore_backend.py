# SPDX-License-Identifier: Apache-2.0
"""meson-python, told to leave the stable ABI alone on free-threaded Pythons, for which the package is built without it.

Without this `pip install` would have to be told so by hand there."""

from __future__ import annotations

import sysconfig
from typing import Any, Optional

import mesonpy
from mesonpy import get_requires_for_build_editable, get_requires_for_build_sdist, get_requires_for_build_wheel

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

_OPTION = "-Dpython.allow_limited_api=false"
Settings = Optional[dict[str, Any]]


def _settings(given: Settings) -> Settings:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return given
    settings = dict(given or {})
    before = settings.get("setup-args", [])
    settings["setup-args"] = [*([before] if isinstance(before, str) else before), _OPTION]
    return settings


def build_sdist(directory: str, config_settings: Settings = None) -> str:
    return mesonpy.build_sdist(directory, _settings(config_settings))


def build_wheel(directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None) -> str:
    return mesonpy.build_wheel(directory, _settings(config_settings), metadata_directory)


def build_editable(directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None) -> str:
    return mesonpy.build_editable(directory, _settings(config_settings), metadata_directory)
