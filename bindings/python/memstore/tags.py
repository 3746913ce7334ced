# SPDX-License-Identifier: Apache-2.0
"""Tags of memoized results: what they have in common, to be forgotten together.

The store keeps a version of each tag, under the tag's name: eight random bytes, which nobody has had before. The versions of a
call's tags, read at one instant, are part of the key of its result. Forgetting a tag removes its version, however many
results have the tag: calls from then on make a new one, and look for their results under other keys. A result that was being computed
meanwhile is stored under the old key, where nobody looks. So is all that is forgotten; it goes when its TTL is over
or the store needs room. The eviction of a version loses results, and never brings old ones back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Union

from .errors import NO_ROOM, CacheClosed, Error

if TYPE_CHECKING:
    from .store import Store

#: Tags of all calls of a function, or a function of a call's arguments that tells its tags.
TagsOf = Union[Iterable[str], Callable[..., Iterable[str]]]

# No key of a Cache begins with an m: see encode_key().
_PREFIX = "memstore.tag:"
_PREFIX_BYTES = _PREFIX.encode()


def _checked(tags: Iterable[str]) -> list[str]:
    if isinstance(tags, str):
        raise TypeError(f"tags are an iterable of text, as in [{tags!r}], not one text")
    given = list(tags)
    for tag in given:
        if not isinstance(tag, str):
            raise TypeError(f"a tag is text, not {tag!r}")
    # In an order of their own: a set has another one in each process.
    return [_PREFIX + tag for tag in sorted(set(given))]


def tags_of(tags: TagsOf) -> Callable[..., list[str]]:
    """The keys of the versions of a call's tags."""
    if callable(tags):
        return lambda *args, **kwargs: _checked(tags(*args, **kwargs))
    keys = _checked(tags)
    return lambda *args, **kwargs: keys


def _new_version(store: Store, key: str) -> bytes:
    """A version for a tag that has none. What cannot be kept is of use to this call alone."""
    version = os.urandom(8)
    try:
        while not store.add(key, version, ttl=None):
            # Another thread was faster; its version may have been removed since.
            kept = store.get(key)
            if kept is not None:
                return kept
    except Error:
        pass
    return version


def versions(store: Store, keys: list[str]) -> bytes:
    """The versions of tags, as the end of a key."""
    try:
        found = store.get_many(keys)
    except (CacheClosed, *NO_ROOM):
        # Not told in time: what nobody has had before finds nothing, and is of use to this call alone.
        return b"\0" + os.urandom(8 * len(keys))
    return b"\0" + b"".join(found.get(key) or _new_version(store, key) for key in keys)


def is_version(key: bytes) -> bool:
    """Whether a key of a store is that of a tag's version."""
    return key.startswith(_PREFIX_BYTES)


def count_versions(store: Store) -> int:
    """How many versions of tags a store has, for which every key is looked at."""
    return store.count(_PREFIX + "*")


def forget(store: Store, tags: Iterable[str]) -> int:
    """Remove the versions of tags at one instant. Returns how many there were."""
    return store.delete_many(_checked(tags))
