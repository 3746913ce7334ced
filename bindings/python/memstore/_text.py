# SPDX-License-Identifier: Apache-2.0
"""Texts that others wrote, as they are shown on a terminal."""

from __future__ import annotations


def escaped(character: str) -> str:
    """The bytes of a character as \\xNN."""
    # Those that stand for bytes which are no UTF-8 are one byte; JSON may have others of their kind.
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", errors))


def plain(text: str) -> str:
    """What controls a terminal, or breaks a line, as bytes in the form \\xNN."""
    return "".join(each if each.isprintable() else escaped(each) for each in text)
