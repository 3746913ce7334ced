# SPDX-License-Identifier: Apache-2.0
"""Tables of figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print rows that have the same columns: for people, or as JSON."""
    if as_json:
        json.dump(list(rows), sys.stdout, indent=2)
        print()
        return
    texts = [[_text(value) for value in row.values()] for row in rows]
    titles = list(rows[0])
    widths = [max(len(title), *(len(text[i]) for text in texts)) for i, title in enumerate(titles)]
    for line in [titles, *texts]:
        print("  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}" if value < 1 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
