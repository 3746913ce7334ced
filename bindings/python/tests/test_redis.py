# SPDX-License-Identifier: Apache-2.0
"""memstore.integrations.redis: redis-py with a real server that tells what changes."""

import functools
import itertools
import os
import shutil
import socket
import subprocess
import threading
import types

import memstore
import pytest
from conftest import wait_until
from near_cache_cases import check_changes_reach_a_store_that_is_held_up, check_what_is_refused, read_while_another_writes
from test_documents import program_of
from test_fork import held, in_child
from test_threads import run_in_threads

redis = pytest.importorskip("redis", minversion="5.1")

from memstore.integrations.redis import NearCache
from redis.cache import CacheConfig, CacheEntry, CacheEntryStatus, CacheKey

# One program, which is the server when it is called so. Debian has it in redis-tools, without the service.
SERVER = shutil.which("redis-server") or shutil.which("redis-check-rdb")
needs_server = pytest.mark.skipif(SERVER is None, reason="Redis is not installed")


def start_server(folder):
    """A server and its port, or None where somebody else had the port first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    options = {"port": number, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    command = ["redis-server", *(text for name, value in options.items() for text in (f"--{name}", str(value)))]
    server = subprocess.Popen(command, executable=SERVER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers():
        try:
            return redis.Redis(port=number).ping()
        except redis.ConnectionError:
            return False

    assert wait_until(lambda: server.poll() is not None or answers(), 60)
    return (server, number) if server.poll() is None else None


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis")
    server, number = next(filter(None, (start_server(folder) for _ in range(5))))
    try:
        yield number
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture
def near(monkeypatch):
    from redis.connection import CacheProxyConnection

    # redis-py asks for 7.4, so that all of Redis' products do; what it needs is in 6.0, and distributions have 7.0.
    monkeypatch.setattr(CacheProxyConnection, "MIN_ALLOWED_VERSION", "6.0.0")
    cache = NearCache(memory_limit="16MB")
    yield cache
    cache.close()


@pytest.fixture
def client(port, near):
    with redis.Redis(port=port, protocol=3, cache=near) as client:
        client.flushall()
        yield client


@pytest.fixture
def other(port):
    with redis.Redis(port=port) as client:
        yield client


def asked(other):
    """How many GET and MGET the server has been asked for."""
    stats = other.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("get", "mget", "hgetall"))


@needs_server
def test_a_second_read_does_not_ask_the_server(client, other, near):
    other.set("k", "v")
    other.hset("h", mapping={"a": "1"})
    before = asked(other)
    for _ in range(5):
        assert client.get("k") == b"v"
        assert client.mget("k", "absent") == [b"v", None]
        assert client.hgetall("h") == {b"a": b"1"}
    assert asked(other) - before == 3
    assert near.size == 3 and near.store.stats().hits > 0


@needs_server
def test_keys_that_are_equal_but_not_on_the_wire_are_two(client):
    client.set(1, "one")
    client.set(1.0, "a float")
    assert (client.get(1), client.get(1.0), client.get("1")) == (b"one", b"a float", b"one")


@needs_server
def test_a_change_by_another_client_is_seen(client, other):
    for i in range(20):
        other.set("k", i)
        assert wait_until(lambda: client.get("k") == b"%d" % i, 60)
        assert client.get("k") == b"%d" % i
    other.delete("k")
    assert wait_until(lambda: client.get("k") is None, 60)


@needs_server
def test_a_change_of_one_of_several_keys_is_seen(client, other, near):
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
def test_flushing_the_server_empties_the_near_cache(client, other, near):
    other.set("k", 1)
    assert client.get("k") == b"1"
    other.flushall()
    assert wait_until(lambda: client.get("k") is None, 60)


@needs_server
def test_a_reader_sees_what_was_written_last(client, other, seed):
    """A thread reads what another writes, which grows, and never sees it fall.

    One thread, since those of redis-py look at each other's connections, whatever cache it is given, and may find them
    closed.
    """
    read_while_another_writes(client, other, seed)


@needs_server
def test_the_program_of_the_module(port, other, near):
    from memstore.integrations import redis as module

    other.set("user/42", "v")
    here = types.SimpleNamespace(Redis=functools.partial(redis.Redis, port=port))
    before = asked(other)
    given = {"redis": here, "NearCache": NearCache}
    exec(program_of(module.__doc__), given)
    assert asked(other) - before == 1 and given["near"].size == 1
    given["client"].close()
    given["near"].close()


# ---- Without a server


def key(command, *names):
    return CacheKey(command, names, (command, *names))


def answer(which, value, status=CacheEntryStatus.VALID):
    return CacheEntry(which, value, status, None)


def test_the_interface(near):
    get, mget = key("GET", "a"), key("MGET", "a", "b")
    assert near.get(get) is None and near.size == 0
    assert near.set(answer(get, b"1")) and near.set(answer(mget, [b"1", 2, {"x": None}]))
    assert near.get(get).cache_value == b"1" and near.get(mget).cache_value == [b"1", 2, {"x": None}]
    assert near.get(get).status is CacheEntryStatus.VALID and near.get(get).cache_key == get
    assert near.size == 2 and set(near.collection) == {get, mget}
    assert not near.set(answer(key("SET", "a"), b"OK")) and not near.is_cachable(key("SET", "a"))
    assert isinstance(near.config, CacheConfig)
    assert near.delete_by_redis_keys([b"b"]) == [True] and near.get(mget) is None and near.get(get) is not None
    assert near.delete_by_redis_keys(["a", b"absent"]) == [True] and near.get(get) is None
    near.set(answer(get, b"2"))
    assert near.delete_by_cache_keys([get, mget, get]) == [True, True, False]
    near.set(answer(get, b"3"))
    assert near.flush() == 1 and near.size == 0 and near.get(get) is None


def test_an_answer_that_was_overtaken_is_not_kept(near):
    get = key("GET", "a")
    for change in (lambda: near.delete_by_redis_keys([b"a"]), near.flush):
        pending = answer(get, b"foo", CacheEntryStatus.IN_PROGRESS)
        assert near.set(pending) and near.get(get) is pending
        change()
        assert near.get(get) is None
        pending.status, pending.cache_value = CacheEntryStatus.VALID, b"old"
        assert not near.set(pending) and near.get(get) is None


def test_arguments_are_told_apart_as_they_are_sent(near):
    sent = [CacheKey("HGET", ("h",), ("HGET", "h", field)) for field in (1, 1.0, "a", b"\xff")]
    for each in sent:
        near.set(answer(each, repr(each)))
    assert [near.get(each).cache_value for each in sent] == [repr(each) for each in sent] and near.size == 4
    for number in (1, 1.0):
        near.set(answer(key("GET", number), b"a number's"))
    assert near.delete_by_redis_keys([b"1"]) == [True]
    assert near.get(key("GET", 1)) is None and near.get(key("GET", 1.0)) is not None


def test_another_thread_does_not_see_what_is_asked(near):
    get = key("GET", "a")
    near.set(answer(get, b"foo", CacheEntryStatus.IN_PROGRESS))
    seen = []
    run_in_threads(lambda: seen.append(near.get(get)))
    assert seen == [None]


def test_an_answer_dies_with_its_connection(near):
    class Connection:
        pass

    get, connection = key("GET", "a"), Connection()
    entry = CacheEntry(get, b"1", CacheEntryStatus.VALID, connection)
    near.set(entry)
    assert near.get(get).connection_ref is connection
    del entry, connection
    assert near.get(get) is None


def test_eviction_is_the_stores(near):
    for i in range(1000):
        near.set(answer(key("GET", f"k{i}"), b"v" * 100_000))
    assert 0 < near.size < 200 and near.store.memory().charged <= 16_000_000
    assert near.eviction_policy.evict_next() is not None
    with pytest.raises(ValueError):
        near.eviction_policy.evict_many(10_000)


def test_an_answer_without_room_is_not_kept():
    with memstore.Store(max_entry_size=1000) as store:
        near, get = NearCache(store=store, ttl=60), key("GET", "a")
        assert near.set(answer(get, b"1")) and 59 < max(store.ttl(name) for name in store) <= 60
        assert not near.set(answer(get, b"x" * 5000)) and near.get(get) is None
        with pytest.raises(ValueError, match="shards"):
            NearCache(store=store, shards=1)


class FakeConnection:
    """What redis-py's connection of a near cache has below it, without a server: each command is replied to at once."""

    retry = host = port = db = credential_provider = _event_dispatcher = event_dispatcher = None

    def __init__(self, reply=b"v"):
        self.reply = reply
        self.sent = []
        self.replies = []
        self.before_it_can_read = lambda: None

    def register_connect_callback(self, callback):
        pass

    def can_read(self, timeout=0):
        self.before_it_can_read()
        return False

    def send_command(self, *args, **kwargs):
        self.sent.append(args)
        self.replies.append(self.reply)

    def read_response(self, **kwargs):
        assert self.replies, "it waits for a reply that it has not asked for"
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def caching(connection, cache):
    from redis.connection import CacheProxyConnection

    return CacheProxyConnection(connection, cache, threading.RLock())


def execute(connection, *command):
    connection.send_command(*command, keys=[command[1]])
    return connection.read_response()


@pytest.mark.parametrize("look", range(1, 7))
def test_an_answer_that_goes_during_a_command_is_still_its_answer(near, monkeypatch, look):
    """redis-py looks six times for an answer; what the store evicts, or what expires, goes between two of them."""
    below = FakeConnection()
    connection = caching(below, near)
    assert execute(connection, "GET", "k") == b"v"
    looks, get = itertools.count(1), near.get

    def get_in_a_store_that_evicts(key):
        if next(looks) == look:
            near.store.clear()
        return get(key)

    monkeypatch.setattr(near, "get", get_in_a_store_that_evicts)
    below.reply = b"w"
    assert execute(connection, "GET", "k") == (b"w" if look == 1 else b"v")
    assert next(looks) > look and below.replies == []
    assert execute(connection, "GET", "k") == b"w" and len(below.sent) == 2


def test_an_answer_is_asked_for_again_when_a_change_is_told_during_the_command(near):
    """By what redis-py reads of the answer's connection then, or another thread has just read of it."""
    below = FakeConnection()
    connection = caching(below, near)
    for tell in (lambda change: change(), run_in_threads):
        near.store.clear()
        below.reply, below.before_it_can_read = b"old", lambda: None
        assert execute(connection, "GET", "k") == b"old"
        below.reply, below.before_it_can_read = b"new", lambda tell=tell: tell(lambda: near.delete_by_redis_keys([b"k"]))
        assert execute(connection, "GET", "k") == b"new" and below.replies == []


def test_a_reply_is_taken_although_another_thread_has_kept_a_newer_answer(near):
    below = FakeConnection()
    connection, other = caching(below, near), caching(FakeConnection(b"new"), near)
    connection.send_command("GET", "k", keys=["k"])
    near.delete_by_redis_keys([b"k"])
    run_in_threads(lambda: execute(other, "GET", "k"))
    assert connection.read_response() == b"v" and below.replies == []
    assert execute(connection, "GET", "k") == b"new" and len(below.sent) == 1


def test_a_command_that_was_replied_to_with_an_error_is_asked_for_again(near):
    below = FakeConnection(redis.ResponseError("WRONGTYPE"))
    connection = caching(below, near)
    for _ in range(2):
        with pytest.raises(redis.ResponseError):
            execute(connection, "GET", "list")
    assert len(below.sent) == 2 and len(near._asked) <= 1
    below.reply = b"v"
    assert execute(connection, "GET", "list") == execute(connection, "GET", "list") == b"v"
    assert len(below.sent) == 3 and not near._asked


def test_nothing_is_left_of_what_threads_asked_that_have_ended(near):
    """As those of a server's requests, each with an error for a reply."""
    connection = caching(FakeConnection(redis.ResponseError("WRONGTYPE")), near)

    def request(name):
        with pytest.raises(redis.ResponseError):
            execute(connection, "GET", name)

    for i in range(20):
        run_in_threads(functools.partial(request, f"list{i}"))
    assert wait_until(lambda: not near._asked)


def test_changes_are_told_while_threads_ask_and_end(near):
    """Each looks at what all threads have asked."""
    done = threading.Event()

    def ask():
        connection = caching(FakeConnection(redis.ResponseError("WRONGTYPE")), near)
        for i in range(20):
            with pytest.raises(redis.ResponseError):
                execute(connection, "GET", f"list{i}")

    def tell():
        # The lock is not fair. What is asked just now is left alone: redis-py looks at it twice.
        while not done.wait(0.001):
            near.delete_by_redis_keys([b"absent"])

    def begin():
        try:
            for _ in range(50):
                run_in_threads(*[ask] * 4)
        finally:
            done.set()

    run_in_threads(begin, tell)
    assert wait_until(lambda: not near._asked)


def test_an_answer_is_kept_for_none_but_what_was_asked_last(near):
    get = key("GET", "a")
    asked, other = (answer(get, b"foo", CacheEntryStatus.IN_PROGRESS) for _ in range(2))
    near.set(asked)
    del asked
    other.status = CacheEntryStatus.VALID
    assert not near.set(other) and near.get(get) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_asks_for_itself():
    """It has neither the threads whose answers were under way, nor connections that are told of changes."""

    class Connection:
        pass

    def child():
        assert near._asked == {}
        assert near.get(told.cache_key) is None
        assert near.get(asked.cache_key) is None
        assert near.set(CacheEntry(told.cache_key, b"1", CacheEntryStatus.VALID, Connection()))

    connection = Connection()
    key = CacheKey("GET", ("k",), ("GET", "k"))
    other = CacheKey("GET", ("l",), ("GET", "l"))
    told = CacheEntry(key, b"1", CacheEntryStatus.VALID, connection)
    asked = CacheEntry(other, None, CacheEntryStatus.IN_PROGRESS, connection)
    near = NearCache(memory_limit="16MB")
    near.set(told)
    thread = threading.Thread(target=near.set, args=(asked,))
    thread.start()
    thread.join()
    assert near.get(key) is not None
    with held(near._lock):
        in_child(child)
    assert near.get(key) is not None
    near.close()


def test_a_change_is_seen_to_however_long_others_write():
    near = NearCache(memory_limit="64MB", max_concurrent_writers=1, lock_timeout="5ms")

    def keep(name):
        assert near.set(answer(key("GET", name), b"old"))

    def is_kept(name):
        near.is_cachable(key("GET", name))
        return near.get(key("GET", name)) is not None

    check_changes_reach_a_store_that_is_held_up(near, keep, near.delete_by_redis_keys, is_kept)
    near.close()


def test_what_is_refused():
    check_what_is_refused(NearCache)


@needs_server
def test_a_client_goes_on_when_the_store_is_closed(port, near):
    with redis.Redis(port=port, protocol=3, cache=near) as client:
        client.set("k", "v")
        assert client.get("k") == client.get("k") == b"v"
        near.close()
        assert client.get("k") == client.get("k") == b"v" and near.size == 0 and not near.collection
        client.delete("k")
        assert client.get("k") is None
