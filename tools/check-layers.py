#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check that no module of lib/ includes upwards, by the table in lib/meson.build, nor a room of lib/store, and that own headers
come first.

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

# The rooms of lib/store, lowest first: none includes what is above it. "" are the files outside of rooms, whose headers are
# everybody's, as are those that store.h takes in: the parts of struct memstore.
STORE_ROOMS = [{"space", "read", "write", "track", "watch"}, {"batch"}, {"async", "load", ""}, {"snapshot"}]

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


def room_of(place):
    """The room of lib/store that a path below lib/ is in."""
    return place.split("/")[1] if place.count("/") > 1 else ""


def check_rooms(lib, place, targets):
    """What is wrong with the includes of a file of lib/store."""
    height = {room: number for number, rooms in enumerate(STORE_ROOMS) for room in rooms}
    room = room_of(place)
    if room not in height:
        return [f'"{room}" is no room of check-layers.py']
    parts = {target for _, target in includes_of(lib / "store/store.h")}
    return [
        f"store/{room or '*.[ch]'} may not include {target}, which is above it"
        for target in targets
        if target.startswith("store/")
        and target not in parts
        and room_of(target) != ""
        and height.get(room_of(target), -1) > height[room]
    ]


def check_file(modules, lib, path):
    relative = path.relative_to(lib)
    module = relative.parts[0]
    includes = includes_of(path)

    problems = [problem for quote, target in includes if (problem := check_include(modules, module, quote, target))]
    if module == "store":
        problems += check_rooms(lib, relative.as_posix(), [target for _, target in includes])
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
