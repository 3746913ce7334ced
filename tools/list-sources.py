#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""List the C sources of folders, sorted, one a line, as "FOLDER KIND PATH"; none of a folder that is absent.

usage: list-sources.py [--deep] FOLDER...

With --deep those of the folders in it, too. KIND is
  criterion  of sources with Criterion tests, which are linked to one program
  program    of sources with a main(), each of them a program
  support    of the others, which both of these may call
"""

import pathlib
import re
import sys

CRITERION = re.compile(r"^\s*(Test|ParameterizedTest|Theory)\s*\(", re.MULTILINE)
MAIN = re.compile(r"^int\s+main\s*\(", re.MULTILINE)


def kind_of(path):
    text = path.read_text(encoding="utf-8")
    if MAIN.search(text):
        return "program"
    return "criterion" if CRITERION.search(text) else "support"


def main():
    folders = sys.argv[1:]
    deep = folders[:1] == ["--deep"]
    for folder in folders[deep:]:
        for path in sorted(pathlib.Path(folder).glob("**/*.c" if deep else "*.c")):
            print(folder, kind_of(path), path.as_posix())


if __name__ == "__main__":
    main()
