#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of bench_growth as a program, and of the script that draws what it writes.

usage: test_growth.py BENCH_GROWTH
"""

import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCH = None
PLOT = pathlib.Path(__file__).with_name("plot_growth.py")


class GrowthTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "growth.json"

    def run_bench(self, *arguments):
        return subprocess.run([BENCH, *map(str, arguments)], capture_output=True, text=True, check=False)

    def results(self, *arguments):
        done = self.run_bench("--json", self.path, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(self.path.read_text())

    def test_points_up_to_the_most_are_measured(self):
        results = self.results("--most", 10000, "--curve", "entries", "--curve", "shards")
        self.assertEqual([point["entries"] for point in results["entries"]], [10000])
        self.assertEqual(results["shards"], [])
        point = results["entries"][0]
        self.assertGreater(point["get_ns"], 0)
        self.assertGreater(point["overhead_bytes"], 0)
        self.assertGreaterEqual(point["longest_set_ns"], point["fill_ns"])

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "this Python has no matplotlib")
    def test_results_are_drawn(self):
        self.results("--most", 10000, "--curve", "entries")
        picture = self.path.with_suffix(".svg")
        subprocess.run([sys.executable, PLOT, self.path, "--output", picture], check=True)
        self.assertIn("ns a call", picture.read_text())

    def test_bad_input_is_refused(self):
        done = self.run_bench("--curve", "nothing")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no curve 'nothing'", done.stderr)
        self.assertEqual(self.run_bench("--most", "0").returncode, 2)


if __name__ == "__main__":
    BENCH = sys.argv[1]
    unittest.main(argv=sys.argv[:1], verbosity=2)
