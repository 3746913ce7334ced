#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compile each public header alone, twice in one file, as C99, C11, C17, C++11 and C++17, with all warnings as errors.

usage: check-headers.py INCLUDE_DIR [CC [CXX]]
"""

import pathlib
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef", "-Werror", "-fsyntax-only"]
C_WARNINGS = ["-Wstrict-prototypes", "-Wmissing-prototypes"]
STANDARDS = {"c": ["c99", "c11", "c17"], "c++": ["c++11", "c++17"]}


def compiles(compiler, language, standard, include_dir, header):
    source = f"#include <memstore/{header}>\n#include <memstore/{header}>\nextern int use;\n"
    command = [compiler, "-x", language, f"-std={standard}", f"-I{include_dir}", *WARNINGS]
    if language == "c":
        command += C_WARNINGS
    done = subprocess.run([*command, "-"], input=source, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        print(f"{header} as {standard}:\n{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def main():
    include_dir = pathlib.Path(sys.argv[1])
    compilers = {"c": sys.argv[2] if len(sys.argv) > 2 else "cc", "c++": sys.argv[3] if len(sys.argv) > 3 else "c++"}
    results = [
        compiles(compilers[language], language, standard, include_dir, header.name)
        for header in sorted((include_dir / "memstore").glob("*.h"))
        for language, standards in STANDARDS.items()
        for standard in standards
    ]
    print(f"headers: {sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
