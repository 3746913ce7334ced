#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Use the wheel and the source distribution of the Python package as their users would, and report by TAP.

usage: check-wheel.py [--build-from-source] FOLDER

FOLDER is what `./dev wheel` has made. Each Python from 3.11 on that is on the path, or under ~/.pyenv, gets a bare environment
with the wheel and nothing else. With --build-from-source the source distribution is built, too, which takes a compiler.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import tap

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bindings/python/memstore"

PROGRAM = r"""
import asyncio, memstore

with memstore.Store(memory_limit="16MB", default_ttl="1h") as store, memstore.Cache(memory_limit="16MB") as cache:
    store.set_many({"a": b"1", "b": bytearray(b"2")}, ttl=60)
    cache["k"] = {"n": [1, None]}

    @store.memoize
    async def square(n):
        return n * n

    with store.view("a") as memory, store.subscribe() as removals:
        store.clear()
        events = sorted((removals.get(timeout=60).key, removals.get(timeout=60).key))
        print(bytes(memory), events, cache["k"], asyncio.run(square(7)), store.stats().hits, memstore.__version__)

with open("/proc/self/maps", encoding="utf-8") as maps:
    print(*sorted({line.split()[-1] for line in maps if any(name in line for name in ("urcu", "yaml", "zstd"))}), sep="\n")
"""


def modules(names):
    return {str(name) for name in names if str(name).endswith((".py", ".pyi", "py.typed"))}


def run(*command, cwd=None, environment=None):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        # Nothing of this environment may help along: no LD_LIBRARY_PATH, no PYTHONPATH.
        env={"PATH": "/usr/bin:/bin", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def only(folder, pattern):
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, f"{folder} has {len(found)} of {pattern}"
    return found[0]


class Distribution:
    def __init__(self, folder, work):
        self.wheel = only(pathlib.Path(folder).resolve(), "memstore-*.whl")
        self.source = only(pathlib.Path(folder).resolve(), "memstore-*.tar.gz")
        self.work = work
        self.version = re.search(r"memstore-([\d.]+)-", self.wheel.name).group(1)

    def installed_for(self, python):
        """A bare environment with the wheel: its Python."""
        folder = self.work / f"bare-{python.name}-{python.parent.parent.name}"
        run(python, "-m", "venv", "--without-pip", folder)
        own = folder / "bin/python"
        run(sys.executable, "-m", "pip", "--python", own, "install", "--quiet", "--disable-pip-version-check", "--no-index",
            "--no-deps", self.wheel)  # fmt: skip
        return own


def check_tag(here):
    assert re.search(r"-cp311-abi3-manylinux_\d+_\d+_\w+\.whl$", here.wheel.name), here.wheel.name


def check_content(here):
    with zipfile.ZipFile(here.wheel) as wheel:
        names = wheel.namelist()
    wanted = modules(pathlib.Path("memstore") / path.relative_to(PACKAGE) for path in PACKAGE.rglob("*"))
    assert modules(names) == wanted, modules(names) ^ wanted
    for licence in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f"licenses/{licence}") for name in names), names
    assert not any("libmemstore" in name for name in names), "the engine is part of the extension module"
    assert {name.split("/")[-1].split("-")[0] for name in names if name.startswith("memstore.libs/l")} == {"liburcu", "libyaml", "libzstd"}


def check_library_is_not_needed(here):
    extracted = here.work / "extracted"
    with zipfile.ZipFile(here.wheel) as wheel:
        wheel.extractall(extracted)
    dynamic = run("readelf", "-d", extracted / "memstore/_native.abi3.so")
    needed = set(re.findall(r"NEEDED.*\[(.*?)[-.].*\]", dynamic))
    assert needed <= {"liburcu", "libyaml", "libzstd", "libc", "libm", "libpthread", "ld"}, needed
    exported = run("nm", "-D", "--defined-only", extracted / "memstore/_native.abi3.so").split()[2::3]
    assert exported == ["PyInit__native"], exported


def python_check(python):
    def check(here):
        own = here.installed_for(python)
        lines = run(own, "-I", "-W", "error", "-c", PROGRAM, cwd=here.work).splitlines()
        assert lines[0] == "b'1' [b'a', b'b'] {'n': [1, None]} 49 1 " + here.version, lines
        assert len(lines) > 1 and all("memstore.libs" in line for line in lines[1:]), lines
        assert here.version in run(own, "-I", "-m", "memstore", "info", cwd=here.work)

    return check


def check_readme(here):
    own = here.installed_for(pathlib.Path(sys.executable))
    readme = (ROOT / "bindings/python/README.md").read_text(encoding="utf-8")
    first = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    run(own, "-I", "-W", "error", "-c", first, cwd=here.work)


def check_source(here):
    with tarfile.open(here.source) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
        metadata = source.extractfile(f"memstore-{here.version}/PKG-INFO").read().decode()
    assert f"Version: {here.version}\n" in metadata and "Requires-Python: >=3.11" in metadata
    wanted = {"pyproject.toml", "meson.build", "LICENSE", "NOTICE", "bindings/python/native/memstore_wrap.c", "lib/memstore.map"}
    assert wanted <= names, wanted - names
    assert not [name for name in names if name.endswith((".so", ".o", ".pyc"))]


def check_source_builds(here):
    tools = {"PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps",
        "--wheel-dir", here.work / "built", here.source, environment=tools)  # fmt: skip
    here.wheel = only(here.work / "built", "*.whl")
    own = here.installed_for(pathlib.Path(sys.executable))
    assert run(own, "-I", "-c", PROGRAM, cwd=here.work).startswith("b'1'")


def check_install(here):
    own = here.work / "isolated/bin/python"
    run(sys.executable, "-m", "venv", own.parents[1])
    # Where packages come from may be told by the environment.
    told = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_", "VIRTUAL_ENV"))}
    told["PATH"] = "/usr/bin:/bin"
    if not shutil.which("cc", path=told["PATH"]):
        raise tap.Skip("there is no C compiler under /usr/bin")
    try:
        run(own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", here.source, environment=told)
    except AssertionError as failure:
        if "No matching distribution found for meson" in str(failure):
            raise tap.Skip("the tools that the build asks for cannot be had") from failure
        raise
    assert run(own, "-I", "-c", PROGRAM, cwd=here.work).startswith("b'1'")


def pythons():
    """The Pythons to try, one of each version: this one, and newer ones."""
    found = {sys.version_info[:2]: pathlib.Path(sys.executable)}
    for minor in range(11, 20):
        paths = [*pathlib.Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3"), shutil.which(f"python3.{minor}")]
        for path in filter(None, paths):
            # What is on the path may be a stand-in that runs nothing.
            works = subprocess.run([path, "-c", "import ctypes, venv"], capture_output=True, check=False).returncode == 0
            if works and (3, minor) not in found:
                found[3, minor] = pathlib.Path(path)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-from-source", action="store_true")
    parser.add_argument("folder")
    options = parser.parse_args()
    checks = [
        ("the wheel is for the stable ABI and many Linuxes", check_tag),
        ("the wheel has every module, the licences, and the libraries that it needs", check_content),
        ("the extension module has the engine in it and exports its initialisation alone", check_library_is_not_needed),
        *(
            (f"the wheel works in a bare environment of Python {major}.{minor}", python_check(path))
            for (major, minor), path in pythons().items()
        ),
        ("the README's first program runs", check_readme),
        ("the source distribution is complete", check_source),
    ]
    if options.build_from_source:
        checks.append(("the source distribution builds", check_source_builds))
        checks.append(("pip installs the source distribution into a new environment, and needs nothing else", check_install))
    return tap.run(checks, lambda work: Distribution(options.folder, work))


if __name__ == "__main__":
    sys.exit(main())
