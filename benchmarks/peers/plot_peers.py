#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw a table of caches beside each other: a pane for each row, a bar for each cache.

usage: plot_peers.py PAGE.md --row NAME [--row NAME ...] --output FILE.svg|FILE.png [--title TEXT]

PAGE.md is what one of the programs here prints, or a page of results that has such a table: the first one
with a column "memstore" is drawn. The figures of a row are better the smaller they are.

Needs matplotlib.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import charts

OURS = "memstore"


def cells_of(line):
    return [cell.strip().strip("*") for cell in line.strip().strip("|").split("|")]


def first_table(text):
    """The caches, and each row's figures by name: None where a cache has none."""
    caches, rows = [], {}
    for line in text.splitlines():
        if not line.startswith("|"):
            if rows:
                break
            caches = []
        elif not caches:
            caches = cells_of(line)[1:] if OURS in cells_of(line) else []
        elif not line.startswith("|-"):
            name, *figures = cells_of(line)
            rows[name] = [figure_of(text) for text in figures]
    return caches, rows


def figure_of(text):
    try:
        return float(text)
    except ValueError:
        return None


def draw(caches, rows, title):
    figure, panes = charts.grid(len(rows), 3, 2.9, 0.5 + 0.2 * len(caches))
    for pane, (name, figures) in zip(panes, rows.items()):
        pairs = [(cache, figure) for cache, figure in zip(caches, figures) if figure is not None]
        colours = ["C0" if cache == OURS else "C7" for cache, _ in pairs]
        bars = pane.barh([cache for cache, _ in pairs], [figure for _, figure in pairs], color=colours)
        pane.bar_label(bars, fmt="%.0f", fontsize=7, padding=2)
        pane.invert_yaxis()
        pane.margins(x=0.22)
        pane.set_title(name, fontsize=8)
    figure.suptitle(title, fontsize=9)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--row", action="append", required=True, metavar="NAME", help="a row to draw")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--title", default="shorter is better")
    arguments = parser.parse_args()
    try:
        caches, rows = first_table(arguments.page.read_text(encoding="utf-8"))
    except OSError as problem:
        sys.exit(f"plot_peers.py: {problem}")
    if not rows:
        sys.exit(f"plot_peers.py: {arguments.page} has no table with a column {OURS!r}")
    missing = [name for name in arguments.row if name not in rows]
    if missing:
        sys.exit(f"plot_peers.py: there is no row {missing[0]!r}; there are {', '.join(map(repr, rows))}")
    charts.save(draw(caches, {name: rows[name] for name in arguments.row}, arguments.title), arguments.output)


if __name__ == "__main__":
    main()
