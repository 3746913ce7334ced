#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check that no module of lib/ includes upwards, by the table in lib/meson.build, and that own headers come first.

usage: check-layers.py [SOURCE_ROOT]
"""

import pathlib
import re
import sys

# A module in lib/meson.build, with those that it may call, and so include, besides its own.
MODULE = re.compile(r"^  '(\w+)': \{\s*'below': \[([^\]]*)\]", re.MULTILINE)
# Single headers that hold types alone, for modules that may not include the rest of their folder.
MAY_INCLUDE_HEADER = {
    "store": {"config/settings.h"},
}
# Who may include the public headers: those that define public functions or hand public types through.
MAY_INCLUDE_PUBLIC = {"api", "store", "config", "stats", "events", "loader", "log"}
# The statuses are constants alone, which every module may return.
PUBLIC_FOR_ALL = {"memstore/status.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)


def modules_of(lib):
    text = (lib / "meson.build").read_text(encoding="utf-8")
    return {name: set(re.findall(r"\w+", below)) for name, below in MODULE.findall(text)}


def includes_of(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def check_include(modules, module, quote, target):
    """What is wrong with one include, or None."""
    if quote == "<":
        public = target.startswith("memstore/") and target not in PUBLIC_FOR_ALL
        return f"{module} may not include <{target}>" if public and module not in MAY_INCLUDE_PUBLIC else None
    if target.startswith("memstore/"):
        return f'write <{target}>, not "{target}"'
    folder, _, header = target.partition("/")
    if not header:
        return f'write "{module}/{target}", not "{target}"'
    if folder not in modules:
        return f'"{folder}" is no module'
    if folder == module or folder in modules[module] or target in MAY_INCLUDE_HEADER.get(module, ()):
        return None
    return f"{module} may not include {folder}: allowed are {', '.join(sorted(modules[module])) or 'none'}"


def check_file(modules, lib, path):
    relative = path.relative_to(lib)
    module = relative.parts[0]
    includes = includes_of(path)

    problems = [problem for quote, target in includes if (problem := check_include(modules, module, quote, target))]
    if path.suffix == ".c" and path.with_suffix(".h").exists():
        own = relative.with_suffix(".h").as_posix()
        if not includes or includes[0][1] != own:
            problems.append(f'the first include is its own header, "{own}"')
    return [f"lib/{relative}: {problem}" for problem in problems]


def cycles(modules):
    """Pairs of modules that may include each other."""
    for module, below in modules.items():
        for other in below:
            if module in modules.get(other, ()):
                yield f"lib/meson.build: {module} and {other} may include each other"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    lib = root / "lib"
    sources = sorted(path for path in lib.rglob("*.[ch]"))

    modules = modules_of(lib)
    problems = list(cycles(modules))
    for path in sources:
        if path.relative_to(lib).parts[0] not in modules:
            problems.append(f"lib/{path.relative_to(lib)}: its folder is no module of lib/meson.build")
        else:
            problems += check_file(modules, lib, path)
    for problem in problems:
        print(problem)
    print(f"layers: {len(sources)} files, {len(problems)} problems")
    return 1 if problems or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
