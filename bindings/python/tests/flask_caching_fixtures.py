# SPDX-License-Identifier: Apache-2.0
"""The fixtures of Flask-Caching's own tests, with memstore in the place of its simple cache: a conftest.py for a copy of them."""

import os

import flask
import flask_caching
import pytest
from memstore.integrations.flask_caching import MemstoreCache


@pytest.fixture
def app(request):
    made = flask.Flask(request.module.__name__, template_folder=os.path.dirname(__file__))
    made.testing = True
    made.config["CACHE_TYPE"] = "memstore.integrations.flask_caching.MemstoreCache"
    return made


@pytest.fixture
def cache(app):
    return flask_caching.Cache(app)


@pytest.fixture(params=list(flask_caching.SUPPORTED_HASH_FUNCTIONS), ids=lambda method: method.__name__)
def hash_method(request):
    return request.param


class Clock:
    """Time goes on for the stores of a test: what they have is that much nearer to its end."""

    def __init__(self):
        self.stores = []

    def advance(self, seconds):
        for store in self.stores:
            for key in store.keys():
                left = store.ttl(key)
                if left is not None and left <= seconds:
                    store.delete(key)
                elif left is not None:
                    store.expire(key, left - seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made, before = Clock(), MemstoreCache.__init__

    def init(self, *args, **kwargs):
        before(self, *args, **kwargs)
        made.stores.append(self.store)

    monkeypatch.setattr(MemstoreCache, "__init__", init)
    yield made
    for store in made.stores:
        store.close()


@pytest.fixture
def redis_server():
    pytest.skip("a test of another cache")
