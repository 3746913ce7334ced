# SPDX-License-Identifier: Apache-2.0
"""memstore.integrations.flask_caching, as a cache and in an application."""

import pathlib
import re
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from conftest import upstream_tests, wait_until
from full_store_cases import SETTINGS, check_that_many_go_alone, full_stores
from test_threads import run_in_threads

pytest.importorskip("flask_caching")

import flask
import flask_caching
from memstore.integrations.flask_caching import MemstoreCache


HERE = pathlib.Path(__file__).parent


def test_flask_cachings_own_tests(tmp_path):
    source = upstream_tests("Flask-Caching")
    if not (source / "test_memoize.py").is_file():
        pytest.skip("Flask-Caching's source distribution is not there")
    for pattern in ("test_cache.py", "test_memoize.py", "test_view.py", "test_templates.py", "*.html"):
        for path in source.glob(pattern):
            shutil.copy(path, tmp_path)
    shutil.copy(HERE / "flask_caching_fixtures.py", tmp_path / "conftest.py")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.search(r"(\d+) passed", result.stdout)[1]) > 80


@pytest.fixture
def cache():
    made = MemstoreCache(default_timeout=300, memory_limit="16MB", max_entry_size="100kB")
    yield made
    made.store.close()


@pytest.fixture
def app():
    made = flask.Flask("test")
    made.config.update(
        CACHE_TYPE="memstore.integrations.flask_caching.MemstoreCache",
        CACHE_DEFAULT_TIMEOUT=100,
        CACHE_OPTIONS={"memory_limit": "16MB"},
    )
    return made


def test_one_key(cache):
    assert cache.get("k") is None and not cache.has("k") and not cache.delete("k")
    for value in (1, True, 1.5, "text", b"bytes", [1, {"a": None}], 2**100):
        assert cache.set("k", value) is True
        assert cache.get("k") == value and type(cache.get("k")) is type(value)
    assert cache.has("k") and cache.add("k", 2) is False and cache.delete("k") and cache.add("k", 2) is True
    assert cache.clear() is True and cache.get("k") is None


def test_timeouts(cache):
    cache.set("default", 1)
    cache.set("never", 1, timeout=0)
    cache.set("delta", 1, timeout=timedelta(seconds=60))
    assert 299 < cache.store.ttl("default") <= 300 and 59 < cache.store.ttl("delta") <= 60
    assert cache.store.ttl("never") is None
    cache.set("over", 1)
    assert cache.set("over", 1, timeout=-1) and not cache.has("over") and cache.add("over", 1, timeout=-1)
    cache.set("short", 1, timeout=0.01)
    assert wait_until(lambda: cache.get("short") is None)


def test_many_keys(cache):
    assert cache.set_many({"a": 1, "b": [2]}) == ["a", "b"]
    assert cache.get_many("a", "absent", "b") == [1, None, [2]]
    assert cache.get_dict("a", "absent") == {"a": 1, "absent": None}
    assert cache.delete_many("a", "absent") == ["a", "absent"]
    assert cache.set_many({"a": 1, "large": "x" * 200_000}) == ["a"]
    assert cache.get_many("a", "large") == [1, None]


def test_a_value_without_room_is_not_cached(cache):
    cache.set("k", "old")
    assert cache.set("k", "x" * 200_000) is False and cache.get("k") is None
    assert cache.add("k", "x" * 200_000) is False


@full_stores
def test_many_are_deleted_from_a_full_store(eviction):
    cache = MemstoreCache(eviction=eviction, **SETTINGS)
    check_that_many_go_alone(cache.store, lambda key: cache.set(key, "x" * 60), lambda keys: cache.delete_many(*keys))
    cache.store.close()


def test_counters(cache):
    assert cache.inc("n") == 1 and cache.inc("n", 5) == 6 and cache.dec("n", 2) == 4
    assert 299 < cache.store.ttl("n") <= 300

    def count():
        for _ in range(500):
            cache.inc("m")

    run_in_threads(*[count] * 4)
    assert cache.get("m") == 2000


def test_in_an_application(app):
    cache = flask_caching.Cache(app)
    calls = []

    @app.route("/view")
    @cache.cached(timeout=50)
    def view():
        calls.append("view")
        return "seen"

    @cache.memoize(50)
    def add(a, b):
        calls.append("add")
        return a + b

    with app.test_client() as client:
        assert [client.get("/view").data for _ in range(3)] == [b"seen"] * 3
    with app.app_context():
        assert [add(1, 2), add(1, 2), add(1, 3)] == [3, 3, 4]
        cache.delete_memoized(add)
        assert add(1, 2) == 3
        assert isinstance(cache.cache, MemstoreCache)
        assert 49 < cache.cache.store.ttl("view//view") <= 50
        cache.cache.store.close()
    assert calls == ["view", "add", "add", "add"]
