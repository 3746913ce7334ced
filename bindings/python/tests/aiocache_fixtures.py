# SPDX-License-Identifier: Apache-2.0
"""The fixtures of aiocache's acceptance tests, with memstore in the place of its caches: a conftest.py for a copy of them.

Tests that are coroutines run in a loop of their own, and ``mocker`` is the little of pytest-mock that they ask for, so that
neither plugin is needed.
"""

import asyncio
import contextlib
import inspect
from unittest import mock

import memstore
import pytest
from memstore.integrations.aiocache import MemstoreCache


@pytest.fixture
def memory_cache():
    with memstore.Store(memory_limit="16MB") as store:
        yield MemstoreCache(store=store, namespace="test")


@pytest.fixture
def cache(memory_cache):
    return memory_cache


class Patch:
    """``mocker.patch()`` and ``mocker.patch.object()``, undone at the end of the test."""

    def __init__(self, stack):
        self._stack = stack

    def __call__(self, *args, **kwargs):
        return self._stack.enter_context(mock.patch(*args, **kwargs))

    def object(self, *args, **kwargs):
        return self._stack.enter_context(mock.patch.object(*args, **kwargs))


class Mocker:
    def __init__(self, stack):
        self.patch = Patch(stack)

    def spy(self, target, name):
        """The calls of a method are counted, and made."""
        return self.patch.object(target, name, side_effect=getattr(target, name), autospec=True)


@pytest.fixture
def mocker():
    with contextlib.ExitStack() as stack:
        yield Mocker(stack)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**wanted))
    return True
