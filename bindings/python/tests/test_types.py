# SPDX-License-Identifier: Apache-2.0
"""The types, as type checkers see them: of the installed package, and of typed_sample.py, which uses every call."""

import ast
import importlib.util
import json
import pathlib
import subprocess
import sys

import memstore
import pytest

HERE = pathlib.Path(__file__).parent
SAMPLE = HERE / "typed_sample.py"


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@needs("mypy")
def test_mypy_finds_nothing(tmp_path):
    # In a folder of its own, so that no configuration is found but the one given.
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n", encoding="utf-8")
    for what in ([str(SAMPLE)], ["--config-file", str(HERE.parents[2] / "pyproject.toml"), "-p", "memstore"]):
        result = subprocess.run(
            [sys.executable, "-m", "mypy", *what], capture_output=True, text=True, timeout=300, cwd=tmp_path
        )
        assert result.returncode == 0, result.stdout + result.stderr


@needs("basedpyright")
def test_pyright_finds_nothing(tmp_path):
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"include": [str(SAMPLE)], "typeCheckingMode": "strict"}), encoding="utf-8"
    )
    result = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_sample_runs():
    subprocess.run([sys.executable, "-W", "error", str(SAMPLE)], check=True, timeout=120)


def test_the_sample_uses_every_call():
    used = {node.attr for node in ast.walk(ast.parse(SAMPLE.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)}
    for cls in (memstore.Store, memstore.View, memstore.Subscription):
        public = {name for name in dir(cls) if not name.startswith("_")}
        assert public <= used, f"{cls.__name__}: {sorted(public - used)}"
    own = {name for name in vars(memstore.Cache) if not name.startswith("_")}
    assert own <= used, f"Cache: {sorted(own - used)}"
