# SPDX-License-Identifier: Apache-2.0
"""Traces of accesses: MSTRACE1 as the project's benchmarks have them, and lines of text.

MSTRACE1 is a 24-byte header (magic, u64 count, u32 flags with bit 0 for sizes, u32 zero) and packed records of u64 key and
u32 size, little-endian. A line of text is a key, and where it is known the value's size and the TTL in seconds, separated
by commas or white space, 0 being no TTL; a first line that names a column ``key`` says in which order they are.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple, Optional

_HEADER = struct.Struct("<8sQII")
_RECORD = struct.Struct("<QI")
#: Of a value, as MSTRACE1 can tell it.
LARGEST_SIZE = 0xFFFF_FFFF
#: Seconds; about what a store takes.
_LONGEST_TTL = 4e15
_ZSTD = b"\x28\xb5\x2f\xfd"


class Request(NamedTuple):
    """A request for a key, and what is to be stored when it is not there."""

    key: str
    size: int
    ttl: Optional[float]


def read(path: str, size: int) -> Iterator[Request]:
    """The requests of a file, ``-`` for the standard input; ``size`` for values of which the trace tells none."""
    if path == "-" and sys.stdin is None:
        raise ValueError("the standard input is closed")
    with open(sys.stdin.fileno() if path == "-" else path, "rb", closefd=path != "-") as file:
        start = file.read(8)
        if start[:4] == _ZSTD:
            raise ValueError(f"{path} is compressed: `zstd -dc {path} | python -m memstore replay -`")
        if start == b"MSTTTL01":
            raise ValueError(f"{path} tells writes and deletions (MSTTTL01), which the benchmarks' program `replay` reads")
        if start == b"MSTRACE1":
            yield from _records(path, file, size)
        else:
            first = (start + file.readline()).removeprefix(codecs.BOM_UTF8).decode("utf-8", "backslashreplace")
            lines = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
            yield from _lines(path, itertools.chain(io.StringIO(first, newline=""), lines), size)


def _records(path: str, file: BinaryIO, size: int) -> Iterator[Request]:
    head = file.read(_HEADER.size - 8)
    if len(head) != _HEADER.size - 8:
        raise ValueError(f"{path}: the file ends within its header")
    _, count, flags, _ = _HEADER.unpack(b"MSTRACE1" + head)
    read = 0
    while data := file.read(_RECORD.size * 65536):
        rest = len(data) % _RECORD.size
        for key, own in _RECORD.iter_unpack(data[: len(data) - rest]):
            yield Request(f"{key:x}", own if flags & 1 else size, None)
        read += len(data) // _RECORD.size
        if rest:
            raise ValueError(f"{path}: the file ends within record {read}")
    if read != count:
        raise ValueError(f"{path}: the header promises {count} records, {read} follow")


def _split(line: str) -> list[str]:
    try:
        return next(csv.reader([line])) if "," in line else line.split()
    except csv.Error as failure:
        raise ValueError(failure) from None


def _lines(path: str, lines: Iterable[str], size: int) -> Iterator[Request]:
    order = {"key": 0, "size": 1, "ttl": 2}
    for number, line in enumerate(lines, 1):
        try:
            fields = _split(line)
            if number == 1 and "key" in [name.strip().lower() for name in fields]:
                order = {name.strip().lower(): i for i, name in enumerate(fields)}
            elif fields and not fields[0].startswith("#"):
                yield _request(fields, order, size)
        except ValueError as failure:
            raise ValueError(f"{path}:{number}: {failure}") from None


def _request(fields: list[str], order: dict[str, int], size: int) -> Request:
    def field(name: str) -> str:
        at = order.get(name, len(fields))
        return fields[at].strip() if at < len(fields) else ""

    if not field("key"):
        raise ValueError("there is no key")
    own, ttl = field("size"), field("ttl")
    request = Request(field("key"), int(own) if own else size, float(ttl) or None if ttl else None)
    if not 0 <= request.size <= LARGEST_SIZE:
        raise ValueError(f"a value has no size of {request.size}")
    if request.ttl is not None and not 0 < request.ttl <= _LONGEST_TTL:
        raise ValueError(f"a TTL is a number of seconds, not {ttl}")
    return request
