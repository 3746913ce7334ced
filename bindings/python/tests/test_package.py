# SPDX-License-Identifier: Apache-2.0
import ast
import doctest
import importlib
import importlib.resources
import pathlib
import pkgutil
import re
import subprocess
import sys

import memstore
import pytest
from memstore import _native

MODULES = ["memstore", *(module.name for module in pkgutil.walk_packages(memstore.__path__, "memstore."))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed")
    assert doctest.testmod(module).failed == 0


def test_the_examples_of_the_readme():
    readme = pathlib.Path(__file__).parents[1] / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        subprocess.run([sys.executable, "-W", "error", "-c", block], check=True, timeout=60)


def test_the_tutorial():
    tutorial = pathlib.Path(__file__).parents[1] / "examples/tutorial.py"
    subprocess.run([sys.executable, "-W", "error", str(tutorial)], check=True, timeout=120)


def test_the_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", memstore.__version__)
    assert importlib.metadata.version("memstore") == memstore.__version__


def test_all_is_complete():
    public = {name for name in vars(memstore) if not name.startswith("_")}
    modules = {name.removeprefix("memstore.") for name in MODULES}
    assert set(memstore.__all__) == (public - modules) | {"__version__"}


def test_the_stubs_name_what_the_native_module_has():
    stubs = ast.parse(importlib.resources.files(memstore).joinpath("_native.pyi").read_text(encoding="utf-8"))
    declared = {node.name: node for node in stubs.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    real = {name for name in vars(_native) if not name.startswith(("_", "MEMSTORE_", "SWIG"))}
    assert {name for name in declared if not name.startswith("_")} == real
    for name in ("Handle", "View"):
        members = {node.name for node in declared[name].body if isinstance(node, ast.FunctionDef)}
        has = {member for member in vars(getattr(_native, name)) if not member.startswith("__")}
        assert {member for member in members if not member.startswith("__")} == has


def test_every_module_is_installed():
    sources = pathlib.Path(__file__).parents[1] / "memstore"
    there = {path.relative_to(sources) for path in sources.rglob("*") if path.suffix in (".py", ".pyi", ".typed")}
    installed = pathlib.Path(memstore.__file__).parent
    assert there == {path.relative_to(installed) for path in installed.rglob("*") if path.suffix in (".py", ".pyi", ".typed")}


def test_py_typed_is_there():
    assert importlib.resources.files(memstore).joinpath("py.typed").is_file()


def test_every_public_method_has_a_docstring():
    for cls in (memstore.Store, memstore.Cache, memstore.View):
        for name in dir(cls):
            if not name.startswith("_") and callable(getattr(cls, name)):
                assert getattr(cls, name).__doc__, f"{cls.__name__}.{name}"
