# SPDX-License-Identifier: Apache-2.0
"""Numbers as people read them."""

from __future__ import annotations

from typing import Optional


def count(number: Optional[float]) -> str:
    """A number as people read it: 1234567 is 1.23 M."""
    if number is None:
        return "-"
    for unit in ("", " k", " M", " G"):
        if abs(number) < 999.5:
            return f"{number:.0f}{unit}" if unit == "" and number == int(number) else f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} T"


def size(number: Optional[float]) -> str:
    """Bytes as people read them."""
    if number is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1023.95:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def duration(seconds: Optional[float]) -> str:
    """A short time as people read it."""
    if seconds is None:
        return "-"
    for factor, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def percent(share: Optional[float]) -> str:
    """A share of one."""
    return "-" if share is None else f"{share * 100:.2f} %"


def share(part: float, whole: float) -> float:
    """How much of a whole a part is, from 0 to 1 whatever the figures are, as what is drawn needs it."""
    ratio = part / whole if whole else 0.0
    # Also false where it is no number.
    return min(ratio, 1.0) if ratio > 0 else 0.0
