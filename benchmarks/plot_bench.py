#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw the results of run.py: a picture for each benchmark that has one.

usage: plot_bench.py RESULTS.json --output FOLDER

Needs matplotlib. Writes reads.svg, tails.svg, miss-ratios.svg and growth.svg, those of them whose
benchmark was run. `run.py` does it at its end.
"""

import argparse
import json
import pathlib
import sys

import charts
import plot_growth

READS = {"has": "has", "get_view": "get_view", "get": "get", "get_many16": "get_many of 16"}
BEST = "the best known of ten policies"
LEAST_RANGE = 0.1  # of miss ratios in a pane, so that no difference looks like one that matters


def draw_reads(results, about):
    """How far each way to read is from the least that two cache misses cost."""
    cells = {(cell["keys"], cell["threads"], cell["operation"]): cell for cell in results["cells"]}
    loads = sorted({(keys, threads) for keys, threads, operation in cells if operation == "get"})
    figure, axes = charts.canvas(7, 3.8)
    height = 0.8 / len(loads)
    for number, (keys, threads) in enumerate(loads):
        ratios = [cells.get((keys, threads, operation), {}).get("ratio") or 0 for operation in READS]
        places = [row + (number - (len(loads) - 1) / 2) * height for row in range(len(READS))]
        bars = axes.barh(
            places, ratios, height, label=f"{keys} keys, {threads} thread{'s' if threads > 1 else ''}"
        )
        axes.bar_label(bars, fmt="%.2f", fontsize=7, padding=2)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(READS)), READS.values())
    axes.invert_yaxis()
    axes.set_xlabel("time, as a multiple of a loop that does no more than hash, two cache misses, copy", fontsize=8)
    figure.legend(fontsize=7, loc="outside lower center", ncols=4)
    axes.set_title(f"Reads of a million entries of 20 + 100 bytes; {about}", fontsize=9)
    return figure


def draw_tails(results, about):
    """How many of a million calls take longer than a time."""
    figure, panes = charts.panes(1, len(results["loads"]), 4.6, 3.4)
    for pane, load in zip(panes, results["loads"]):
        for calls in load["calls"]:
            left, times, shares = calls["count"], [], []
            for below_ns, count in calls["below"]:
                left -= count
                times.append(below_ns)
                shares.append(left / calls["count"] * 1e6)
            style = "--" if calls["operation"] in ("nothing", "spin") else "-"
            pane.plot(times, shares, style, label=calls["operation"], linewidth=1.5)
        pane.set_xscale("log")
        pane.set_yscale("log")
        pane.set_ylim(0.05, 1.5e6)
        pane.set_xlabel("ns", fontsize=8)
        pane.set_title(load["name"], fontsize=9)
    panes[0].set_ylabel("of a million calls, take longer", fontsize=8)
    panes[0].legend(fontsize=7, title="spin: computes, calls nothing", title_fontsize=7)
    figure.suptitle(f"At the memory limit, each call timed; {about}", fontsize=9)
    return figure


def miss_ratios(lines):
    """By trace: the points (share, miss ratio) of the default policy, of the best known and of LRU."""
    traces = {}
    for line in lines:
        if line["measure"] == "byte" or line["policy"] not in ("adaptive", "lru"):
            continue
        curves = traces.setdefault(line["trace"], {"adaptive": [], "best": [], "LRU": []})
        share = line["share_percent"]
        if line["policy"] == "lru":
            curves["LRU"].append((share, line["reference"]))
        else:
            curves["adaptive"].append((share, line["miss_ratio"]))
            curves["best"].append((share, line["miss_ratio"] - line["points_to_best"] / 100))
    return {trace: curves for trace, curves in traces.items() if curves["adaptive"]}


def draw_miss_ratios(results, about):
    del about  # a miss ratio is the same on every machine
    traces = miss_ratios(results["lines"])
    figure, panes = charts.grid(len(traces), 4, 2.4, 2)
    styles = {"best": ("k--", BEST), "adaptive": ("C0o-", "memstore, adaptive"), "LRU": ("C7:", "LRU")}
    for pane, (trace, curves) in zip(panes, sorted(traces.items())):
        for name, (style, label) in styles.items():
            pane.plot(*zip(*sorted(curves[name])), style, label=label, markersize=3, linewidth=1.2)
        pane.set_xscale("log")
        pane.set_xticks([1, 5, 10, 20], ["1 %", "5", "10", "20"])
        pane.minorticks_off()
        low, high = pane.get_ylim()
        wider = max(0, LEAST_RANGE - (high - low)) / 2
        pane.set_ylim(low - wider, high + wider)
        pane.set_title(trace, fontsize=8)
    panes[0].set_ylabel("miss ratio", fontsize=8)
    handles, labels = panes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=3)
    figure.suptitle("Misses, at a share of the bytes of all keys and values", fontsize=9)
    return figure


def draw_growth(results, about):
    figure = plot_growth.draw(results)
    figure.suptitle(f"What calls cost; {about}", fontsize=9)
    return figure


DRAWN = {
    "roofline, huge pages": ("reads.svg", draw_reads),
    "tails": ("tails.svg", draw_tails),
    "eviction": ("miss-ratios.svg", draw_miss_ratios),
    "growth": ("growth.svg", draw_growth),
}


def draw_all(full, folder):
    """Draw what there are results of. Returns the pictures' paths."""
    about = f"{full['environment']['processor']}, {full['environment']['date'][:10]}"
    drawn = []
    for step in full["steps"]:
        if step["name"] not in DRAWN or not step["results"]:
            continue
        name, draw = DRAWN[step["name"]]
        charts.save(draw(step["results"], about), folder / name)
        drawn.append(folder / name)
    return drawn


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        drawn = draw_all(json.loads(arguments.results.read_text(encoding="utf-8")), arguments.output)
    except (OSError, ValueError, KeyError) as problem:
        sys.exit(f"plot_bench.py: {arguments.results}: no results of run.py ({problem!r})")
    if not drawn:
        sys.exit(f"plot_bench.py: {arguments.results} has nothing that is drawn")


if __name__ == "__main__":
    main()
