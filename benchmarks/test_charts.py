#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the scripts that draw results, and of bench_smoothness as a program.

usage: test_charts.py BENCH_SMOOTHNESS
"""

import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCH = None
HERE = pathlib.Path(__file__).resolve().parent
PLOT_BENCH, PLOT_PEERS = HERE / "plot_bench.py", HERE / "peers/plot_peers.py"

PAGE = """# Caches

| | memstore | other |
|---|--:|--:|
| get | **10** | 25 |
| set | 40 | - |

|  | memstore |
|---|--:|
| later | 1 |
"""


def reads():
    cells = [{"keys": "uniform", "threads": 1, "operation": "loop", "median_ns": 50}]
    for operation in ("get", "has", "get_view", "get_many16"):
        cells.append({"keys": "uniform", "threads": 1, "operation": operation, "ratio": 1.25})
    return {"cells": cells}


def misses():
    line = {"trace": "loop", "measure": "object", "share_percent": 1.0, "miss_ratio": 0.5, "points_to_best": 1}
    return {"lines": [{**line, "policy": policy, "reference": 0.6} for policy in ("adaptive", "lru")]}


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "this Python has no matplotlib")
class ChartsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def python(self, *arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    def draw_bench(self, results):
        path = self.folder / "results.json"
        path.write_text(json.dumps(results))
        return self.python(PLOT_BENCH, path, "--output", self.folder)

    def test_every_benchmark_that_was_run_is_drawn(self):
        tails = self.folder / "tails.json"
        command = [BENCH, "--seconds", "1", "--limit", "4MiB", "--json", tails]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        point = {"get_ns": 1, "overwrite_ns": 2, "fill_ns": 3}
        growth = {"entries": [{"entries": 10, **point}], "threads": [{"threads": 1, **point}]}
        steps = {
            "roofline, huge pages": (reads(), "get_many of 16"),
            "tails": (json.loads(tails.read_text()), "of a million calls"),
            "eviction": (misses(), "memstore, adaptive"),
            "growth": (growth, "ns a call"),
        }
        done = self.draw_bench(
            {
                "environment": {"processor": "some, 2 in use", "date": "2026-01-02T03:04:05"},
                "steps": [{"name": name, "results": results} for name, (results, _) in steps.items()],
            }
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        pictures = ("reads.svg", "tails.svg", "miss-ratios.svg", "growth.svg")
        for picture, (_, wanted) in zip(pictures, steps.values()):
            self.assertIn(wanted, (self.folder / picture).read_text())

    def test_results_without_a_picture_are_refused(self):
        environment = {"processor": "some", "date": "2026-01-02"}
        done = self.draw_bench({"environment": environment, "steps": [{"name": "memory", "results": [1]}]})
        self.assertIn("nothing that is drawn", done.stderr)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no results of run.py", self.draw_bench({}).stderr)

    def draw_peers(self, text, *rows):
        page, picture = self.folder / "page.md", self.folder / "peers.svg"
        page.write_text(text)
        named = [argument for row in rows for argument in ("--row", row)]
        return self.python(PLOT_PEERS, page, *named, "--output", picture), picture

    def test_the_first_table_of_caches_is_drawn(self):
        done, picture = self.draw_peers(PAGE, "get", "set")
        self.assertEqual(done.returncode, 0, done.stderr)
        for wanted in ("memstore", "other", ">get<", ">set<", ">10<", ">25<", ">40<"):
            self.assertIn(wanted, picture.read_text())

    def test_rows_and_tables_that_are_not_there_are_named(self):
        done, _ = self.draw_peers(PAGE, "later")
        self.assertIn("there is no row 'later'; there are 'get', 'set'", done.stderr)
        done, _ = self.draw_peers("| | some |\n|---|--:|\n| get | 1 |\n", "get")
        self.assertIn("no table with a column 'memstore'", done.stderr)

    def test_bench_smoothness_says_where_it_cannot_write(self):
        command = [BENCH, "--seconds", "1", "--limit", "1MiB", "--json", self.folder / "none/here.json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("none/here.json", done.stderr)


if __name__ == "__main__":
    BENCH = sys.argv[1]
    unittest.main(argv=sys.argv[:1], verbosity=2)
