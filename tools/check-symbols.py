#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check that the shared library exports what its version map lists, the one as the other, and every function of the headers.

usage: check-symbols.py LIBRARY MAP [HEADER...]
"""

import re
import subprocess
import sys

NODE = re.compile(r"(MEMSTORE_[\w.]+)\s*\{(.*?)\}\s*[\w.]*\s*;", re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DECLARED = re.compile(r"^MEMSTORE_API\b[^;(]*?\b(memstore_\w+)\s*\(", re.MULTILINE)


def symbols_of_map(path):
    """Symbol -> version node."""
    with open(path, encoding="utf-8") as file:
        text = COMMENT.sub("", file.read())
    symbols = {}
    for node, body in NODE.findall(text):
        names = body.split("global:")[-1].split("local:")[0]
        for name in names.replace(";", " ").split():
            symbols[name] = node
    return symbols


def symbols_of_library(path):
    """Symbol -> version node; and those that copies of the library find each other by, which no header declares."""
    lines = subprocess.run(
        ["nm", "-D", "--defined-only", "--with-symbol-versions", path], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    symbols, unique = {}, set()
    for line in lines:
        _, kind, name = line.split(maxsplit=2)
        if kind == "A":  # the version nodes themselves
            continue
        name, _, node = name.partition("@")
        symbols[name] = node.lstrip("@")
        if kind == "u":
            unique.add(name)
    return symbols, unique


def functions_of(headers):
    names = set()
    for header in headers:
        with open(header, encoding="utf-8") as file:
            names.update(DECLARED.findall(COMMENT.sub("", file.read())))
    return names


def main():
    library, version_map, *headers = sys.argv[1:]
    listed = symbols_of_map(version_map)
    exported, unique = symbols_of_library(library)
    declared = functions_of(headers)

    problems = [f"{name} is in the map and not exported" for name in sorted(listed.keys() - exported.keys())]
    problems += [f"{name} is exported and not in the map" for name in sorted(exported.keys() - listed.keys())]
    for name in sorted(listed.keys() & exported.keys()):
        if listed[name] != exported[name]:
            problems.append(f"{name} is exported as {exported[name] or 'unversioned'}, the map says {listed[name]}")
    if headers:
        problems += [f"{name} is declared and not in the map" for name in sorted(declared - listed.keys())]
        problems += [f"{name} is in the map and declared in no header" for name in sorted(listed.keys() - declared - unique)]
    problems += [f"{name} does not begin with memstore_" for name in sorted(listed) if not name.startswith("memstore_")]
    for problem in problems:
        print(problem)
    print(f"symbols: {len(listed)} listed, {len(exported)} exported, {len(problems)} problems")
    return 1 if problems or not listed else 0


if __name__ == "__main__":
    sys.exit(main())
