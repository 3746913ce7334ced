#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Use an installed memstore as another project would, and report by TAP.

usage: check-install.py PREFIX
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import tap

PROGRAM = r"""
#include <memstore/memstore.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    memstore *store;
    char value[8] = "";
    size_t size = 0;

    if (memstore_open(NULL, &store) != MEMSTORE_OK)
        return 1;
    if (memstore_set(store, "key", 3, "value", 5, MEMSTORE_TTL_NONE) != MEMSTORE_OK)
        return 2;
    if (memstore_get(store, "key", 3, value, sizeof(value), &size) != MEMSTORE_OK || size != 5)
        return 3;
    if (memstore_close(store) != MEMSTORE_OK)
        return 4;
    memstore_destroy(store);
    printf("%s %s\n", value, MEMSTORE_VERSION_STRING);
    return 0;
}
"""

CMAKE = r"""
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(memstore @VERSION@ REQUIRED)
foreach(kind memstore memstore_static)
  add_executable(with_${kind} main.c)
  target_link_libraries(with_${kind} PRIVATE memstore::${kind})
endforeach()
"""


class Installation:
    def __init__(self, prefix, work):
        self.prefix = pathlib.Path(prefix)
        self.work = work
        self.source = work / "main.c"
        self.source.write_text(PROGRAM)
        version_h = (self.prefix / "include/memstore/version.h").read_text()
        self.version = re.search(r'MEMSTORE_VERSION_STRING "(.*)"', version_h).group(1)
        # Neither the loader's path nor the compiler's variables may help along.
        self.environment = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "CPATH", "LIBRARY_PATH")}
        self.environment["PKG_CONFIG_PATH"] = str(self.prefix / "lib/pkgconfig")

    def run(self, *command, cwd=None):
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}")
        return done.stdout

    def pkg_config(self, *arguments):
        return self.run("pkg-config", *arguments, "memstore").split()

    def expect_output(self, program):
        output = self.run(program)
        assert output == f"value {self.version}\n", f"{program} printed {output!r}"


def check_pkg_config_version(here):
    assert here.pkg_config("--modversion") == [here.version]


def check_soname(here):
    dynamic = here.run("readelf", "-d", here.prefix / "lib/libmemstore.so")
    wanted = f"libmemstore.so.{here.version.split('.')[0]}"
    assert f"[{wanted}]" in dynamic, dynamic


def check_shared(here):
    here.run("cc", here.source, "-o", "shared", *here.pkg_config("--cflags", "--libs"))
    assert "libmemstore.so" in here.run("readelf", "-d", here.work / "shared")
    here.expect_output(here.work / "shared")


def check_static(here):
    here.run("cc", "-static", here.source, "-o", "static", *here.pkg_config("--static", "--cflags", "--libs"))
    here.expect_output(here.work / "static")


def check_cmake(here):
    if not shutil.which("cmake"):
        raise tap.Skip("there is no cmake")
    folder = here.work / "cmake"
    folder.mkdir()
    shutil.copy(here.source, folder)
    (folder / "CMakeLists.txt").write_text(CMAKE.replace("@VERSION@", here.version))
    here.run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={here.prefix}")
    here.run("cmake", "--build", folder / "build")
    here.expect_output(folder / "build/with_memstore")
    here.expect_output(folder / "build/with_memstore_static")
    assert "libmemstore" not in here.run("readelf", "-d", folder / "build/with_memstore_static")


def check_cmake_refuses_newer(here):
    if not shutil.which("cmake"):
        raise tap.Skip("there is no cmake")
    folder = here.work / "cmake-newer"
    folder.mkdir()
    shutil.copy(here.source, folder)
    (folder / "CMakeLists.txt").write_text(CMAKE.replace("@VERSION@", "99.0"))
    try:
        here.run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={here.prefix}")
    except AssertionError as refused:
        assert "memstore" in str(refused)
        return
    raise AssertionError("a request for version 99.0 was met")


def check_moved_tree(here):
    """CMake users find the library wherever the tree lies."""
    if not shutil.which("cmake"):
        raise tap.Skip("there is no cmake")
    work = here.work / "elsewhere"
    work.mkdir()
    check_cmake(Installation(shutil.copytree(here.prefix, work / "moved", symlinks=True), work))


def header_check(standard, compiler, language):
    def check(here):
        if not shutil.which(compiler):
            raise tap.Skip(f"there is no {compiler}")
        source = here.work / "header.c"
        flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", here.prefix / "include"]
        for header in sorted((here.prefix / "include/memstore").glob("*.h")):
            # ISO C wants a declaration in every file, which export.h does not have.
            source.write_text(f"#include <memstore/{header.name}>\nextern int declared;\n")
            here.run(compiler, f"-std={standard}", "-x", language, *flags, source)

    return check


CHECKS = [
    ("pkg-config tells the version of the headers", check_pkg_config_version),
    ("the soname carries the major version", check_soname),
    ("a program links the shared library by pkg-config and runs", check_shared),
    ("a program links everything statically by pkg-config --static and runs", check_static),
    ("a program links both kinds by the CMake package and runs", check_cmake),
    ("the CMake package refuses a newer version", check_cmake_refuses_newer),
    ("the CMake package works from a moved tree", check_moved_tree),
    ("each header compiles alone as C99", header_check("c99", "cc", "c")),
    ("each header compiles alone as C11", header_check("c11", "cc", "c")),
    ("each header compiles alone as C++11", header_check("c++11", "c++", "c++")),
]


if __name__ == "__main__":
    sys.exit(tap.run(CHECKS, lambda work: Installation(sys.argv[1], work)))
