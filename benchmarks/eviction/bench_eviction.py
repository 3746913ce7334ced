#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the store's miss ratios with those of known policies on public traces.

Each trace is replayed from empty at limits of 1, 5, 10 and 20 % of the bytes of its distinct keys
and values, once for each eviction policy, and set beside reference.csv. What the store needs for
its index and bookkeeping is part of the limit, while the simulated policies pay nothing: the
difference is what a user sees.

Traces without sizes get values of 1000 bytes, or larger ones where the smallest limit would be
below --min-limit. Shares of fewer than 100 entries are left out: how bytes round there says nothing
of a policy. The sizes of the other traces are taken as key and value together.

The traces are not part of the project. Their folder is --traces, or the environment variable
MEMSTORE_TRACES, or ../shared/traces beside the project; without it nothing is measured, which is no
failure.
"""

import argparse
import csv
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REFERENCE_OF = {"adaptive": "S3-FIFO", "s3fifo": "S3-FIFO", "lru": "LRU", "fifo": "FIFO"}
SIZED = {"adapt-size", "arcx-P3"}
# Millions of requests: they come last, for when the time is limited.
LONG = {"arc-P3", "orm-night"}
KEY_SIZE = 20
WITHIN_POINTS = 1.0
LEAST_ENTRIES = 100


def load_reference(path):
    """{(trace, measure, share in percent): row} of the reference."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {(row["trace"], row["measure"], float(row["share_percent"])): row for row in csv.DictReader(lines)}


def find_traces(folder, names):
    found = {}
    for path in sorted(folder.glob("*.mst.zst")) if folder.is_dir() else []:
        name = path.name.removesuffix(".mst.zst")
        if not names or name in names:
            found[name] = path
    return dict(sorted(found.items(), key=lambda item: item[0] in LONG))


def value_size(reference, trace, shares, wanted, min_limit):
    """Large enough that the smallest limit is at least min_limit."""
    entries = min(int(reference[trace, "object", share]["limit"]) for share in shares)
    return max(wanted, math.ceil(min_limit / entries) - KEY_SIZE)


def is_comparable(reference, trace, measure, share):
    row = reference.get((trace, measure, share))
    return row is not None and (measure != "object" or int(row["limit"]) >= LEAST_ENTRIES)


def replay(arguments, trace, path, shares, size):
    command = [
        str(arguments.replay),
        "--budget",
        ",".join(f"{share:g}%" for share in shares),
        "--eviction",
        ",".join(arguments.policies),
        "--sample",
        "64",
        "--quiet",
    ]
    command += ["--size-includes-key"] if trace in SIZED else ["--value-size", str(size)]
    for setting in arguments.set:
        command += ["--set", setting]
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command += [f"--json={out.name}", str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in (0, 3):
            print(done.stdout, end="")
            sys.exit(f"bench_eviction.py: replay ended with status {done.returncode}: {' '.join(command)}")
        return json.loads(pathlib.Path(out.name).read_text(encoding="utf-8"))["runs"]


def compare(reference, trace, measure, share, run):
    """One line of the results: ours beside the same policy's, or None where the reference has nothing."""
    row = reference.get((trace, measure, share))
    if row is None:
        return None
    line = {
        "trace": trace,
        "measure": measure,
        "share_percent": share,
        "policy": run["eviction"],
        "limit_bytes": run["limit_bytes"],
        "reference": float(row[REFERENCE_OF[run["eviction"]]]),
    }
    if "refused" in run:
        return line | {"refused": run["refused"]}
    ours = run["byte_miss_ratio" if measure == "byte" else "miss_ratio"]
    online = {
        name: float(value)
        for name, value in row.items()
        if value
        and name
        in ("LRU", "FIFO", "CLOCK", "SIEVE", "S3-FIFO", "Caffeine", "ARC", "LIRS", "LHD", "2Q", "GDSF")
    }
    best = min(online, key=online.get)
    return line | {
        "miss_ratio": ours,
        "points": 100 * (ours - line["reference"]),
        "best_online": best,
        "points_to_best": 100 * (ours - online[best]),
        "overhead_per_entry": run["overhead_per_entry"],
    }


def measure_all(arguments, reference, traces):
    lines = []
    end = time.monotonic() + arguments.seconds
    for trace, path in traces.items():
        if time.monotonic() > end:
            print(f"{trace}: left out, {arguments.seconds:g} s have passed")
            continue
        measures = ["request", "byte"] if trace in SIZED else ["object"]
        shares = [share for share in arguments.shares if is_comparable(reference, trace, measures[0], share)]
        if not shares:
            print(f"{trace}: the reference does not have it; passed over")
            continue
        size = (
            0
            if trace in SIZED
            else value_size(reference, trace, shares, arguments.value_size, arguments.min_limit)
        )
        runs = replay(arguments, trace, path, shares, size)
        fresh = [
            compare(reference, trace, measure, share, run) | {"value_size": size}
            for measure in measures
            for run in runs
            for share in [float(run["budget"].rstrip("%"))]
        ]
        print_lines(fresh)
        lines += fresh
    return lines


def print_lines(lines):
    for line in lines:
        start = (
            f"{line['trace']:<12} {line['measure']:<8} {line['share_percent']:>5g} % {line['limit_bytes'] / 1e6:>9.2f} MB"
            f"  {line['policy']:<7}"
        )
        if "refused" in line:
            print(f"{start} refused: {line['refused']}")
            continue
        flag = "" if line["points"] <= WITHIN_POINTS else "  <-- above 1 point"
        print(
            f"{start} {line['miss_ratio']:>7.4f} {line['reference']:>9.4f} {line['points']:>+8.2f}"
            f" {line['points_to_best']:>+9.2f} {line['best_online']:<9}{flag}",
            flush=True,
        )


def summarize(lines):
    """The mean and the worst difference of each policy and measure."""
    summary = []
    for policy in dict.fromkeys(line["policy"] for line in lines):
        for measure in dict.fromkeys(line["measure"] for line in lines):
            points = [
                line["points"]
                for line in lines
                if line["policy"] == policy and line["measure"] == measure and "points" in line
            ]
            if points:
                summary.append(
                    {
                        "policy": policy,
                        "measure": measure,
                        "runs": len(points),
                        "mean_points": sum(points) / len(points),
                        "worst_points": max(points),
                        "above_1_point": sum(point > WITHIN_POINTS for point in points),
                    }
                )
    return summary


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--replay", type=pathlib.Path, default=ROOT / "build/benchmarks/replay", help="the program"
    )
    parser.add_argument(
        "--traces",
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get("MEMSTORE_TRACES", ROOT.parent / "shared/traces")),
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TRACE", help="this trace; may be repeated"
    )
    parser.add_argument("--policies", type=lambda text: text.split(","), default=list(REFERENCE_OF))
    parser.add_argument(
        "--shares", type=lambda text: [float(share) for share in text.split(",")], default=[1, 5, 10, 20]
    )
    parser.add_argument("--value-size", type=int, default=1000)
    parser.add_argument(
        "--min-limit", type=int, default=1 << 20, help="bytes; values grow until limits reach it"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the store"
    )
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no further trace after this long"
    )
    parser.add_argument("--json", type=pathlib.Path, help="write the results there")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    reference = load_reference(HERE / "reference.csv")
    traces = find_traces(arguments.traces, arguments.only)
    if not traces:
        print(
            f"no traces in {arguments.traces}: nothing measured. Name their folder with --traces or MEMSTORE_TRACES."
        )
        return
    print(
        f"{'trace':<12} {'measure':<8} {'share':>7} {'limit':>12}  {'policy':<7} {'ours':>7} {'reference':>9} {'points':>8}"
        f" {'to best':>9} online"
    )
    lines = measure_all(arguments, reference, traces)
    summary = summarize(lines)
    for part in summary:
        print(
            f"{part['policy']:<7} {part['measure']:<8} mean {part['mean_points']:+.2f} points, worst {part['worst_points']:+.2f},"
            f" {part['above_1_point']} of {part['runs']} above 1 point"
        )
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"summary": summary, "lines": lines}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
