#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of replay and ledger_write as programs: formats, budgets, results and what is said of bad
input.

usage: test_replay.py REPLAY LEDGER_WRITE
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

REPLAY = LEDGER_WRITE = None


def trace(records, count=None, flags=0, magic=b"MSTRACE1", rest=b""):
    body = b"".join(struct.pack("<QI", *record) for record in records)
    return struct.pack("<8sQII", magic, len(records) if count is None else count, flags, 0) + body + rest


def ttl_record(key, op, time_ms=0, key_size=20, value_size=100, ttl_s=0):
    return struct.pack("<IQHIIB", time_ms, key, key_size, value_size, ttl_s, op)


def ttl_trace(records, record_size=23):
    return struct.pack("<8sQII", b"MSTTTL01", len(records), record_size, 0) + b"".join(records)


class ReplayTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_replay(self, *arguments):
        return subprocess.run([REPLAY, *map(str, arguments)], capture_output=True, text=True, check=False)

    def results(self, *arguments):
        done = self.run_replay("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def refused(self, message, *arguments):
        done = self.run_replay(*arguments)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn(message, done.stderr)

    # ---- What is counted ----

    def test_everything_fits(self):
        path = self.file("a.mst", trace([(key, 0) for key in (1, 2, 3, 1, 2, 3, 1)]))
        results = self.results("--budget", "8MiB", path)
        run = results["runs"][0]
        self.assertEqual((run["gets"], run["hits"], run["entries"], run["evictions"]), (7, 4, 3, 0))
        self.assertEqual(run["wrong_values"], 0)
        self.assertEqual(results["workload"]["distinct_keys"], 3)
        self.assertEqual(results["workload"]["footprint_bytes"], 3 * 1020)

    def test_sizes_of_the_trace_are_used(self):
        path = self.file("a.mst", trace([(1, 5000), (2, 0), (1, 5000)], flags=1))
        workload = self.results("--budget", "8MiB", path)["workload"]
        self.assertEqual(workload["footprint_bytes"], 2 * 20 + 5000)
        workload = self.results("--budget", "8MiB", "--size-includes-key", path)["workload"]
        self.assertEqual(workload["footprint_bytes"], 20 + 5000)

    def test_a_limit_evicts(self):
        path = self.file("a.mst", trace([(key, 0) for key in range(20000)]))
        run = self.results("--budget", "20%", path)["runs"][0]
        self.assertEqual(run["hits"], 0)
        self.assertGreater(run["evictions"], 15000)
        self.assertLess(run["entries"], 4001)

    def test_several_budgets_and_policies(self):
        path = self.file("a.mst", trace([(key % 5000, 0) for key in range(10000)]))
        runs = self.results("--budget", "50%,8MB,3000e", "--eviction", "s3fifo,lru,fifo", path)["runs"]
        self.assertEqual(
            [(run["eviction"], run["budget"]) for run in runs],
            [(policy, budget) for policy in ("s3fifo", "lru", "fifo") for budget in ("50%", "8MB", "3000e")],
        )
        self.assertEqual([run["limit_bytes"] for run in runs[:3]], [2550000, 8000000, 3000 * (1020 + 24)])

    def test_threads_share_the_requests(self):
        path = self.file("a.mst", trace([(key % 1000, 0) for key in range(20000)]))
        run = self.results("--budget", "8MiB", "--threads", "2", path)["runs"][0]
        self.assertEqual(run["gets"], 20000)
        self.assertEqual(run["entries"], 1000)
        self.assertEqual(run["get_ns"]["count"], 20000)

    def test_operations_of_a_ttl_trace(self):
        records = [
            ttl_record(1, 1),
            ttl_record(1, 0),
            ttl_record(1, 3),
            ttl_record(1, 0),
            ttl_record(2, 2),
            ttl_record(2, 2),
            ttl_record(2, 6),
            ttl_record(3, 6),
            ttl_record(4, 4),
            ttl_record(4, 5),
        ]
        run = self.results("--budget", "8MiB", self.file("a.ttl", ttl_trace(records)))["runs"][0]
        # Sets: key 1 twice (once on the miss), key 2 by add and by compare-and-set, key 4 by increment.
        self.assertEqual(
            (run["gets"], run["hits"], run["sets"], run["deletes"], run["entries"]), (3, 2, 5, 1, 3)
        )

    def test_ttl_runs_out_at_the_speed_asked_for(self):
        records = [
            ttl_record(1, 1, 0, ttl_s=1),
            ttl_record(1, 0, 500, ttl_s=1),
            ttl_record(1, 0, 3000, ttl_s=1),
        ]
        run = self.results("--budget", "8MiB", "--speed", "10", self.file("a.ttl", ttl_trace(records)))[
            "runs"
        ][0]
        self.assertEqual((run["gets"], run["hits"]), (2, 1))
        self.assertGreaterEqual(run["seconds"], 0.3)

    # ---- Text and CSV ----

    def test_ttls_of_text_are_seconds(self):
        path = self.file("a.csv", "key,ttl\n" + "a,10\n" * 200000)
        run = self.results("--budget", "8MiB", path)["runs"][0]
        self.assertEqual((run["hits"], run["expirations"]), (199999, 0))
        # Little is not never.
        path = self.file("b.csv", "key,ttl\n" + "a,0.0001\n" * 200000)
        run = self.results("--budget", "8MiB", path)["runs"][0]
        self.assertGreater(run["sets"], 1)

    def test_columns_by_name_and_by_number(self):
        path = self.file("a.csv", "url,bytes\nalpha,500\nbeta,20\n")
        for columns in ("key=1,size=bytes", "size=bytes,key=1", "key=url,size=2"):
            workload = self.results("--budget", "8MiB", "--columns", columns, path)["workload"]
            self.assertEqual(workload["footprint_bytes"], 5 + 500 + 4 + 20, columns)

    def test_text(self):
        path = self.file("a.txt", "alpha\nbeta 500\ngamma\t2kB 1h\n\nalpha\r\nbeta 500")
        results = self.results("--budget", "8MiB", path)
        self.assertEqual(results["workload"]["footprint_bytes"], 5 + 1000 + 4 + 500 + 5 + 2000)
        self.assertEqual(results["runs"][0]["hits"], 2)

    def test_csv_with_header_quotes_and_chosen_columns(self):
        text = 'time,key,size,note\n1,"a,""b""",10,x\n2,c,20,\n3,"a,""b""",10,y\n'
        results = self.results("--budget", "8MiB", self.file("a.csv", text))
        self.assertEqual(results["workload"]["footprint_bytes"], 5 + 10 + 1 + 20)
        self.assertEqual(results["runs"][0]["hits"], 1)
        results = self.results(
            "--budget", "8MiB", "--columns", "key=1,size=3", self.file("b.csv", "k,x,7\nk,y,7\n")
        )
        self.assertEqual(results["workload"]["footprint_bytes"], 1 + 7)

    def test_compressed(self):
        content = trace([(key % 10, 0) for key in range(100)])
        done = subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("the command zstd does not work here")
        path = self.file("a.mst.zst", done.stdout)
        self.assertEqual(self.results("--budget", "8MiB", path)["runs"][0]["hits"], 90)
        path = self.file("cut.mst.zst", done.stdout[:-3])
        self.refused("the zstd stream ends in the middle of a frame", path)

    # ---- Bad input ----

    def test_bad_binary_files(self):
        good = [(1, 0), (2, 0)]
        self.refused("offset 10: the header of 24 bytes is cut off", self.file("a", trace(good)[:10]))
        self.refused("offset 36: the trace ends in record 2 of the 2", self.file("b", trace(good)[:-1]))
        self.refused("offset 48: bytes follow the 2 records", self.file("c", trace(good, rest=b"x")))
        self.refused("offset 16: flags 6", self.file("d", trace(good, flags=6)))
        self.refused("offset 24: the trace holds no request", self.file("e", trace([])))
        self.refused(
            "ends in record 3 of the 18446744073709551615", self.file("f", trace(good, count=2**64 - 1))
        )
        self.refused(
            "offset 24: a value of 4294967295 bytes", self.file("g", trace([(1, 2**32 - 1)], flags=1))
        )
        self.refused("offset 46: operation 9", self.file("h", ttl_trace([ttl_record(1, 9)])))
        self.refused(
            "offset 36: a key of no bytes", self.file("i", ttl_trace([ttl_record(1, 0, key_size=0)]))
        )
        self.refused(
            "offset 16: records of 22 bytes", self.file("j", ttl_trace([ttl_record(1, 0)], record_size=22))
        )
        self.refused(
            "neither MSTRACE1 nor MSTTTL01", "--format", "binary", self.file("k", b"MSTRACE2" + b"\0" * 40)
        )

    def test_bad_text_files(self):
        self.refused(':2: "huge" is no size', self.file("a.txt", "key 1\nkey huge\n"))
        self.refused(':1: "soon" is no TTL', self.file("b.txt", "key 1 soon\n"))
        self.refused(":1: more than key, size and TTL", self.file("c.txt", "a 1 2 3\n"))
        self.refused(":2: a NUL byte", self.file("d.txt", b"a\nb\0c\n"))
        self.refused(":1: the line is longer than 65536 bytes", self.file("e.txt", "k" * 70000))
        self.refused("the trace holds no request", self.file("f.txt", "\n\n"))
        self.refused(':1: "nan" is no size', self.file("g.txt", "key nan\n"))

    def test_bad_csv_files(self):
        self.refused(":1: a quoted field does not end", self.file("a.csv", '"a,1\n'))
        self.refused(":1: text follows a quoted field", self.file("b.csv", '"a"b,1\n'))
        self.refused(":3: no key", self.file("c.csv", "key,size\na,1\n,2\n"))
        self.refused(
            'there is no column "url"', "--columns", "key=url", self.file("d.csv", "key,size\na,1\n")
        )
        self.refused("chosen as key=NAME", "--columns", "url", self.file("e.csv", "key,size\na,1\n"))

    def test_missing_file_and_folder(self):
        self.refused("No such file", self.folder / "absent.mst")
        self.refused("Is a directory", self.folder)

    def test_bad_arguments(self):
        path = self.file("a.mst", trace([(1, 0)]))
        self.refused("no budget such as", "--budget", "5x", path)
        self.refused("no budget such as", "--budget", "0", path)
        self.refused("no budget such as", "--budget", "5%,,", path)
        self.refused("--threads 0", "--threads", "0", path)
        self.refused("expected KEY=VALUE", "--set", "shards", path)
        self.refused("name one trace file")
        self.refused("expected ledger or vault", "--generate", "blocks")
        for kind, name in (
            ("svg", "curve.pdf"),
            ("svg", "svg"),
            ("svg", ".svgz"),
            ("svg", "a.png"),
            ("png", "a.svg"),
        ):
            message = f"replay: --{kind} {name}: the name of such a picture ends in .{kind}"
            self.refused(message, f"--{kind}", name, path)

    def test_options_without_effect_are_refused(self):
        path = self.file("a.mst", trace([(1, 0)]))
        for option in (
            ["--format", "binary"],
            ["--columns", "key=1"],
            ["--value-size", "10"],
            ["--size-includes-key"],
            ["--ttl", "1s"],
            ["--limit", "5"],
        ):
            self.refused(f"{option[0]} is for a trace", *option, "--generate", "ledger")
            self.refused(f"{option[0]} is for a trace", "--generate", "ledger", *option)
        for option in (["--requests", "5"], ["--seed", "5"], ["--accounts", "5"], ["--skew", "0.5"]):
            self.refused(f"{option[0]} is for --generate", *option, path)

    def test_a_speed_without_times_is_refused(self):
        for path in (
            self.file("a.mst", trace([(1, 0), (2, 0)])),
            self.file("a.txt", "alpha 10 1s\nbeta\n"),
            self.file("a.ttl", ttl_trace([ttl_record(1, 0), ttl_record(2, 0)])),
        ):
            self.refused(f"replay: --speed: {path} has no times", "--speed", "10", path)
            self.assertEqual(self.run_replay("--budget", "8MiB", "--speed", "0", path).returncode, 0)

    def test_both_pictures_are_drawn(self):
        path = self.file("a.mst", trace([(key, 0) for key in range(100)]))
        script = self.file("draw.py", "import sys\nopen(sys.argv[3], 'w').write(sys.stdin.read())\n")
        svg, png = self.folder / "curve.svg", self.folder / "curve.png"
        done = subprocess.run(
            [REPLAY, "--budget", "8MiB", "--svg", svg, "--png", png, path],
            env={**os.environ, "MEMSTORE_PYTHON": sys.executable, "MEMSTORE_PLOT_SCRIPT": str(script)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        for picture in (svg, png):
            self.assertEqual(json.loads(picture.read_text())["workload"]["requests"], 100)

    def test_a_setting_or_limit_that_the_store_refuses(self):
        path = self.file("a.mst", trace([(1, 0)]))
        for arguments in (["--set", "no.such=1"], ["--eviction", "random"], ["--budget", "1"]):
            done = self.run_replay(*arguments, path)
            self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
            self.assertIn("refused: ", done.stdout)

    def test_json_is_json_whatever_the_trace_is_called(self):
        path = os.fsencode(self.folder) + b"/caf\xc3\xa9-\xff\xc3\xed\xa0\x80.csv"
        with open(path, "wb") as file:
            file.write(b"k,100\n")
        done = subprocess.run([REPLAY, "--json", "--budget", "8MiB", path], capture_output=True, check=True)
        name = json.loads(done.stdout.decode())["workload"]["name"]
        self.assertEqual(name, f"{self.folder}/caf\u00e9-{5 * chr(0xFFFD)}.csv")

    def test_a_table_that_cannot_be_written(self):
        path = self.file("a.mst", trace([(1, 0)]))
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [REPLAY, "--budget", "8MiB", path], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        self.assertEqual((done.returncode, done.stderr), (4, "replay: standard output: No space left on device\n"))

    # ---- Generated requests ----

    def test_the_generator_is_deterministic_and_readable(self):
        def written(*arguments):
            path = self.folder / "generated"
            subprocess.run([LEDGER_WRITE, "--requests", "20000", *arguments, path], check=True)
            return path.read_bytes()

        self.assertEqual(written("--seed", "7"), written("--seed", "7"))
        self.assertNotEqual(written("--seed", "7"), written("--seed", "8"))
        from_file = self.results("--budget", "10%", self.file("a", written("--seed", "7")))["workload"]
        direct = self.results(
            "--budget", "10%", "--generate", "ledger", "--requests", "20000", "--seed", "7"
        )["workload"]
        self.assertEqual({**from_file, "name": ""}, {**direct, "name": ""})

    def test_the_vault_asks_for_no_key_more_than_twice(self):
        path = self.folder / "vault"
        subprocess.run(
            [LEDGER_WRITE, "--mix", "vault", "--format", "trace", "--no-sizes", "--requests", "30000", path],
            check=True,
        )
        keys = [key for key, _ in struct.iter_unpack("<QI", path.read_bytes()[24:])]
        counts = [keys.count(key) for key in keys[:200]]
        self.assertLessEqual(max(counts), 2)
        self.assertAlmostEqual(len(set(keys)) / len(keys), 2 / 3, delta=0.01)


if __name__ == "__main__":
    REPLAY, LEDGER_WRITE = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
