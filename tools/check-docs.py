#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check that each public function says what it does, takes, returns, since when, with which thread safety and progress, and
that the internal functions that the documents name are there, and the fields of which docs/threading.md says who writes them.

usage: check-docs.py [SOURCE_ROOT]

A function's comment stands right above it and holds a first sentence, `@threadsafety any|object|exclusive`, `@progress` that
says whether it is lock-free or what it waits for, `@since`, a `@param` with a direction for each parameter, and `@retval` or
`@return` unless it returns nothing. The status names of `@retval` are those of status.h.
"""

import pathlib
import re
import sys

FUNCTION = re.compile(
    r"(?P<comment>/\*\*(?:(?!\*/).)*\*/\s*)?"
    r"^MEMSTORE_API\s+(?P<type>[^;()]*?)(?P<name>memstore_\w+)\s*\((?P<parameters>[^;]*)\)\s*(?:MEMSTORE_WARN_UNUSED\s*)?;",
    re.DOTALL | re.MULTILINE,
)
THREADSAFETY = re.compile(r"@threadsafety\s+(any|object|exclusive)\b")
PROGRESS = re.compile(r"@progress\s+(Lock-free|Waits)\b")
SINCE = re.compile(r"@since\s+\d+\.\d+")
PARAM = re.compile(r"@param\[(?:in|out|in,out)\]\s+([\w,]+)")
RETVAL = re.compile(r"@retval\s+(\w+)")
INTERNAL = re.compile(r"\bms_[a-z]\w+")
STRUCT = re.compile(r"\b(?:struct|union)\s+(?P<tag>\w+)?[^;{}()]*\{")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
MEMBER = re.compile(r"\b([A-Za-z_]\w*)\b(?=\s*(?:\[[^\]]*\])*\s*(?::\s*\d+\s*)?(?:MS_ALIGNED\([^;]*\))?\s*[;,)])")
# A path to a field, as `ms_flights.buckets[]`, `.status` or `earliest`; no file and no setting.
FIELD = re.compile(r"`\*?(\.?[a-z_]\w*(?:\[\])?(?:\.\w+(?:\[\])?)*)`")
STATUS = re.compile(r"^\s*(MEMSTORE_(?:OK|ERR_\w+))\s*=", re.MULTILINE)


def parameter_names(text):
    text = " ".join(text.split())
    if text in ("", "void"):
        return []
    return [re.search(r"(\w+)\s*(?:\[\])?$", part.strip()).group(1) for part in text.split(",")]


def check_function(match, statuses):
    comment = match["comment"] or ""
    if not comment:
        return ["has no comment"]

    problems = []
    if re.match(r"/\*\*\s*@", comment):
        problems.append("has no first sentence")
    if not THREADSAFETY.search(comment):
        problems.append("lacks @threadsafety any, object or exclusive")
    if not PROGRESS.search(comment):
        problems.append("lacks @progress that begins with Lock-free or Waits")
    if not SINCE.search(comment):
        problems.append("lacks @since")
    returns = match["type"].strip() != "void"
    if returns and not RETVAL.search(comment) and "@return" not in comment:
        problems.append("lacks @retval or @return")
    if not returns and ("@return" in comment or RETVAL.search(comment)):
        problems.append("returns nothing and has @retval or @return")

    parameters = parameter_names(match["parameters"])
    documented = [name for names in PARAM.findall(comment) for name in names.split(",")]
    problems += [f"lacks @param for {name}" for name in parameters if name not in documented]
    problems += [f"has @param for {name}, which it does not take" for name in documented if name not in parameters]
    problems += [f"@retval {name} is no status" for name in RETVAL.findall(comment) if name not in statuses]
    return problems


def check_names(root):
    """The names of `ms_…` in the documents are words of the sources."""
    sources = (path for folder in ("lib", "bindings") for path in (root / folder).rglob("*.[chi]"))
    known = {name for path in sources for name in INTERNAL.findall(path.read_text(encoding="utf-8"))}
    documents = [root / "ARCHITECTURE.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    return [
        f"{document.relative_to(root)}: there is no {name}"
        for document in documents
        for name in sorted(set(INTERNAL.findall(document.read_text(encoding="utf-8"))) - known)
    ]


def end_of_block(text, start):
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return len(text)


def struct_members(root):
    """The names of the members of each struct in lib/, by its tag; those of all under None."""
    members = {None: set()}
    for path in sorted((root / "lib").rglob("*.[ch]")):
        text = COMMENT.sub("", path.read_text(encoding="utf-8"))
        for match in STRUCT.finditer(text):
            names = set(MEMBER.findall(text[match.end() : end_of_block(text, match.end())]))
            members.setdefault(match["tag"], set()).update(names)
            members[None] |= names
    return members


def missing_field(path, members):
    """The part of a path that names no member: of the struct that it begins with, or of any. Variables, which are named
    `ms_…`, are left to check_names()."""
    parts = [part for part in path.replace("[]", "").split(".") if part]
    known = members[None]
    for part in parts:
        if part in members:
            known = members[part]
        elif part in known:
            known = members[None]
        elif not part.startswith("ms_"):
            return part
    return None


def check_fields(root):
    """The fields in the first column of the tables of docs/threading.md that begin with `field` are there."""
    members = struct_members(root)
    problems = []
    of_fields = False
    for number, line in enumerate((root / "docs/threading.md").read_text(encoding="utf-8").splitlines(), 1):
        first = line.split("|")[1].strip() if line.startswith("|") else ""
        of_fields = bool(first) and (first == "field" or of_fields)
        missing = [missing_field(path, members) for path in FIELD.findall(first)] if of_fields else []
        problems += [f"docs/threading.md:{number}: there is no field {name}" for name in missing if name]
    return problems


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    headers = sorted((root / "include" / "memstore").glob("*.h"))
    statuses = set(STATUS.findall((root / "include/memstore/status.h").read_text(encoding="utf-8")))

    functions = 0
    problems = []
    for header in headers:
        text = header.read_text(encoding="utf-8")
        if "@file" not in text:
            problems.append(f"{header.name}: has no @file comment")
        declared = len(re.findall(r"^MEMSTORE_API\b", text, re.MULTILINE))
        found = list(FUNCTION.finditer(text))
        if declared != len(found):
            problems.append(f"{header.name}: {declared} functions are marked MEMSTORE_API, {len(found)} were understood")
        functions += len(found)
        for match in found:
            line = text.count("\n", 0, match.start("type")) + 1
            problems += [f"{header.name}:{line}: {match['name']} {problem}" for problem in check_function(match, statuses)]
    problems += check_names(root)
    problems += check_fields(root)
    for problem in problems:
        print(problem)
    print(f"docs: {functions} functions, {len(problems)} problems")
    return 1 if problems or not functions else 0


if __name__ == "__main__":
    sys.exit(main())
