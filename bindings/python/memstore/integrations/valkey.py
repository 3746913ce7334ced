# SPDX-License-Identifier: Apache-2.0
"""A near cache for valkey-py: client-side caching, with what Valkey says of changes, in a store.

::

    near = NearCache(memory_limit="256MB")
    client = valkey.Valkey(protocol=3, client_cache=near, single_connection_client=True)
    client.get("user/42")   # asks Valkey
    client.get("user/42")   # does not, until another client changes the key

It keeps answers as ``memstore.integrations.redis`` does, each with the tokens of the keys it was made of; a change of a key
removes its token, and with it all answers that name it.

valkey-py hears of changes by the connection that asked, and when that is used. So a near cache is for one connection, as above
or with ``max_connections=1`` of a pool: where several share one, an answer that one of them asked for may be old for as long
as that one is idle. Keys that are text have to be UTF-8, the default. A client that loses its connection forgets all answers.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterable, Sequence
from typing import Any, Optional, Union

from valkey._cache import AbstractCache

from .._types import TTL
from ..codec import encode_key
from ..errors import NO_ROOM
from ..store import Store
from ._shared import nothing, open_near, part, surely, unless_closed

_ANSWER, _TOKEN = b"a", b"t"
_Command = Union[str, Sequence[Any]]


def _name(command: _Command) -> bytes:
    return _ANSWER + encode_key(command if isinstance(command, str) else tuple(part(argument) for argument in command))


def _token_name(key: Any) -> bytes:
    """As valkey-py tells of keys that have changed: as text, with marks in place of what is none."""
    name = part(key)
    return _TOKEN + (name if isinstance(name, str) else name.decode(errors="replace")).encode()


def _pickled(answer: Any) -> bytes:
    try:
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception as failure:  # a client's response callback makes anything of an answer
        raise pickle.PicklingError(f"{type(failure).__name__}: {failure}") from failure


class NearCache(AbstractCache):
    """See the module. The settings are those of the store; ``store`` gives one that is open, of which the near cache takes
    possession; ``ttl`` bounds how long an answer may be kept."""

    def __init__(self, *, store: Optional[Store] = None, ttl: TTL = None, **settings: Any) -> None:
        #: The store underneath: statistics, metrics, events. Once it is closed the near cache is empty.
        self.store: Store = open_near(store, settings, ttl)
        self._ttl = ttl

    @unless_closed(nothing)
    def get(self, command: _Command) -> Any:
        data = self.store.get(_name(command))
        if data is None:
            return None
        tokens, answer = pickle.loads(data)
        # A token is given once: while all are there, none of the keys has changed.
        with contextlib.suppress(*NO_ROOM):  # not told in time
            if self.store.get_many(tokens) == tokens:
                return answer
        return None

    @unless_closed(nothing)
    def set(self, command: _Command, response: Any, keys_in_command: Iterable[Any]) -> None:
        # Whoever stores an answer that is old by then hears of the change afterwards, by the same connection.
        names = [_token_name(key) for key in keys_in_command]
        try:
            found = self.store.get_many(names)
            new = {name: os.urandom(8) for name in names if name not in found}
            answer = _pickled((found | new, response))
            self.store.set_many({**new, _name(command): answer}, self._ttl)
        except (pickle.PicklingError, *NO_ROOM):
            self._remove(_name(command))

    def _remove(self, name: bytes) -> None:
        surely(self.store, lambda: self.store.delete(name))

    @unless_closed(nothing)
    def delete_command(self, command: _Command) -> None:
        self._remove(_name(command))

    @unless_closed(nothing)
    def delete_commands(self, commands: Iterable[_Command]) -> None:
        for command in commands:
            self._remove(_name(command))

    @unless_closed(nothing)
    def invalidate_key(self, key: Any) -> None:
        self._remove(_token_name(key))

    @unless_closed(nothing)
    def flush(self) -> None:
        surely(self.store, self.store.clear)

    @property
    @unless_closed(int)
    def size(self) -> int:
        """How many answers there are, those included that no longer hold and are not removed yet."""
        return self.store.count(_ANSWER + b"*")

    def close(self) -> None:
        """Close the store."""
        self.store.close()
