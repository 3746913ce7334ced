#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the project's Go modules into a folder as a module proxy serves them, as if this tree were tagged.

usage: tools/go-proxy.py FOLDER        prints each module with its version
Then: GOPROXY=file://FOLDER,$(go env GOPROXY) GONOSUMDB=github.com/weisyn/memstore go get MODULE@VERSION
"""

import json
import os
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Modules that nobody imports: the tests' own.
PRIVATE = "internal"


def version() -> str:
    text = (ROOT / "include/memstore/version.h").read_text()
    return "v" + re.search(r'MEMSTORE_VERSION_STRING "(.*)"', text)[1]


def files_of(module: Path):
    """Yield the files of a module: those below its folder but not in another module."""
    for folder, names, files in os.walk(module):
        names[:] = sorted(n for n in names if not (Path(folder) / n / "go.mod").exists())
        for name in sorted(files):
            yield Path(folder) / name


def publish(module: Path, proxy: Path, at: str) -> str:
    """Write what a proxy has of one module, and return its path."""
    definition = (module / "go.mod").read_text()
    path = re.search(r"^module (\S+)$", definition, re.MULTILINE)[1]
    for required in re.findall(r"memstore/bindings/go (v\S+)", definition):
        if required != at:
            raise SystemExit(f"{module / 'go.mod'} requires {required} of the main module, and not {at}")
    folder = proxy / path / "@v"
    folder.mkdir(parents=True)
    (folder / "list").write_text(at + "\n")
    (folder / f"{at}.info").write_text(json.dumps({"Version": at, "Time": "2000-01-01T00:00:00Z"}))
    (folder / f"{at}.mod").write_text(definition)
    with zipfile.ZipFile(folder / f"{at}.zip", "w", zipfile.ZIP_STORED) as archive:
        for file in files_of(module):
            archive.write(file, f"{path}@{at}/{file.relative_to(module)}")
    return path


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for definition in sorted((ROOT / "bindings/go").rglob("go.mod")):
        module = definition.parent
        if PRIVATE not in module.relative_to(ROOT).parts:
            print(publish(module, Path(sys.argv[1]).resolve(), version()), version())
    return 0


if __name__ == "__main__":
    sys.exit(main())
