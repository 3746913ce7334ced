# SPDX-License-Identifier: Apache-2.0
"""Elements of HTML and SVG. Texts become markup here and nowhere else, so that none is left unescaped."""

from __future__ import annotations

import html
import re
from typing import Union

from .._text import escaped

# What XML has no form for; half pairs of UTF-16, which JSON can hold, have none in UTF-8 either.
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Control characters that move others about: a key could make the text around it read otherwise.
_MISLEADING = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


Content = Union[str, None]


def escape(text: str) -> Markup:
    """A text as markup."""
    return Markup(html.escape(_MISLEADING.sub("\ufffd", _IMPOSSIBLE.sub("\ufffd", text))))


def join(*parts: Content) -> Markup:
    """Parts one after the other, None being nothing."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts if part is not None))


def tag(name: str, /, *children: Content, **attributes: Union[str, float]) -> Markup:
    """An element. ``class_`` is class, and ``stroke_width`` is stroke-width."""
    texts = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(value if isinstance(value, str) else f"{value:.6g}")}"'
        for key, value in attributes.items()
    ]
    if not children:
        return Markup(f"<{name}{''.join(texts)}/>")
    return Markup(f"<{name}{''.join(texts)}>{join(*children)}</{name}>")


def _shown(character: str) -> str:
    if character.isprintable():
        return "\\\\" if character == "\\" else character
    return escaped(character)


def key_text(key: bytes) -> str:
    """A key for people: text where it is UTF-8, other bytes as \\xNN. Keys that differ are shown differently."""
    return "".join(map(_shown, key.decode("utf-8", "surrogateescape")))
