#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""memstore in front of PostgreSQL: a server of its own in a temporary folder, which is killed midway.

Run it with the package and psycopg installed, and PostgreSQL's programs: python examples/databases/postgresql.py
"""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from types import TracebackType
from typing import Any, Optional, Self

import psycopg
import story


def programs() -> Optional[str]:
    """The folder of the server's programs. Debian keeps them off the path, by version."""
    found = shutil.which("initdb")
    if found is not None and shutil.which("postgres") is not None:
        return os.path.dirname(found)
    versions = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    return os.path.dirname(max(versions, key=lambda path: float(path.split("/")[4]))) if versions else None


def owner() -> dict[str, Any]:
    """Who runs the server, for subprocess: it refuses root."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class PostgreSQL:
    """Rows in a server that answers on a socket in its folder. One connection a thread."""

    name = "PostgreSQL"
    error = psycopg.OperationalError

    def __init__(self, folder: str) -> None:
        found = programs()
        if found is None:
            raise SystemExit("PostgreSQL is not installed: initdb and postgres were not found")
        self.programs, self.folder = found, folder
        self.server: Optional[subprocess.Popen[bytes]] = None
        self.connections = threading.local()
        self.owner = owner()
        if self.owner:
            os.chown(folder, self.owner["user"], self.owner["group"])

    def __enter__(self) -> Self:
        options = ["-D", f"{self.folder}/data", "-U", "memstore", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        command = [f"{self.programs}/initdb", *options]
        subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, check=True, **self.owner)
        try:
            self.mend()
            self._fill()
        except BaseException:
            # Nobody calls __exit__ then, and the server would live on.
            self.cut()
            raise
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.cut()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.folder, user="memstore", dbname="postgres", autocommit=True)

    def _fill(self) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, value BYTEA)")
            cursor.executemany("INSERT INTO rows VALUES (%s, %s)", story.rows(self.name))

    def find(self, key: str) -> Optional[bytes]:
        try:
            if getattr(self.connections, "of_thread", None) is None:
                self.connections.of_thread = self._connect()
            row = self.connections.of_thread.execute("SELECT value FROM rows WHERE key = %s", (key,)).fetchone()
        except psycopg.OperationalError:
            # The next call begins with another.
            self.connections.of_thread = None
            raise
        return bytes(row[0]) if row else None

    def cut(self) -> None:
        """Kill it, as a machine that loses its power does."""
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server = None

    def _start(self) -> None:
        settings = {"unix_socket_directories": self.folder, "listen_addresses": "", "fsync": "off"}
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        with open(f"{self.folder}/log", "ab") as log:
            self.server = subprocess.Popen(
                [f"{self.programs}/postgres", "-D", f"{self.folder}/data", *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self.owner,
            )

    def mend(self) -> None:
        """Start it, and wait until it answers. While processes of a killed one are there it refuses to start."""
        end = time.monotonic() + story.PATIENCE
        while time.monotonic() < end:
            if self.server is None or self.server.poll() is not None:
                self._start()
            try:
                self._connect().close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as log:
            raise SystemExit(f"PostgreSQL does not start:\n{log.read()}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, PostgreSQL(folder) as database:
        story.tell(database)


if __name__ == "__main__":
    main()
