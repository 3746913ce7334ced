#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check that no module of lib/ includes upwards, and that own headers come first.

usage: check-layers.py [SOURCE_ROOT]
"""

import pathlib
import re
import sys

# Module: the modules whose headers it may include besides its own. A module stands above all that it names.
MAY_INCLUDE = {
    "platform": set(),
    "util": {"platform"},
    "index": {"util", "platform"},
    "segment": {"util", "platform"},
    "expiry": {"segment", "util", "platform"},
    "eviction": {"segment", "util", "platform"},
    "log": {"util", "platform"},
    "config": {"log", "util", "platform"},
    "stats": {"util", "platform"},
    "advice": {"eviction", "util", "platform"},
    "events": {"segment", "util", "platform"},
    "loader": {"segment", "util", "platform"},
    "snapshot": {"util", "platform"},
    "pressure": {"util", "platform"},
    "store": {
        "index",
        "segment",
        "expiry",
        "eviction",
        "stats",
        "advice",
        "events",
        "loader",
        "log",
        "snapshot",
        "pressure",
        "util",
        "platform",
    },
    "api": {"store", "config", "stats", "advice", "log", "snapshot", "util", "platform"},
}
# Single headers that hold types alone, for modules that may not include the rest of their folder.
MAY_INCLUDE_HEADER = {
    "store": {"config/settings.h"},
}
# Who may include the public headers: those that define public functions or hand public types through.
MAY_INCLUDE_PUBLIC = {"api", "store", "config", "stats", "events", "loader", "log"}
# The statuses are constants alone, which every module may return.
PUBLIC_FOR_ALL = {"memstore/status.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)


def includes_of(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def check_include(module, quote, target):
    """What is wrong with one include, or None."""
    if quote == "<":
        public = target.startswith("memstore/") and target not in PUBLIC_FOR_ALL
        return f"{module} may not include <{target}>" if public and module not in MAY_INCLUDE_PUBLIC else None
    if target.startswith("memstore/"):
        return f'write <{target}>, not "{target}"'
    folder, _, header = target.partition("/")
    if not header:
        return f'write "{module}/{target}", not "{target}"'
    if folder not in MAY_INCLUDE:
        return f'"{folder}" is no module'
    if folder == module or folder in MAY_INCLUDE[module] or target in MAY_INCLUDE_HEADER.get(module, ()):
        return None
    return f"{module} may not include {folder}: allowed are {', '.join(sorted(MAY_INCLUDE[module])) or 'none'}"


def check_file(lib, path):
    relative = path.relative_to(lib)
    module = relative.parts[0]
    includes = includes_of(path)

    problems = [problem for quote, target in includes if (problem := check_include(module, quote, target))]
    if path.suffix == ".c" and path.with_suffix(".h").exists():
        own = relative.with_suffix(".h").as_posix()
        if not includes or includes[0][1] != own:
            problems.append(f'the first include is its own header, "{own}"')
    return [f"lib/{relative}: {problem}" for problem in problems]


def cycles():
    """Pairs of modules that the table above lets include each other."""
    for module, below in MAY_INCLUDE.items():
        for other in below:
            if module in MAY_INCLUDE[other]:
                yield f"check-layers.py: {module} and {other} may include each other"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    lib = root / "lib"
    sources = sorted(path for path in lib.rglob("*.[ch]"))

    problems = list(cycles())
    for path in sources:
        if path.relative_to(lib).parts[0] not in MAY_INCLUDE:
            problems.append(f"lib/{path.relative_to(lib)}: its folder is no module of check-layers.py")
        else:
            problems += check_file(lib, path)
    for problem in problems:
        print(problem)
    print(f"layers: {len(sources)} files, {len(problems)} problems")
    return 1 if problems or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
