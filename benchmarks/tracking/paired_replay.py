#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What monitoring.access_sample_ratio costs a program that replays a trace: runs with and without in turn.

usage: paired_replay.py [--replay PROGRAM] [--ratio R] [--budget B] [--pairs N] [--callgrind] TRACE...

A pair is two runs, one right after the other, each of which comes first as often as the other. Told are the
medians of the pairs' ratios: of the time that the replay itself took, and of the processor time of the whole
process, the maintenance thread and the reading of the trace included; and between which values the middle half of
them is. With --callgrind one pair runs under valgrind, and instructions of the library are told instead, which
do not depend on what else the machine does.
"""

import argparse
import json
import pathlib
import re
import resource
import statistics
import subprocess
import tempfile


def command_of(arguments, trace, ratio):
    return [
        arguments.replay,
        *("--budget", arguments.budget, "--sample", "1000", "--no-verify", "--quiet", "--json"),
        *("--set", f"monitoring.access_sample_ratio={ratio}"),
        str(trace),
    ]


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(arguments, trace, ratio):
    before = processor_seconds()
    told = subprocess.run(command_of(arguments, trace, ratio), capture_output=True, text=True, check=True)
    used = processor_seconds() - before
    return {"elapsed": json.loads(told.stdout)["runs"][0]["seconds"], "processor": used}


def compare_times(arguments, trace):
    ratios = {"elapsed": [], "processor": []}
    for number in range(arguments.pairs):
        order = ["0", arguments.ratio] if number % 2 == 0 else [arguments.ratio, "0"]
        pair = {ratio: run(arguments, trace, ratio) for ratio in order}
        for what, of_pairs in ratios.items():
            of_pairs.append(100 * (pair[arguments.ratio][what] / pair["0"][what] - 1))
    for what, of_pairs in ratios.items():
        low, _, high = statistics.quantiles(of_pairs, n=4)
        print(f"{trace.name:24} {what:10} {statistics.median(of_pairs):+6.2f} %  ({low:+.2f} .. {high:+.2f})", flush=True)


def instructions_of_library(arguments, trace, ratio, folder):
    output = pathlib.Path(folder) / "callgrind"
    told = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", *command_of(arguments, trace, ratio)],
        capture_output=True,
        text=True,
        check=True,
    )
    gets = json.loads(told.stdout)["runs"][0]["gets"]
    listed = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--auto=no", str(output)], capture_output=True, text=True, check=True
    ).stdout
    lines = re.findall(r"^ *([\d,]+) \([ \d.]+%\)  \S+ \[\S*libmemstore\S*\]$", listed, re.MULTILINE)
    return sum(int(line.replace(",", "")) for line in lines) / gets


def compare_instructions(arguments, trace):
    with tempfile.TemporaryDirectory() as folder:
        without = instructions_of_library(arguments, trace, "0", folder)
        following = instructions_of_library(arguments, trace, arguments.ratio, folder)
    print(f"{trace.name:24} {without:.0f} instructions of the library a read, {following - without:+.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replay", default="build/benchmarks/replay")
    parser.add_argument("--ratio", default="0.01")
    parser.add_argument("--budget", default="10%")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--callgrind", action="store_true")
    parser.add_argument("traces", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()

    for trace in arguments.traces:
        (compare_instructions if arguments.callgrind else compare_times)(arguments, trace)


if __name__ == "__main__":
    main()
