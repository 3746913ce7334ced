#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""memstore in front of SQLite: how many queries reach it, what callers get while it is away, and that it is not run
over when it comes back.

Run it with the package installed: python examples/databases/sqlite.py
"""

import os
import sqlite3
import tempfile
import threading
import time
from typing import Optional

import memstore

ROWS, READS, THREADS = 500, 20_000, 8
#: Longer than anything here takes on a machine that does much else.
PATIENCE = 60


class Database:
    """Rows by key, which can be cut off. One connection a call, as a program without a pool has it."""

    def __init__(self, folder: str) -> None:
        self.file = os.path.join(folder, "rows.db")
        self.queries = 0
        self._lock = threading.Lock()
        with sqlite3.connect(self.file) as connection:
            connection.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, value BLOB)")
            rows = ((f"row/{i}", f"row/{i} of SQLite".encode()) for i in range(ROWS))
            connection.executemany("INSERT INTO rows VALUES (?, ?)", rows)
        connection.close()

    def find(self, key: str) -> Optional[bytes]:
        """The loader: all that a program has to write. None says that there is no such row."""
        with self._lock:
            self.queries += 1
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        try:
            row = connection.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
        finally:
            connection.close()
        return row[0] if row else None

    def cut(self) -> None:
        os.rename(self.file, self.file + ".away")
        self.queries = 0

    def mend(self) -> None:
        os.rename(self.file + ".away", self.file)


def rows_asked_for() -> list[str]:
    """Few rows often and many rarely."""
    state, keys = 1, []
    for _ in range(READS):
        state = (state * 1664525 + 1013904223) % 2**32
        keys.append(f"row/{int((state / 2**32) ** 3 * ROWS)}")
    return keys


def read(database: Database, store: memstore.Store) -> None:
    start = time.monotonic()
    for key in rows_asked_for():
        assert database.find(key)
    seconds = time.monotonic() - start
    print(f"without the store: {READS} reads, {database.queries} queries, {READS / seconds:.0f} reads a second")

    database.queries = 0
    start = time.monotonic()
    for key in rows_asked_for():
        assert store.get_or_load(key, database.find, ttl=60)
    seconds = time.monotonic() - start
    print(f"with the store:    {READS} reads, {database.queries} queries, {READS / seconds:.0f} reads a second")
    assert database.queries <= ROWS


def lose(database: Database, store: memstore.Store) -> None:
    del store["row/0"]
    store.get_or_load("row/0", database.find, ttl=0.2)
    database.cut()
    old, end = 0, time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            value = store.get_or_load("row/0", database.find, ttl=0.2)
            assert value == b"row/0 of SQLite"
            old += "row/0" not in store
            time.sleep(0.005)
        raise AssertionError("the failure was never told")
    except (sqlite3.OperationalError, memstore.LoaderFailed) as error:
        print(f"without the database: {old} reads of what had expired, then {error!r}; {database.queries} queries tried")
    assert old > 0 and store.stats().stale_served > 0


def come_back(database: Database, store: memstore.Store) -> None:
    store.clear()
    database.mend()
    end = time.monotonic() + PATIENCE
    while "row/0" not in store and time.monotonic() < end:
        try:
            store.get_or_load("row/0", database.find, ttl=60)
        except memstore.LoaderFailed:
            time.sleep(0.005)
    database.queries = 0

    def read_all() -> None:
        for i in range(ROWS):
            store.get_or_load(f"row/{i}", database.find, ttl=60)

    threads = [threading.Thread(target=read_all) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"when it is back: {THREADS * ROWS} reads by {THREADS} threads, {database.queries} queries")
    assert len(store) == ROWS and database.queries < ROWS


def main() -> None:
    settings = {"loader.max_stale": "2s", "loader.breaker_failures": 3, "loader.breaker_open": "200ms"}
    with tempfile.TemporaryDirectory() as folder, memstore.Store(settings, memory_limit="16MB") as store:
        database = Database(folder)
        read(database, store)
        lose(database, store)
        come_back(database, store)


if __name__ == "__main__":
    main()
