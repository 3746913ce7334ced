# SPDX-License-Identifier: Apache-2.0
"""What is asked of an integration whose store is full."""

import pytest

full_stores = pytest.mark.parametrize("eviction", ["none", "adaptive"])
#: Writers of so small a store evict for themselves: none is evicted ahead of them at any other time.
SETTINGS = {"memory_limit": "1MB"}


def check_that_many_go_alone(store, write, delete_many):
    """Half of what a full store has is deleted by one call: it is not refused, and nothing else goes for it."""
    names, before = [], -1
    while before < len(store):
        before = len(store)
        names.append(f"{len(names):06}")
        write(names[-1])
    there, doomed = _names_in(store), set(names[:-1:2])
    assert len(there) > 1000 and (store.stats().evictions or len(there) >= len(names) - 1)
    delete_many(sorted(doomed))
    assert _names_in(store) == there - doomed


def _names_in(store):
    return {key[-6:].decode(errors="replace") for key in store.keys()}
