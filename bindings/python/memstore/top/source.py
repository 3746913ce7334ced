# SPDX-License-Identifier: Apache-2.0
"""Where the metrics are read: a file, a web address, or a web server at a socket of Unix."""

from __future__ import annotations

import http.client
import io
import os
import pathlib
import socket
import time
import urllib.parse
from typing import Any, Protocol

TIMEOUT = 5.0  # seconds, to connect and again for all of the answer
LARGEST = 1 << 24  # bytes of an answer


class Source(Protocol):
    """Something that metrics can be read from, again and again."""

    def read(self) -> tuple[float, str]:
        """When it was written, in seconds of some clock, and the text. OSError when it cannot be read."""


class File:
    """The file of ``monitoring.export_metrics``. Its time is that of its last change."""

    def __init__(self, path: str) -> None:
        self._path = pathlib.Path(path)

    def read(self) -> tuple[float, str]:
        with self._path.open(encoding="utf-8", errors="replace") as file:
            # The file is replaced, never changed: the time belongs to what is open.
            return os.fstat(file.fileno()).st_mtime_ns / 1e9, file.read()


class _Incoming(io.RawIOBase):
    """What a socket receives until some time; the socket's own timeout is for each piece of it."""

    def __init__(self, incoming: socket.socket, pieces: io.RawIOBase) -> None:
        self._socket = incoming
        self._pieces = pieces
        self._end = time.monotonic() + TIMEOUT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        return self._pieces.readinto(buffer)  # type: ignore[no-any-return,attr-defined,unused-ignore]

    def close(self) -> None:
        self._pieces.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that is there in time, or not at all."""

    def __init__(self, sock: socket.socket, *options: Any, **more: Any) -> None:
        super().__init__(sock, *options, **more)
        self.fp = io.BufferedReader(_Incoming(sock, self.fp.detach()))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _body(response: http.client.HTTPResponse) -> bytes:
    with response:
        body = response.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise OSError(f"the answer has more than {LARGEST} bytes")
        if response.length:
            raise http.client.IncompleteRead(body, response.length)
        return body


class Web:
    """What a web server answers: ``http://host:port/path``, ``https://…``, or ``unix:/socket``, with ``:/path`` if it is not
    ``/metrics``."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._url = urllib.parse.urlsplit(address)

    def _connect(self) -> tuple[http.client.HTTPConnection, str]:
        if self._url.scheme == "unix":
            path, _, target = self._url.path.partition(":")
            return _UnixConnection(path), target or "/metrics"
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        target = (self._url.path or "/metrics") + (f"?{self._url.query}" if self._url.query else "")
        return kind(self._url.netloc, timeout=TIMEOUT), target

    def _get(self) -> tuple[http.client.HTTPResponse, bytes]:
        connection, target = self._connect()
        connection.response_class = _Response
        try:
            connection.request("GET", target, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
            response = connection.getresponse()
            return response, _body(response)
        finally:
            connection.close()

    def read(self) -> tuple[float, str]:
        try:
            response, body = self._get()
        except http.client.HTTPException as failure:
            raise OSError(f"{self._address}: no answer of a web server: {failure!r}") from failure
        except OSError as failure:
            raise OSError(f"{self._address}: {failure.strerror or failure}") from failure
        if response.status != 200:
            raise OSError(f"{self._address}: {response.status} {response.reason}")
        return time.monotonic(), body.decode("utf-8", "replace")


def open_source(name: str) -> Source:
    """The source of this name. ValueError when there is no such kind."""
    scheme = urllib.parse.urlsplit(name).scheme
    if scheme in ("http", "https", "unix"):
        return Web(name)
    if "://" in name:
        raise ValueError(f"{name}: metrics are read from a file, http://, https:// or unix:, not from {scheme}://")
    return File(name)
