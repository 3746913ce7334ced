#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the library as one C file with its public headers, for builds that cannot look outside of their own folder.

usage: amalgamate.py SOURCE_ROOT TARGET

TARGET gets memstore.c and memstore/*.h. Headers of the library are taken in where they are first included. Names that are
local to a file there and are not the only ones of their kind (static functions and variables, types, constants, macros) get the
name of their file in front, with those of its folders below lib/. Comments stay behind: what is to be read is lib/.
"""

import collections
import pathlib
import re
import sys

# The modules in lib/meson.build, which has them lowest first.
MODULE = re.compile(r"^  '(\w+)': \{$", re.MULTILINE)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"[^\n]*\n', re.MULTILINE)
TOKEN = re.compile(
    r'(?P<skip>/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#[ \t]*include[^\n]*)'
    r"|(?P<member>(?:->|(?<!\.)\.(?!\.))\s*[A-Za-z_]\w*)|(?P<name>\b[A-Za-z_]\w*)",
    re.DOTALL | re.MULTILINE,
)
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)
TAG = re.compile(r"\b(?:struct|union|enum)\s+(\w+)\s*\{")
TYPEDEF = re.compile(r"\btypedef\b[^;]*?(\w+)\s*$", re.DOTALL)
# What has parentheses and is no function.
NO_NAME = re.compile(r"__attribute__\s*\(\(.*?\)\)|\b_Atomic\s*\([^)]*\)|\b_Alignas\s*\([^)]*\)|\b_Static_assert\s*\([^)]*\)")
VARIABLE = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)*(?:=.*)?$", re.DOTALL)
ENUM_BODY = re.compile(r"\benum\b\s*\w*\s*\{([^}]*)\}", re.DOTALL)


def top_level(text):
    """The declarations of a file without what is inside of braces, each up to its ';' or '{'."""
    depth, start, found = 0, 0, []
    for at, char in enumerate(text):
        if char == "{":
            if depth == 0:
                found.append(text[start:at])
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                start = at + 1
        elif char == ";" and depth == 0:
            found.append(text[start:at])
            start = at + 1
    return [" ".join(part.split()) for part in found]


def defined_names(text):
    """The names that a source file defines for itself alone, or that a header defines for whom includes it."""
    code = COMMENT_OR_TEXT.sub(" ", text)
    names = set(MACRO.findall(code))
    code = DIRECTIVE.sub("", code)
    names.update(TAG.findall(code))
    for body in ENUM_BODY.findall(code):
        names.update(part.split("=")[0].strip() for part in body.split(",") if part.strip())
    for declaration in top_level(code):
        if declaration.startswith("typedef"):
            match = TYPEDEF.search(declaration)
        elif re.match(r"(?:\w+\s+)*?(?:static|MS_ALWAYS_INLINE)\b", declaration):
            plain = NO_NAME.sub(" int ", declaration).split("=")[0]
            match = re.search(r"(\w+)\s*\(", plain) or VARIABLE.search(plain)
        else:
            continue
        if match:
            names.add(match.group(1))
    return names


def without_comments(text):
    def keep(match):
        return match[0] if match[0][0] in "\"'" else " "

    lines = (line.rstrip() for line in COMMENT_OR_TEXT.sub(keep, text).splitlines())
    return "".join(line + "\n" for line in lines if line)


class Amalgamation:
    def __init__(self, root):
        self.lib = root / "lib"
        modules = MODULE.findall((self.lib / "meson.build").read_text(encoding="utf-8"))
        self.sources = [source for module in modules for source in sorted((self.lib / module).rglob("*.c"))]
        self.headers = sorted(self.lib.rglob("*.h"))
        self.count = collections.Counter()
        for path in self.sources + self.headers:
            self.count.update(defined_names(path.read_text(encoding="utf-8")))
        self.taken_in = set()

    def renamed(self, path, text):
        """The text of a source with the names that other files have as well made its own."""
        place = "_".join(path.relative_to(self.lib).with_suffix("").parts)
        own = {name for name in defined_names(text) if self.count[name] > 1}

        def replace(match):
            name = match["name"]
            return f"{place}_{name}" if name in own else match[0]

        return TOKEN.sub(replace, text)

    def expanded(self, text):
        """The text behind the headers that it includes, be it on a condition, as far as they are not there yet."""
        headers = "".join(self.header(name) for name in INCLUDE.findall(text))
        return headers + INCLUDE.sub("", text)

    def header(self, name):
        if name in self.taken_in:
            return ""
        self.taken_in.add(name)
        return self.expanded((self.lib / name).read_text(encoding="utf-8")).rstrip("\n") + "\n"

    def text(self):
        parts = [
            "/* SPDX-License-Identifier: Apache-2.0 */\n"
            "/* Code generated by tools/amalgamate.py from lib/. DO NOT EDIT. */\n"
            "#define MS_ONE_UNIT 1\n"
        ]
        for path in self.sources:
            body = self.expanded(self.renamed(path, path.read_text(encoding="utf-8")))
            parts.append(f"\n/* lib/{path.relative_to(self.lib).as_posix()} */\n{without_comments(body)}")
        return "".join(parts)


def main():
    root, target = (pathlib.Path(argument) for argument in sys.argv[1:3])
    headers = target / "memstore"
    headers.mkdir(parents=True, exist_ok=True)
    for old in headers.glob("*.h"):
        old.unlink()
    for header in sorted((root / "include/memstore").glob("*.h")):
        (headers / header.name).write_bytes(header.read_bytes())
    (target / "memstore.c").write_text(Amalgamation(root).text(), encoding="utf-8")


if __name__ == "__main__":
    main()
