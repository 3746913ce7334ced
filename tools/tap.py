# SPDX-License-Identifier: Apache-2.0
"""Checks that are functions, told as TAP."""

import pathlib
import tempfile


class Skip(Exception):
    """What a check needs is not on this machine."""


def run(checks, place):
    """Call each of the (name, function) with what `place` makes of a folder for all of them; an AssertionError says what is
    wrong. Returns the status that the program is to end with."""
    failed = 0
    print("TAP version 13")
    print(f"1..{len(checks)}")
    with tempfile.TemporaryDirectory() as work:
        here = place(pathlib.Path(work))
        for number, (name, check) in enumerate(checks, 1):
            try:
                check(here)
                print(f"ok {number} - {name}")
            except Skip as reason:
                print(f"ok {number} - {name} # SKIP {reason}")
            except AssertionError as problem:
                failed += 1
                print(f"not ok {number} - {name}")
                print("\n".join("# " + line for line in str(problem).splitlines()))
    return 1 if failed else 0
