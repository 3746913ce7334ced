# SPDX-License-Identifier: Apache-2.0
"""memstore.integrations.requests_cache, against a server on this machine."""

import http.server
import threading
from datetime import timedelta

import memstore
import pytest
from full_store_cases import SETTINGS, check_that_many_go_alone, full_stores

pytest.importorskip("requests_cache")

import requests_cache
from memstore.integrations.requests_cache import MemstoreCache


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/page")
            body = b""
        else:
            self.send_response(200)
            body = f"{self.path} {len(self.server.asked)}".encode()
            if self.path == "/large":
                body *= 100_000
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def session():
    backend = MemstoreCache(memory_limit="16MB", max_entry_size="100kB")
    store = backend.store
    with requests_cache.CachedSession(backend=backend, expire_after=60) as session:
        yield session
    assert store.closed


def test_a_response_is_asked_for_once(session, server):
    first, second = (session.get(server.url + "/page") for _ in range(2))
    assert (first.from_cache, second.from_cache) == (False, True)
    assert first.text == second.text and server.asked == ["/page"]
    assert second.headers["Content-Length"] == first.headers["Content-Length"]


def test_redirects(session, server):
    first, second = (session.get(server.url + "/redirect") for _ in range(2))
    assert second.from_cache and first.text == second.text and server.asked == ["/redirect", "/page"]
    assert len(session.cache.redirects) == 1 and session.get(server.url + "/page").from_cache


def test_the_store_drops_what_cannot_be_used_any_more(server):
    backend = MemstoreCache(memory_limit="16MB", ttl_offset=100)
    with requests_cache.CachedSession(backend=backend, expire_after=timedelta(seconds=60)) as session:
        session.get(server.url + "/page")
        (key,) = backend.store.keys("*/response/*")
        assert 150 < backend.store.ttl(key) <= 160


def test_a_response_whose_time_is_over_is_not_kept_for_good(server):
    backend = MemstoreCache(memory_limit="16MB", ttl_offset=100)
    with requests_cache.CachedSession(backend=backend, expire_after=60) as session:
        session.get(server.url + "/page")
        (response,) = backend.responses.values()
        response.expires -= timedelta(seconds=120)
        backend.responses[response.cache_key] = response  # may yet be served for 40 s
        assert 30 < backend.store.ttl(*backend.store.keys()) <= 40
        response.expires -= timedelta(seconds=60)
        backend.responses[response.cache_key] = response
        assert len(backend.responses) == 0


def test_times_outside_the_stores_bounds_are_no_errors(server):
    """A server's header can ask for any time."""
    settings = {"max_ttl": 60, "min_ttl": 5, "ttl_offset": 0}
    with requests_cache.CachedSession(backend=MemstoreCache(**settings), expire_after=3600) as session:
        assert [session.get(server.url + "/page").from_cache for _ in range(2)] == [False, True]
        (key,) = session.cache.store
        assert 50 < session.cache.store.ttl(key) <= 60
        (response,) = session.cache.responses.values()
        response.expires -= timedelta(seconds=3597)
        session.cache.responses[response.cache_key] = response
        assert len(session.cache.responses) == 0


def test_what_the_cache_can_be_asked(session, server):
    urls = [f"{server.url}/{i}" for i in range(5)]
    for url in urls:
        session.get(url)
    cache = session.cache
    assert sorted(cache.urls()) == urls and len(list(cache.filter())) == 5
    assert cache.contains(url=urls[0])
    cache.delete(urls=urls[:2])
    assert sorted(cache.urls()) == urls[2:] and len(cache.responses) == 3
    with pytest.raises(KeyError):
        del cache.responses["absent"]
    cache.clear()
    assert len(cache.responses) == 0 and list(cache.responses) == []


def test_a_response_without_room_is_not_cached(session, server):
    first, second = (session.get(server.url + "/large") for _ in range(2))
    assert not second.from_cache and first.text != second.text


@full_stores
def test_many_are_deleted_from_a_full_store(eviction):
    cache = MemstoreCache(eviction=eviction, **SETTINGS)
    redirects = cache.redirects
    check_that_many_go_alone(cache.store, lambda key: redirects.update({key: "x" * 60}), redirects.bulk_delete)
    cache.store.close()


def test_two_caches_in_a_store(server):
    with memstore.Store() as store:
        one = requests_cache.CachedSession(backend=MemstoreCache("one", store=store))
        two = requests_cache.CachedSession(backend=MemstoreCache("two", store=store, serializer="json"))
        for session in (one, two, one, two):
            session.get(server.url + "/page")
        assert server.asked == ["/page"] * 2
        one.cache.clear()
        assert (len(one.cache.responses), len(two.cache.responses)) == (0, 1)
        with pytest.raises(ValueError, match="shards"):
            MemstoreCache(store=store, shards=1)


def test_a_store_that_was_given_outlives_the_sessions_that_share_it(server, store):
    with requests_cache.CachedSession(backend=MemstoreCache(store=store)) as one:
        one.get(server.url + "/page")
    with requests_cache.CachedSession(backend=MemstoreCache(store=store)) as two:
        assert two.get(server.url + "/page").from_cache
    assert not store.closed and server.asked == ["/page"]


def test_a_session_can_be_used_after_it_was_closed(server):
    session = requests_cache.CachedSession(backend=MemstoreCache(memory_limit="16MB"))
    session.close()
    assert [session.get(server.url + "/page").from_cache for _ in range(2)] == [False, True]
    assert session.cache.store.capacity() == 16_000_000
    session.close()
