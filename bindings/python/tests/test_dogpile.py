# SPDX-License-Identifier: Apache-2.0
"""memstore.integrations.dogpile: the suites that dogpile.cache has for its backends, and what goes beyond them."""

import itertools
import pathlib
import subprocess
import sys

import memstore
import pytest
from full_store_cases import SETTINGS, check_that_many_go_alone, full_stores

pytest.importorskip("dogpile.cache")

from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from dogpile.testing import fixtures

import memstore.integrations.dogpile


@pytest.fixture(scope="module")
def shared():
    with memstore.Store(memory_limit="16MB") as store:
        yield store


@pytest.fixture(autouse=True)
def in_the_shared_store(request, shared):
    if request.cls is not None:
        request.cls.config_args = {"arguments": {"store": shared}}


class Backend:
    """What the suites are told of the backend; a store is made before they are."""

    backend = "memstore"

    @classmethod
    def setup_class(cls):
        pass


@pytest.mark.filterwarnings("ignore:'arbitrary_arg_")
class TestBackend(Backend, fixtures._GenericBackendTestSuite):
    pass


@pytest.mark.filterwarnings("ignore:'arbitrary_arg_")
class TestSerializer(Backend, fixtures._GenericSerializerTestSuite, fixtures._GenericBackendFixture):
    pass


def test_it_keeps_bytes_and_several_keys_are_a_batch():
    region = make_region().configure(
        "memstore", expiration_time=60, arguments={"memory_limit": "16MB", "memory_expiration_time": 100}
    )
    backend = region.actual_backend
    region.set_multi({"a": [1], "b": None})
    assert region.get_multi(["a", "absent", "b"]) == [[1], NO_VALUE, None]
    assert isinstance(backend.store["a"], bytes) and 99 < backend.store.ttl("a") <= 100
    region.delete_multi(iter(["a", "absent"]))
    assert region.get("a") is NO_VALUE and region.get("b") is None
    backend.store.close()


def test_values_without_room_are_not_kept():
    with memstore.Store(max_entry_size=1000) as store:
        region = make_region().configure("memstore", arguments={"store": store})
        region.set("k", "old")
        region.set("k", "x" * 5000)
        assert region.get("k") is NO_VALUE
        region.set_multi({"a": 1, "b": "x" * 5000})
        assert region.get_multi(["a", "b"]) == [1, NO_VALUE]


@full_stores
def test_many_are_deleted_from_a_full_store(eviction):
    with memstore.Store(eviction=eviction, **SETTINGS) as store:
        region = make_region().configure("memstore", arguments={"store": store})
        check_that_many_go_alone(store, lambda key: region.set(key, "x" * 60), region.delete_multi)


def test_one_key_is_none_of_several(store):
    region = make_region().configure("memstore", arguments={"store": store})
    region.set("a", 1)
    with pytest.raises(TypeError, match="keys are several, not 'abc'"):
        region.actual_backend.delete_multi("abc")
    assert region.get("a") == 1


def test_a_cached_function():
    with memstore.Store() as store:
        region = make_region().configure("memstore", arguments={"store": store})
        numbers = itertools.count()

        @region.cache_on_arguments()
        def number(n):
            return next(numbers)

        assert [number(1), number(1), number(2)] == [0, 0, 1]
        number.invalidate(1)
        assert number(1) == 2


def test_settings_beside_an_open_store_are_refused(store):
    with pytest.raises(ValueError, match="memory_limit"):
        make_region().configure("memstore", arguments={"store": store, "memory_limit": "1MB"})


def test_settings_may_be_nested():
    arguments = {"performance": {"memory_limit": "16MB"}, "storage": {"memory": {"ttl": {"default_ttl": 60}}}}
    store = make_region().configure("memstore", arguments=arguments).actual_backend.store
    assert store.capacity() == 16_000_000 and store.setting("default_ttl") == "1m"
    store.close()


def test_what_is_no_setting_is_warned_of(store):
    with pytest.warns(UserWarning, match="'memory_limt' is no setting"):
        make_region().configure("memstore", arguments={"store": store, "memory_limt": "1MB"})


def test_a_mapping_that_is_no_section_is_warned_of(store):
    for arguments in ({"store": store, "connection_kwargs": {}}, {"memory_limit": "16MB", "connection_kwargs": {"a": 1}}):
        with pytest.warns(UserWarning, match="'connection_kwargs' is no setting"):
            make_region().configure("memstore", arguments=arguments)


def test_the_example_with_sqlalchemy():
    pytest.importorskip("sqlalchemy")
    example = pathlib.Path(__file__).parents[1] / "examples/sqlalchemy_queries.py"
    subprocess.run([sys.executable, "-W", "error", str(example)], check=True, timeout=120)
