# SPDX-License-Identifier: Apache-2.0
"""The types, as type checkers see them: of the installed package, of typed_sample.py, which uses every call, and
of typed_records.py, which names all else."""

import ast
import importlib.util
import inspect
import json
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
