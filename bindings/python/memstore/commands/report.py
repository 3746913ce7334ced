# SPDX-License-Identifier: Apache-2.0
"""Write a page of HTML of what a store advises.

ADVICE is what Report.to_json() gave, or memstore_advise_json() in C. --metrics adds memory by kind and latencies, from a file
of monitoring.export_metrics or any other text of the metrics; with several stores in it, --store names one by a part of its
labels. The page is one file that needs no other; it shows the keys that are read most.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

from ..advice import TITLE, Report


#: What comes of figures that are none.
_MALFORMED = (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("advice", metavar="ADVICE.json")
    parser.add_argument("--metrics", metavar="FILE", help="a text of the store's metrics")
    parser.add_argument("--store", default="", metavar="TEXT", help="the store in it whose labels contain this")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it (the standard output)")
    parser.add_argument("--title", default=TITLE, metavar="TEXT", help=f"what stands above it ({TITLE})")


def page(options: argparse.Namespace) -> str:
    """The page that is asked for."""
    metrics = None
    if options.metrics is not None:
        metrics = pathlib.Path(options.metrics).read_bytes().decode("utf-8", "replace")
    advice = pathlib.Path(options.advice).read_bytes()
    try:
        report = Report.from_json(advice)
        alone = report.to_html(title=options.title)
    except _MALFORMED as failure:
        raise ValueError(f"{options.advice}: this is no report of memstore's: {type(failure).__name__}: {failure}") from failure
    if metrics is None:
        return alone
    try:
        return report.to_html(title=options.title, metrics=metrics, store=options.store)
    except _MALFORMED as failure:
        raise ValueError(f"{options.metrics}: {failure}") from failure


def run(options: argparse.Namespace) -> int:
    data = page(options).encode()  # UTF-8, as the page says of itself, whatever the terminal has
    if options.output is None:
        sys.stdout.buffer.write(data)
    else:
        pathlib.Path(options.output).write_bytes(data)
    return 0
