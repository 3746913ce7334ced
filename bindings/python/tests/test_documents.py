# SPDX-License-Identifier: Apache-2.0
"""The programs in the documentation and in the docstrings of the integrations run, with what they take for granted given."""

import ast
import asyncio
import contextlib
import inspect
import pathlib
import re
import subprocess
import sys
import textwrap
import threading
import types
from unittest import mock

import memstore
import pytest

ROOT = pathlib.Path(__file__).parents[3]


def blocks_of(document):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run(text, given):
    """Run a program, which may await something outside of functions; what it names stays in what was given."""
    code = compile(text, "<document>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, given)  # noqa: S307
    if inspect.iscoroutine(result):
        asyncio.run(result)


@contextlib.contextmanager
def readme(store):
    yield {}


@contextlib.contextmanager
def advice(store):
    yield {"store": store}
    assert "no key is followed" not in str(store.advise())


@contextlib.contextmanager
def events(store):
    seen = []

    def archive(key, value):
        seen.append((key, value))
        store.close()

    def expire():
        with contextlib.suppress(memstore.CacheClosed):
            while True:
                store.set("k", b"v", ttl=0.005)
                store.maintain()

    thread = threading.Thread(target=expire)
    thread.start()
    yield {"store": store, "EventKind": memstore.EventKind, "archive": archive}
    thread.join(60)
    assert seen[0] == (b"k", b"v")


@contextlib.contextmanager
def loading(store):
    def rows(keys):
        return {key: b"row" for key in keys}

    async def aload(key):
        return b"row"

    with memstore.Store(access_sample_ratio=1) as other:
        pathlib.Path("advice.json").write_text(other.advise().to_json(), encoding="utf-8")
    given = {
        "store": store, "memstore": memstore, "Path": pathlib.Path, "keys": ["a", "b"], "load_rows": rows, "aload": aload,
        "database": types.SimpleNamespace(rows=rows), "load": lambda key: (b"row", 60),
    }  # fmt: skip
    yield given
    assert given["value"] == store["block/42"] == store["a"] == b"row"


@contextlib.contextmanager
def metrics(store):
    client = pytest.importorskip("prometheus_client")
    registry = client.CollectorRegistry()
    with memstore.Store() as other, mock.patch.object(client, "REGISTRY", registry):
        yield {"store": store, "other": other}
        assert registry.get_sample_value("memstore_entries", {"store": "states"}) == 0


@contextlib.contextmanager
def snapshots(store):
    store["k"] = b"v"
    given = {"store": store, "path": "snapshot"}
    yield given
    assert given["done"].present == 1 and store.snapshot_info("snapshot").entries == 1


DOCUMENTS = {
    "README.md": readme, "docs/advice.md": advice, "docs/events.md": events, "docs/loading.md": loading,
    "docs/metrics.md": metrics, "docs/snapshots.md": snapshots,
}  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_programs_of_a_document(store, document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with DOCUMENTS[document](store) as given:
        for block in blocks_of(document):
            run(block, given)


def test_every_document_is_run():
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert {str(path.relative_to(ROOT)) for path in documents if "```python" in path.read_text(encoding="utf-8")} == set(DOCUMENTS)


# ---- The integrations, each in a process of its own, since frameworks keep what they are told

BEFORE = {"flask_caching": "import flask, flask_caching\napp = flask.Flask('site')\n"}
AFTER = {
    "aiocache": """
assert asyncio.run(load(1)) is None and isinstance(load.cache, MemstoreCache) and asyncio.run(cache.set("k", 1))
assert isinstance(aiocache.caches.get("default"), MemstoreCache)
""",
    "django": """
import django.conf
django.conf.settings.configure(CACHES=CACHES)
from django.core.cache import cache
cache.set("k", [1])
assert cache.get("k") == [1] and cache.store.capacity() == 256_000_000
""",
    "dogpile": """
region.set("k", [1])
assert region.get("k") == [1] and region.backend.store.capacity() == 256_000_000
""",
    "flask_caching": """
with app.app_context():
    cache.set("k", [1])
    assert cache.get("k") == [1] and cache.cache.store.capacity() == 256_000_000
""",
    "requests_cache": "assert isinstance(session.cache, MemstoreCache) and session.cache.store.capacity() == 256_000_000\n",
}
PACKAGES = {"aiocache": "aiocache", "django": "django", "dogpile": "dogpile.cache", "flask_caching": "flask_caching", "requests_cache": "requests_cache"}


def program_of(docstring):
    """What is indented after two colons."""
    lines = docstring.partition("::\n")[2].lstrip("\n").splitlines()
    end = next((i for i, line in enumerate(lines) if line and not line.startswith("    ")), len(lines))
    return textwrap.dedent("\n".join(lines[:end]))


@pytest.mark.parametrize("name", AFTER)
def test_the_program_of_an_integration(name, tmp_path):
    package = PACKAGES[name]
    pytest.importorskip(package)
    source = pathlib.Path(memstore.__file__).with_name("integrations") / f"{name}.py"
    program = program_of(ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")), clean=False))
    assert len(program.split()) > 3
    given = f"import asyncio, {package}\nfrom memstore.integrations.{name} import *\n" if name != "dogpile" else "import dogpile.cache\n"
    path = tmp_path / "program.py"
    path.write_text(given + BEFORE.get(name, "") + program + AFTER[name], encoding="utf-8")
    subprocess.run([sys.executable, str(path)], check=True, timeout=120)
