# SPDX-License-Identifier: Apache-2.0
"""A database with a store in front: how many queries reach it, what callers get while it is away, and that it is not run
over when it comes back. What a program in front of a database writes itself is in sqlite.py and postgresql.py."""

import threading
import time
from collections.abc import Callable
from typing import Optional, Protocol

import memstore

ROWS, READS, THREADS = 500, 20_000, 8
#: Longer than anything here takes on a machine that does much else.
PATIENCE = 60
SETTINGS = {"loader.max_stale": "2s", "loader.breaker_failures": 3, "loader.breaker_open": "200ms"}


class Database(Protocol):
    """Rows by key, which can be cut off."""

    name: str
    #: What find() raises while the database is away.
    error: type[Exception]

    def find(self, key: str) -> Optional[bytes]:
        """The loader: all that a program has to write. None says that there is no such row."""

    def cut(self) -> None: ...
    def mend(self) -> None: ...


def rows(name: str) -> list[tuple[str, bytes]]:
    return [(f"row/{i}", f"row/{i} of {name}".encode()) for i in range(ROWS)]


class Counted:
    """A database's loader, and how many queries it has sent."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queries = 0
        self._lock = threading.Lock()

    def find(self, key: str) -> Optional[bytes]:
        with self._lock:
            self.queries += 1
        return self.database.find(key)


def _rows_asked_for() -> list[str]:
    """Few rows often and many rarely."""
    state, keys = 1, []
    for _ in range(READS):
        state = (state * 1664525 + 1013904223) % 2**32
        keys.append(f"row/{int((state / 2**32) ** 3 * ROWS)}")
    return keys


def _read_all(name: str, loads: Counted, read: Callable[[str], Optional[bytes]]) -> None:
    loads.queries = 0
    start = time.monotonic()
    for key in _rows_asked_for():
        assert read(key)
    seconds = time.monotonic() - start
    print(
        f"{name} {READS} reads, {READS / seconds:.0f} a second; {loads.queries} queries, {loads.queries / seconds:.0f} "
        f"a second, {1000 * loads.queries / READS:.0f} for 1000 reads"
    )


def _read(loads: Counted, store: memstore.Store) -> None:
    _read_all("without the store:", loads, loads.find)
    _read_all("with the store:   ", loads, lambda key: store.get_or_load(key, loads.find, ttl=60))
    assert loads.queries <= ROWS


def _lose(loads: Counted, store: memstore.Store) -> None:
    del store["row/0"]
    row = store.get_or_load("row/0", loads.find, ttl=0.2)
    loads.database.cut()
    loads.queries = 0
    old, end = 0, time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            assert store.get_or_load("row/0", loads.find, ttl=0.2) == row
            old += "row/0" not in store
            time.sleep(0.005)
        raise AssertionError("the failure was never told")
    except (loads.database.error, memstore.LoaderFailed) as error:
        print(f"without the database: {old} reads of what had expired, then {error!r}; {loads.queries} queries tried")
    stats = store.stats()
    assert old > 0 and stats.stale_served > 0 and stats.breakers_opened > 0
    assert loads.queries < stats.stale_served, "the breaker spares the database"


def _come_back(loads: Counted, store: memstore.Store) -> None:
    store.clear()
    loads.database.mend()
    end = time.monotonic() + PATIENCE
    while "row/0" not in store and time.monotonic() < end:
        try:
            store.get_or_load("row/0", loads.find, ttl=60)
        except (loads.database.error, memstore.LoaderFailed):
            time.sleep(0.005)
    loads.queries = 0

    def read_all() -> None:
        for i in range(ROWS):
            store.get_or_load(f"row/{i}", loads.find, ttl=60)

    threads = [threading.Thread(target=read_all) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"when it is back: {THREADS * ROWS} reads by {THREADS} threads, {loads.queries} queries")
    assert len(store) == ROWS and loads.queries == ROWS - 1, "one query a row"


def tell(database: Database) -> None:
    """All of it. Raises when something is not as it is told."""
    print(f"memstore in front of {database.name}")
    loads = Counted(database)
    with memstore.Store(SETTINGS, memory_limit="16MB") as store:
        _read(loads, store)
        _lose(loads, store)
        _come_back(loads, store)
