# SPDX-License-Identifier: Apache-2.0
"""Watch a store: hit ratio, throughput, latencies, memory by kind, hot keys.

SOURCE is the file of monitoring.export_metrics; or where a program hands its metrics out: http://host:port/metrics,
https://..., or unix:/path/of/a/socket. With several stores in it, --store names one by a part of its labels. It needs the
packages rich and prometheus_client: pip install 'memstore[top]'. Ctrl-C ends it. Without a terminal it prints each look.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ..top.reading import Change
    from ..top.source import Source

HISTORY = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="time between looks (1)")
    parser.add_argument("--store", default="", metavar="TEXT", help="the store whose labels contain this")
    parser.add_argument("--once", action="store_true", help="look twice, print, and end")


class Watch:
    """Reads a source again and again and remembers what is needed to tell what changes."""

    def __init__(self, source: Source, wanted: str) -> None:
        self._source = source
        self._wanted = wanted
        self._last: Change | None = None
        self.history: collections.deque[float | None] = collections.deque(maxlen=HISTORY)
        self.name: str = ""

    def look(self) -> Change:
        """What changed since the look before. The same as then while nothing new was written."""
        from ..page.samples import choose
        from ..top.reading import Change, parse

        self.name, reading = choose(parse(*self._source.read()), self._wanted)
        if self._last is None or reading.time != self._last.now.time:
            self._last = Change(None if self._last is None else self._last.now, reading)
            self.history.append(self._last.hit_ratio())
        return self._last

    @property
    def last(self) -> Change | None:
        """What the last look saw."""
        return self._last


def _print_once(watch: Watch, options: argparse.Namespace) -> int:
    from rich.console import Console

    from ..top.screen import render

    watch.look()
    time.sleep(options.interval)
    change = watch.look()
    console = Console()
    console.print(render(watch.name or options.source, change, watch.history, console.width))
    return 0


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM ends what is inside as an exception does, so that the terminal is given back."""

    def end(*_: object) -> NoReturn:
        sys.exit(143)

    if threading.current_thread() is not threading.main_thread():
        yield  # which gets no signals
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _looks(watch: Watch, options: argparse.Namespace, console: Console, whole: bool) -> Iterator[RenderableType]:
    """A picture each interval; of any height if it is to be whole."""
    from ..top.screen import render

    while True:
        notice = None
        try:
            watch.look()
        except (OSError, ValueError) as failure:
            notice = f"{failure}; what is shown is older"
        assert watch.last is not None
        width, height = console.size
        yield render(
            watch.name or options.source, watch.last, watch.history, width, None if whole else height, notice
        )
        time.sleep(options.interval)


def _watch(watch: Watch, options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.live import Live

    watch.look()  # what is wrong from the beginning ends the program
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal:
        with _ending_in_order(), Live(console=console, screen=True, auto_refresh=False) as live:
            for picture in _looks(watch, options, console, whole=False):
                live.update(picture, refresh=True)
    else:
        for picture in _looks(watch, options, console, whole=True):
            console.print(picture)
            console.file.flush()
    return 0


def run(options: argparse.Namespace) -> int:
    if not options.interval > 0:
        raise ValueError("--interval: a time above 0")
    if options.interval > threading.TIMEOUT_MAX:
        raise ValueError(f"--interval: at most {threading.TIMEOUT_MAX:.0f} s")
    try:
        import prometheus_client  # noqa: F401
        import rich  # noqa: F401
    except ImportError as missing:
        print(f"memstore top: {missing}; pip install 'memstore[top]' has what it needs", file=sys.stderr)
        return 1
    from ..top.source import open_source

    watch = Watch(open_source(options.source), options.store)
    try:
        return _print_once(watch, options) if options.once else _watch(watch, options)
    except KeyboardInterrupt:
        return 0


def main() -> int:
    """``memstore-top``."""
    from ..__main__ import main as run_command

    return run_command(["top", *sys.argv[1:]])
