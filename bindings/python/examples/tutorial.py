#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""memstore in the order in which one needs it. Run it, read it, change it: every statement is checked.

usage: tutorial.py

Editors that know cells (`# %%`) run it piece by piece; `jupytext --to ipynb tutorial.py` makes a notebook of it.
"""

# %%
import asyncio
import os
import tempfile
import threading
import time
import warnings
from datetime import timedelta
from pathlib import Path

import memstore

# %% [markdown]
# ## First steps
# Keys to bytes, each with its time to live.

# %%
store = memstore.Store(memory_limit="64MB", default_ttl="1h")
store["block/42"] = b"header"  # for an hour
store.set("block/43", b"header", ttl=60)  # for a minute
store.set("genesis", b"header", ttl=None)  # for ever, or until room is needed

assert store["block/42"] == b"header"
assert store.get("block/44") is None  # what is not there is an outcome, not an exception
assert "block/43" in store and len(store) == 3
assert 59 < store.ttl("block/43") <= 60 and store.ttl("genesis") is None

store.expire("block/43", timedelta(milliseconds=5))
time.sleep(0.01)
assert "block/43" not in store  # to the millisecond, and its memory is given back by itself

# %% [markdown]
# ## Several at once
# Batches are seen whole or not at all, by every reader.

# %%
store.set_many({"tx/1": b"10", "tx/2": b"20"}, ttl=60)
assert store.get_many(["tx/1", "tx/2", "tx/3"]) == {"tx/1": b"10", "tx/2": b"20"}
assert store.has_many(["tx/1", "tx/3"]) == {"tx/1": True, "tx/3": False}
assert sorted(store.keys("tx/*")) == [b"tx/1", b"tx/2"]
assert store.delete_pattern("tx/*") == 2

# %% [markdown]
# ## Without races
# Conditions are judged and kept in one step.

# %%
assert store.add("lock", b"me", ttl=10) and not store.add("lock", b"you", ttl=10)
assert store.incr("visits") == 1 and store.incr("visits", 10) == 11

store["balance"] = b"100"
value, version = store.get_versioned("balance")
assert value is not None and store.compare_and_set("balance", b"%d" % (int(value) - 30), version)
assert not store.compare_and_set("balance", b"0", version)  # somebody was faster: read again

# %% [markdown]
# ## Without copies
# A view is the store's own memory, which stays as it is until the block is left.

# %%
store["large"] = bytes(1_000_000)
with store.view("large") as memory:
    store.clear()
    assert len(memory) == 1_000_000 and memory.readonly

# %% [markdown]
# ## Objects
# A Cache is a mapping of objects.

# %%
with memstore.Cache(memory_limit="64MB", default_ttl="10m") as cache:
    cache["user", 7] = {"name": "Ada"}
    assert cache["user", 7] == {"name": "Ada"}
    cache.set("nobody", None, ttl=30)  # None is a value
    assert cache.get("nobody", "default") is None
    assert cache.setdefault("first", 1) == cache.setdefault("first", 2) == 1  # by whichever thread
    assert dict(cache.items()) == {("user", 7): {"name": "Ada"}, "nobody": None, "first": 1}

# %% [markdown]
# ## Functions
# Their results, each computed once however many threads or tasks ask.

# %%
calls = []


@store.memoize(ttl=60)
def report(year):
    calls.append(year)
    return {"year": year, "total": year * 2}


assert report(2026) == report(2026) == {"year": 2026, "total": 4052} and calls == [2026]
report.invalidate(2026)  # also while it is being computed
report(2026)
assert calls == [2026, 2026]


@store.memoize(ttl=60)
async def fetch(number):
    await asyncio.sleep(0.001)
    return number


async def many():
    return await asyncio.gather(*[fetch(1) for _ in range(100)])


assert asyncio.run(many()) == [1] * 100 and fetch.cache_info().misses == 100

# %% [markdown]
# ## Tags
# What results depend on: a tag forgets all that have it, of every function, at once.

# %%


@store.memoize(tags=lambda user: [f"user/{user}", "users"])
def rights(user):
    calls.append(user)
    return ["read"]


calls.clear()
rights("ada"), rights("bob"), rights("ada")
assert calls == ["ada", "bob"]
store.invalidate_tags("user/ada")
rights("ada"), rights("bob")
assert calls == ["ada", "bob", "ada"]

# %% [markdown]
# ## In front of a database
# What is not there is loaded: once for a key, and never older than the last delete.

# %%
database = {"row/1": b"one"}


def load(key):
    return database.get(key)  # None: there is no such row, which is remembered for a moment


assert store.get_or_load("row/1", load, ttl=60) == b"one"
database["row/1"] = b"two"  # change the database first,
store.delete("row/1")  # then delete the key
assert store.get_or_load("row/1", load, ttl=60) == b"two"
assert store.get_or_load("row/2", load) is None

# %% [markdown]
# ## What happens
# Events tell what goes and why: to be waited for, iterated over by threads or tasks, or to call a function.

# %%
with store.subscribe(memstore.EventKind.DELETED | memstore.EventKind.REPLACED) as removals:
    store["k"] = b"old"
    store["k"] = b"new"
    del store["k"]
    first, second = removals.get(timeout=60), removals.get(timeout=60)
    assert first is not None and (first.kind, first.value) == (memstore.EventKind.REPLACED, b"old")
    assert second is not None and (second.kind, second.value) == (memstore.EventKind.DELETED, b"new")


async def next_removal():
    with store.subscribe(memstore.EventKind.DELETED) as removals:
        store["k"] = b"v"
        del store["k"]
        async for event in removals:
            return event.key


assert asyncio.run(next_removal()) == b"k"

called = threading.Event()
with store.on_event(lambda event: called.set(), memstore.EventKind.DELETED):
    store["k"] = b"v"
    del store["k"]
    assert called.wait(60)

# %% [markdown]
# ## A bound that is true
# A store that is full makes room; statistics tell what it comes to.

# %%
with memstore.Store(memory_limit="4MB") as small, small.subscribe(memstore.EventKind.EVICTED) as evicted:
    for i in range(20_000):
        small[f"key/{i}"] = bytes(400)
    event = evicted.get(timeout=60)
    assert event is not None and event.kind is memstore.EventKind.EVICTED and len(event.value) == 400
    stats, memory_stats = small.stats(), small.memory()
    assert stats.evictions > 0 and memory_stats.charged <= memory_stats.limit == 4_000_000
    print(f"{stats.entries:,} of {stats.sets:,} entries are left in {memory_stats.charged:,} bytes")

# %% [markdown]
# ## Is the store of the right size?
# With some of the keys followed it tells which settings to change, and what for.

# %%
with memstore.Store(memory_limit="4MB", access_sample_ratio=1) as small:
    for i in range(40_000):
        if small.get(key := f"key/{i * i % 20_011}") is None:
            small[key] = bytes(400)
    advised = small.advise()
    assert advised.curve and advised.curve[0].miss_ratio >= advised.curve[-1].miss_ratio
    print(*(f"{advice.setting}: {advice.suggested}, since {advice.evidence}" for advice in advised.advice), sep="\n")

# %% [markdown]
# ## Over a restart
# A snapshot is written beside all that goes on, and read by the next process; entries keep what is left of their time.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "snapshot"
    store.set("session", b"ada", ttl=60)
    saved = store.save(path)
    with memstore.Store() as next_store:
        assert next_store.load(path).stored == saved.stored
        assert next_store["session"] == b"ada" and next_store.ttl("session") <= 60
        # Or from where the data comes from, many keys at a time.
        warmed = next_store.warm(["row/8", "row/9"], lambda keys: {key: b"row" for key in keys}, ttl=60)
        assert warmed.stored == 2

# %% [markdown]
# ## Processes
# A child after fork() has a store of its own, with what was in it at that moment.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of the store's thread, which the child does not need
    child = os.fork()
if child == 0:
    store["session"] = b"the child's"
    os._exit(0 if store["session"] == b"the child's" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert store["session"] == b"ada"

# %%
store.close()
