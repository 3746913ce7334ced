# SPDX-License-Identifier: Apache-2.0
"""``python -m memstore COMMAND``: see memstore/commands."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Optional

from . import __version__, commands
from ._text import plain
from .errors import Error


def _modules() -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__) if not module.name.startswith("_"))
    return [importlib.import_module(f"{commands.__name__}.{name}") for name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m memstore", description="An in-memory store for hot data.")
    parser.add_argument("--version", action="version", version=f"memstore {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in _modules():
        lines = (module.__doc__ or "").splitlines()
        command = subparsers.add_parser(
            module.__name__.rpartition(".")[2],
            help=lines[0] if lines else None,  # python -OO has none
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if sys.stdout is None:
            raise ValueError("the standard output is closed")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # not every terminal has every character
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Nobody reads on, as with `| head`. What is left is not to be complained of when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a program that the signal ends
    except KeyboardInterrupt:
        return 130  # likewise
    except (Error, MemoryError, OSError, OverflowError, ValueError) as failure:
        # It may repeat what a file or a server says.
        print(f"memstore: {plain(str(failure)) or 'there is no memory for it'}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
