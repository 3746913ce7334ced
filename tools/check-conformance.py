#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check docs/seed-conformance.md: each setting has a row, and each test that is named is there.

usage: check-conformance.py [SOURCE_ROOT]

A setting is named by its path or by the last part of it. A test is a name in `` ` ` `` in a table's last columns: of a Criterion
test, of a Go test, or of a program or file of tests; `…` at its end stands for the rest of the name.
"""

import pathlib
import re
import sys

SETTING = re.compile(r'^    [A-Z_]+\(\s*"([a-z_.]+)",', re.MULTILINE)
TESTS = (
    ("tests", "*.c", re.compile(r"^Test\(\w+,\s*(\w+)", re.MULTILINE)),
    ("bindings/go", "*_test.go", re.compile(r"^func (Test\w+)", re.MULTILINE)),
    ("examples", "*_test.go", re.compile(r"^func (Test\w+)", re.MULTILINE)),
    ("bindings/python/tests", "test_*.py", re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)),
)
NAMED = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+)+…?|Test\w+…?)`|\b(Test[A-Z]\w+)|\b(test_\w+\.py|\w+_test\.go)")


def rows(text):
    """The cells of each row of each table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_names(root):
    names = set()
    for folder, files, pattern in TESTS:
        for path in (root / folder).rglob(files):
            names.add(path.name)
            names.add(path.stem)
            names.update(pattern.findall(path.read_text(encoding="utf-8")))
    return names


def is_there(name, names):
    if name.endswith("…"):
        return any(known.startswith(name[:-1]) for known in names)
    return name in names


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    settings = SETTING.findall((root / "lib/config/schema.c").read_text(encoding="utf-8"))
    table = rows((root / "docs/seed-conformance.md").read_text(encoding="utf-8"))
    in_rows = {key for row in table for key in re.findall(r"`([a-z_.]+)`", row[0])}
    names = test_names(root) | set(settings) | {path.rsplit(".", 1)[-1] for path in settings}

    problems = [
        f"{path}: has no row" for path in settings if path not in in_rows and path.rsplit(".", 1)[-1] not in in_rows
    ]
    for row in table:
        for match in NAMED.finditer(" ".join(row[1:])):
            name = next(filter(None, match.groups()))
            if not name.startswith("memstore_") and not is_there(name, names):
                problems.append(f"{row[0]}: there is no test {name}")
    for problem in problems:
        print(problem)
    print(f"conformance: {len(settings)} settings, {len(table)} rows, {len(problems)} problems")
    return 1 if problems or not settings else 0


if __name__ == "__main__":
    sys.exit(main())
