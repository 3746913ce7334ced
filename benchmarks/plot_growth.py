#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw bench_growth's JSON results: what calls cost over entries, sizes of values, shards and threads.

usage: plot_growth.py RESULTS.json --output FILE.svg|FILE.png

Needs matplotlib.
"""

import argparse
import json
import pathlib
import sys

import charts

CURVES = {
    "entries": ("entries", "entries, values of 8 bytes"),
    "values": ("value_size", "bytes a value"),
    "shards": ("shards", "shards, a million entries"),
    "threads": ("threads", "threads on this machine's processors"),
}
LINES = {"get_ns": "get", "overwrite_ns": "set, overwriting", "fill_ns": "set, new"}


def draw(results):
    measured = [curve for curve in CURVES if results.get(curve)]
    figure, panes = charts.panes(1, len(measured), 3.4, 3.2)
    for pane, curve in zip(panes, measured):
        field, label = CURVES[curve]
        points = results[curve]
        for name, shown in LINES.items():
            pane.plot(
                [point[field] for point in points],
                [point[name] for point in points],
                marker="o",
                markersize=4,
                label=shown,
            )
        pane.set_xscale("log")
        pane.set_yscale("log")
        pane.set_ylim(bottom=10)
        pane.set_xlabel(label, fontsize=8)
    panes[0].set_ylabel("ns a call", fontsize=8)
    panes[0].legend(fontsize=7)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    try:
        results = json.loads(arguments.results.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        sys.exit(f"plot_growth.py: {arguments.results}: no results of bench_growth ({problem})")
    if not any(results.get(curve) for curve in CURVES):
        sys.exit(f"plot_growth.py: {arguments.results} has no curve")
    charts.save(draw(results), arguments.output)


if __name__ == "__main__":
    main()
