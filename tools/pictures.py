#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw docs/images: memstore-top and the report as they look on a store in use.

usage: python tools/pictures.py [FOLDER]

The Python package is installed with what memstore-top needs, and the program chromium is there for the report.
"""

import io
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

import memstore
from memstore.commands.top import Watch
from memstore.top.screen import render
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

ROOT = pathlib.Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 80, 24  # of the terminal
PAGE = "920,1640"  # of the report, as much of it as shows the curve
SCALE = 0.75
SECONDS = 16
NAME = "store=accounts"


class Texts:
    """What the store tells, a second apart."""

    def __init__(self, store):
        self._store = store

    def read(self):
        return time.monotonic(), self._store.metrics_text()


def use(store, seconds):
    """Accounts, a few of which are read most; and a state that is loaded, at times in vain."""

    def load(_key):
        if random.random() < 0.1:
            raise OSError("the database does not answer")
        return random.randbytes(200)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(200):
            hot = random.random() < 0.06
            key = "chain/head" if hot else f"account/{int(150_000 * random.random() ** 4):06d}"
            if store.get(key) is None:
                size = random.choice((60, 100, 200, 400, 900, 4000))
                store.set(key, random.randbytes(size), ttl=random.choice((None, 30, 600, 3600)))
        try:
            store.get_or_load(f"state/{random.randrange(2000)}", load)
        except OSError:
            pass


def draw_top(watch, path):
    console = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
    console.print(render(NAME, watch.last, watch.history, WIDTH, HEIGHT))
    drawn = console.export_svg(title="memstore-top", theme=DIMMED_MONOKAI)
    # The reader's own font.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    path.write_text("\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n", encoding="utf-8")


def draw_report(store, path):
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "report.html"
        page.write_text(store.advise().to_html(metrics=store.metrics_text()), encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
        command += [f"--window-size={PAGE}", f"--force-device-scale-factor={SCALE}", f"--screenshot={path}", page.as_uri()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def main():
    folder = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "docs/images"
    folder.mkdir(parents=True, exist_ok=True)
    random.seed(1)
    settings = {
        "memory_limit": "24MB",
        "eviction": "lru",
        "track_operation_latency": True,
        "access_sample_ratio": 0.2,
        "hit_rate_threshold": 0.8,
        "metrics_interval": "1s",
    }
    with memstore.Store(**settings) as store:
        watch = Watch(Texts(store), "")
        for _ in range(SECONDS):
            use(store, 1)
            watch.look()
        draw_top(watch, folder / "memstore-top.svg")
        draw_report(store, folder / "report.png")


if __name__ == "__main__":
    main()
