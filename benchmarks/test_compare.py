#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of compare as a program: its figures against the same computed here, what it says of a build
and its copy, of one that is slower, and of bad input.

usage: test_compare.py COMPARE LIBRARY CC
"""

import json
import math
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import unittest

COMPARE = LIBRARY = CC = None

# A library that hands every call on to the real one, after some work of its own before has().
SLOWER = r"""
#include <dlfcn.h>
#include <stddef.h>
struct memstore;
int memstore_has(struct memstore *store, const void *key, size_t size)
{
    static int (*real)(struct memstore *, const void *, size_t);
    if (real == NULL)
        real = (int (*)(struct memstore *, const void *, size_t))dlsym(
            dlopen("%s", RTLD_NOW | RTLD_LOCAL), "memstore_has");
    for (volatile int i = 0; i < 2000; i++)
        ;
    return real(store, key, size);
}
"""

STUDENT_4 = 2.776


class CompareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.copy = self.folder / "copy.so"
        shutil.copy(LIBRARY, self.copy)

    def run_compare(self, *arguments):
        return subprocess.run([COMPARE, *map(str, arguments)], capture_output=True, text=True, check=False)

    def results(self, old, new, *arguments):
        path = self.folder / "results.json"
        done = self.run_compare("--entries", 20000, "--trials", 5, "--rounds", 3, "--json", path, *arguments, old, new)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(path.read_text()), done.stdout

    def test_every_operation_is_compared_and_right(self):
        results, shown = self.results(LIBRARY, self.copy)
        self.assertEqual(
            set(results["operations"]),
            {"get", "has", "get_view", "get_many", "overwrite", "mixed", "set_new", "set_many"},
        )
        for name, figures in results["operations"].items():
            self.assertIn(name, shown)
            self.assertGreater(figures["low"], 0)

    def test_the_interval_is_students(self):
        results, _ = self.results(LIBRARY, self.copy, "--only", "get,has")
        for figures in results["operations"].values():
            logs = [math.log(ratio) for ratio in figures["trials"]]
            self.assertEqual(len(logs), 5)
            mean = statistics.fmean(logs)
            reach = STUDENT_4 * statistics.stdev(logs) / math.sqrt(5)
            self.assertAlmostEqual(figures["ratio"], math.exp(mean), places=4)
            self.assertAlmostEqual(figures["low"], math.exp(mean - reach), places=4)
            self.assertAlmostEqual(figures["high"], math.exp(mean + reach), places=4)

    def test_what_takes_many_times_as_long_is_slower(self):
        source, slower = self.folder / "slower.c", self.folder / "slower.so"
        source.write_text(SLOWER % LIBRARY)
        subprocess.run(
            [
                *CC,
                "-shared",
                "-fPIC",
                "-O1",
                "-o",
                slower,
                source,
                "-ldl",
                "-Wl,--no-as-needed",
                LIBRARY,
                f"-Wl,-rpath,{pathlib.Path(LIBRARY).parent}",
            ],
            check=True,
        )
        results, shown = self.results(LIBRARY, slower, "--only", "has")
        self.assertEqual(results["operations"]["has"]["verdict"], "slower", shown)
        results, shown = self.results(slower, LIBRARY, "--only", "has")
        self.assertEqual(results["operations"]["has"]["verdict"], "faster", shown)

    def test_a_ttl_that_runs_out_within_a_trial_is_told(self):
        small = ("--entries", 20000, "--rounds", 3, "--only", "get")
        done = self.run_compare(*small, "--ttl", 1, LIBRARY, self.copy)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.splitlines()[-1], "compare: the TTL, 1 ms, is shorter than a trial")

    def test_bad_input_is_refused_with_a_sentence(self):
        for arguments, says in (
            ((), "usage"),
            ((LIBRARY,), "usage"),
            (("--trials", "1", LIBRARY, self.copy), "1 is no number from 2 to 31"),
            (("--rounds", "-1", LIBRARY, self.copy), "-1 is no number"),
            (("--only", "get,nothing", LIBRARY, self.copy), "not every one of 'get,nothing'"),
            ((LIBRARY, self.folder / "absent.so"), "absent.so"),
            ((LIBRARY, "libm.so.6"), "has no memstore_"),
        ):
            done = self.run_compare(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    COMPARE, LIBRARY, CC = sys.argv[1], str(pathlib.Path(sys.argv[2]).resolve()), sys.argv[3].split()
    unittest.main(argv=sys.argv[:1], verbosity=2)
