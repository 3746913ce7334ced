#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run memstore and other caches for Python through the same work, in turn, and print the medians.

    python -m venv /tmp/peers && . /tmp/peers/bin/activate
    pip install . -r benchmarks/peers/python/requirements.txt
    python benchmarks/peers/python/peers.py --rounds 5

Each cache is measured in a process of its own, one after the other, round after round. Keys are strings made before the
clock runs, each used once, as they are in a program that has just parsed a request.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

from caches import PEERS

HERE = pathlib.Path(__file__).resolve().parent
Results = dict[str, dict[str, list[float]]]


def measure(peer: str, entries: int, operations: int) -> Mapping[str, float]:
    command = [sys.executable, str(HERE / "measure.py"), peer, str(entries), str(operations)]
    figures: Mapping[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def measure_all(peers: Sequence[str], options: argparse.Namespace) -> Results:
    results: Results = {}
    for number in range(options.rounds):
        for peer in peers:
            print(f"\rround {number + 1} of {options.rounds}: {peer:15}", end="", file=sys.stderr)
            for row, figure in measure(peer, options.entries, options.operations).items():
                results.setdefault(row, {}).setdefault(peer, []).append(figure)
    print(file=sys.stderr)
    return results


def table(results: Results, peers: Sequence[str]) -> str:
    lines = ["| | " + " | ".join(peers) + " |", "|---|" + "--:|" * len(peers)]
    for row, figures in results.items():
        cells = [f"{statistics.median(figures[peer]):.0f}" if peer in figures else "–" for peer in peers]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated names")
    options = parser.parse_args()
    peers = options.peers.split(",")
    if unknown := [peer for peer in peers if peer not in PEERS]:
        parser.error(f"there is no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    results = measure_all(peers, options)
    print(
        f"Medians of {options.rounds} rounds, {options.entries} entries of 100 bytes, ns an operation; Python "
        f"{platform.python_version()}, {os.cpu_count()} processors.\n"
    )
    print(table(results, peers) + "\n")
    for peer in peers:
        print(f"- {peer}: {PEERS[peer].described}")


if __name__ == "__main__":
    main()
