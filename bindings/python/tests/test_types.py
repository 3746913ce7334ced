# SPDX-License-Identifier: Apache-2.0
"""The types, as type checkers see them: of the installed package, of typed_sample.py, which uses every call, and
of typed_records.py, which names all else."""

import ast
import importlib.util
import inspect
import json
import os
import pathlib
import subprocess
import sys

import memstore
import pytest

HERE = pathlib.Path(__file__).parent
SAMPLES = [HERE / "typed_sample.py", HERE / "typed_records.py"]


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@needs("mypy")
def test_mypy_finds_nothing(tmp_path):
    # In a folder of its own, so that no configuration is found but the one given.
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n", encoding="utf-8")
    for what in ([str(SAMPLES[0])], [str(SAMPLES[1])], ["--config-file", str(HERE.parents[2] / "pyproject.toml"), "-p", "memstore"]):
        result = subprocess.run(
            [sys.executable, "-m", "mypy", *what], capture_output=True, text=True, timeout=300, cwd=tmp_path
        )
        assert result.returncode == 0, result.stdout + result.stderr


@needs("mypy")
def test_mypy_finds_what_is_misspelt(tmp_path):
    wrong = [
        'memstore.Store(evicton="lru")',
        'memstore.Store(eviction="lur")',
        'memstore.Store(ttl={"default": 5})',
        'memstore.Store.from_yaml("path", memory_limits="1GB")',
        "memstore.Cache(default_tl=5)",
        "_native.MEMSTORE_ERR_CACHE_FUL",
    ]
    (tmp_path / "wrong.py").write_text("\n".join(["import memstore; from memstore import _native", *wrong]), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "wrong.py"], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    found = {int(line.split(":")[1]) for line in result.stdout.splitlines() if ": error: " in line}
    assert found == set(range(2, 2 + len(wrong))), result.stdout + result.stderr


@needs("basedpyright")
def test_pyright_finds_nothing(tmp_path):
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"include": [str(sample) for sample in SAMPLES], "typeCheckingMode": "strict"}), encoding="utf-8"
    )
    result = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_samples_run(sample):
    subprocess.run([sys.executable, "-W", "error", str(sample)], check=True, timeout=120)


def _used(sample):
    """What is written behind a dot, or imported."""
    nodes = list(ast.walk(ast.parse(sample.read_text(encoding="utf-8"))))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return used | {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_the_sample_uses_every_call():
    used = _used(SAMPLES[0])
    for cls in (memstore.Store, memstore.View, memstore.Subscription):
        public = {name for name in dir(cls) if not name.startswith("_")}
        assert public <= used, f"{cls.__name__}: {sorted(public - used)}"
    own = {name for name in vars(memstore.Cache) if not name.startswith("_")}
    assert own <= used, f"Cache: {sorted(own - used)}"


def test_the_samples_name_all_that_is_public():
    used = _used(SAMPLES[0]) | _used(SAMPLES[1])
    assert set(memstore.__all__) <= used, sorted(set(memstore.__all__) - used)
    for name in memstore.__all__:
        thing = getattr(memstore, name)
        if inspect.isclass(thing):
            mine = [base for base in thing.__mro__ if base.__module__.startswith("memstore")]
            fields = {field for base in mine for field in vars(base) if not field.startswith("_")}
            assert fields <= used, f"{name}: {sorted(fields - used)}"


# What stubtest cannot know or says too much of: bases by their layout, which typing names from 3.15 on; the buffer protocol, which has a
# name for Python from 3.12 on; a parameter that the module takes by position, and is to be given by name.
ALLOWED = ["Handle", "Subscription", "View.__buffer__", "Handle.set_many"]


@needs("mypy")
def test_the_stubs_are_those_of_the_native_module(tmp_path):
    (tmp_path / "allowed").write_text("".join(f"memstore\\._native\\.{name}\n" for name in ALLOWED), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "memstore._native", "--allowlist", "allowed", "--ignore-unused-allowlist"],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


@needs("basedpyright")
def test_every_public_type_is_known(tmp_path):
    # It asks the first Python on the path for the package.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--verifytypes", "memstore", "--ignoreexternal", "--outputjson"],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, env={**os.environ, "PATH": path},
    )  # fmt: skip
    symbols = [symbol for symbol in json.loads(result.stdout)["typeCompleteness"]["symbols"] if symbol["isExported"]]
    assert len(symbols) > 500
    # What frameworks have no types for is not known in their classes' heirs.
    unknown = {symbol["name"] for symbol in symbols if not symbol["isTypeKnown"] and ".integrations." not in symbol["name"]}
    assert unknown == set()
