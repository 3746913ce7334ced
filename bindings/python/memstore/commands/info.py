# SPDX-License-Identifier: Apache-2.0
"""Show the version, how it was built, and the settings.

With a configuration file, or the environment, the settings are as a store would be opened with them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys

from .. import __version__, _native
from .._text import plain
from ..settings import Configuration, names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", action="store_true", help="all settings and their values")
    parser.add_argument("--config", metavar="FILE", help="a YAML file with settings")
    parser.add_argument("--environment", action="store_true", help="take settings from MEMSTORE_... variables")
    parser.add_argument("--json", action="store_true", help="as JSON")


def build() -> dict[str, str]:
    """What this is, and of what it was made."""
    return {
        "memstore": __version__,
        "build": _native._BUILD,
        "extension": str(_native.__file__),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs",
    }


def settings(file: str | None, environment: bool) -> dict[str, str]:
    """Every setting with its value."""
    with Configuration(file=file, environment=environment) as configuration:
        return {name: configuration.get(name) for name in names()}


def run(options: argparse.Namespace) -> int:
    shown = build()
    wanted = options.settings or options.config is not None or options.environment
    values = settings(options.config, options.environment) if wanted else {}
    if options.json:
        json.dump({**shown, **({"settings": values} if wanted else {})}, sys.stdout, indent=2)
        print()
        return 0
    for rows in (shown, values):
        width = max(map(len, rows), default=0)
        for name, value in rows.items():
            print(f"{name:{width}}  {plain(value)}")
    return 0
