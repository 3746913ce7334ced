#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""memstore in front of SQLite.

Run it with the package installed: python examples/databases/sqlite.py
"""

import os
import sqlite3
import tempfile
from typing import Optional

import story


class SQLite:
    """Rows in a file. One connection a call, as a program without a pool has it."""

    name = "SQLite"
    error = sqlite3.OperationalError

    def __init__(self, folder: str) -> None:
        self.file = os.path.join(folder, "rows.db")
        with sqlite3.connect(self.file) as connection:
            connection.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, value BLOB)")
            connection.executemany("INSERT INTO rows VALUES (?, ?)", story.rows(self.name))
        connection.close()

    def find(self, key: str) -> Optional[bytes]:
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        try:
            row = connection.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
        finally:
            connection.close()
        return row[0] if row else None

    def cut(self) -> None:
        os.rename(self.file, self.file + ".away")

    def mend(self) -> None:
        os.rename(self.file + ".away", self.file)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        story.tell(SQLite(folder))


if __name__ == "__main__":
    main()
