#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw the miss-ratio curve of replay's JSON results: miss ratio over memory limit, a line for each
policy.

usage: plot_mrc.py RESULTS.json|- --output FILE.svg|FILE.png

Needs matplotlib. `replay --svg FILE` and `replay --png FILE` run this script.
"""

import argparse
import json
import pathlib
import sys

import charts


def fail(message):
    print(f"plot_mrc.py: {message}", file=sys.stderr)
    sys.exit(1)


def load(path):
    try:
        text = sys.stdin.read() if path == "-" else pathlib.Path(path).read_text(encoding="utf-8")
        results = json.loads(text)
        return results["workload"], [run for run in results["runs"] if "refused" not in run]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        fail(f"{path}: no results of replay --json ({problem})")


def curves(runs):
    """Points (limit in MB, miss ratio) of each policy, from the smallest limit up."""
    by_policy = {}
    for run in runs:
        by_policy.setdefault(run["eviction"], []).append((run["limit_bytes"] / 1e6, run["miss_ratio"]))
    return {policy: sorted(points) for policy, points in by_policy.items()}


def draw(workload, runs, output):
    try:
        pyplot = charts.pyplot()
    except ImportError:
        fail("this Python has no matplotlib; name one that has in MEMSTORE_PYTHON")
    from matplotlib import ticker

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for policy, points in curves(runs).items():
        axes.plot(*zip(*points), marker="o", markersize=4, label=policy)
    axes.set_xscale("log")
    limits = sorted({run["limit_bytes"] / 1e6 for run in runs})
    axes.set_xticks(limits, [f"{limit:.3g}" for limit in limits])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_ylim(0, 1)
    axes.set_xlabel("memory limit, MB")
    axes.set_ylabel("miss ratio")
    axes.grid(visible=True, alpha=0.25)
    axes.legend(title="eviction")
    name = pathlib.PurePath(workload["name"]).name
    axes.set_title(f"{name}: {workload['requests']:,} requests, {workload['distinct_keys']:,} keys")
    try:
        charts.save(figure, output)
    except (OSError, ValueError) as problem:
        fail(f"{output}: {problem}")


def main():
    parser = argparse.ArgumentParser(description="Draw the miss-ratio curve of replay's JSON results.")
    parser.add_argument("results", help="a file of replay --json, or - for the standard input")
    parser.add_argument("--output", required=True, help="the picture; .svg or .png")
    arguments = parser.parse_args()
    if pathlib.PurePath(arguments.output).suffix not in (".svg", ".png"):
        fail(f"{arguments.output}: the name must end in .svg or .png")
    workload, runs = load(arguments.results)
    if not runs:
        fail("every limit was refused: there is nothing to draw")
    draw(workload, runs, arguments.output)


if __name__ == "__main__":
    main()
