# SPDX-License-Identifier: Apache-2.0
"""A near cache for redis-py: client-side caching, with what Redis says of changes, in a store.

::

    near = NearCache(memory_limit="256MB")
    client = redis.Redis(protocol=3, cache=near)
    client.get("user/42")   # asks Redis
    client.get("user/42")   # does not, until another client changes the key

redis-py keeps 10,000 answers in a dict, and goes through all of them for each key that changes. A store keeps as many as
its memory has room for, and those that are used most; a change of a key costs one removal:

    answer of a command -> tokens of the keys it was made of, the answer
    token of a key      -> a number

An answer holds while the tokens it names are those that the store has, which a look at all of them at one instant tells.
The change of a key removes its token. A token that was evicted makes answers go that could have stayed, never the reverse.

redis-py caches only what a server of Redis 7.4 or later tells: it looks at the version that the server says it has, and at whether
it calls itself Redis. For Valkey there is ``memstore.integrations.valkey``.
"""

from __future__ import annotations

import itertools
import pickle
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Optional

from redis.cache import (
    CacheConfig,
    CacheConfigurationInterface,
    CacheEntry,
    CacheEntryStatus,
    CacheInterface,
    CacheKey,
    EvictionPolicyInterface,
    EvictionPolicyType,
)

from .._fork import after_fork
from .._types import TTL
from ..codec import decode_key, encode_key
from ..errors import NO_ROOM
from ..store import Store
from ._shared import nothing, open_near, part, surely, unless_closed

_ANSWER, _TOKEN = b"a", b"t"


def _name(key: CacheKey) -> bytes:
    sent = (tuple(part(each) for each in arguments) for arguments in (key.redis_keys, key.redis_args))
    return _ANSWER + encode_key((key.command, *sent))


def _token_name(key: Any) -> bytes:
    name = part(key)
    return _TOKEN + (name.encode() if isinstance(name, str) else name)


class _Command(threading.local):
    """What a thread was told for the command that it executes. redis-py looks an answer up six times for one command, and
    waits for a reply that nobody asked for, or takes none of one that was asked for, where it is not told the same."""

    begun = False
    name: Optional[bytes] = None
    #: The answer that was found, or what is asked; one that was overtaken is told no more, and nothing in its place.
    entry: Optional[CacheEntry] = None
    #: How many changes had been told before the answer was looked for.
    changes = 0
    #: Whether redis-py has the connection, and looks next for what that had to tell of changes.
    drained = False

    def begin(self, cachable: bool) -> None:
        self.begun = cachable
        self.name = self.entry = None

    def note(self, name: bytes, entry: Optional[CacheEntry], changes: int = 0) -> None:
        self.name, self.entry, self.changes, self.drained = name, entry, changes, False

    def told(self, name: bytes, changes: int) -> Optional[CacheEntry]:
        if self.name != name:
            return None
        drained, self.drained = self.drained, False
        return None if drained and self.changes != changes else self.entry


class _Answer(CacheEntry):
    """A kept answer. The command that was told of it ends when it takes the value."""

    def __init__(self, key: CacheKey, value: Any, connection: Any, command: _Command) -> None:
        self._command = command
        super().__init__(key, value, CacheEntryStatus.VALID, connection)

    @property
    def cache_value(self) -> Any:
        if self._command.entry is self:
            self._command.begin(False)
        return self._value

    @cache_value.setter
    def cache_value(self, value: Any) -> None:
        self._value = value

    @property
    def connection_ref(self) -> Any:
        self._command.drained = self._command.entry is self
        return self._connection

    @connection_ref.setter
    def connection_ref(self, connection: Any) -> None:
        self._connection = connection


class _Policy(EvictionPolicyInterface):
    """The store evicts by itself. What redis-py asks for is removed in no particular order."""

    def __init__(self, cache: NearCache) -> None:
        self._cache = cache

    @property
    def cache(self) -> NearCache:
        return self._cache

    @cache.setter
    def cache(self, value: NearCache) -> None:
        self._cache = value

    @property
    def type(self) -> EvictionPolicyType:
        return EvictionPolicyType.frequency_based

    def evict_next(self) -> CacheKey:
        return self.evict_many(1)[0]

    def evict_many(self, count: int) -> list[CacheKey]:
        keys = list(itertools.islice(self._cache.collection, count))
        if len(keys) < count:
            raise ValueError("Evictions count is above cache size")
        self._cache.delete_by_cache_keys(keys)
        return keys

    def touch(self, cache_key: CacheKey) -> None:
        self._cache.get(cache_key)


class NearCache(CacheInterface):
    """See the module. The settings are those of the store; ``store`` gives one that is open, of which the near cache takes
    possession; ``ttl`` bounds how long an answer may be kept; ``config`` says which commands are cached."""

    def __init__(
        self,
        *,
        store: Optional[Store] = None,
        config: Optional[CacheConfigurationInterface] = None,
        ttl: TTL = None,
        **settings: Any,
    ) -> None:
        #: The store underneath: statistics, metrics, events. Once it is closed the near cache is empty.
        self.store: Store = open_near(store, settings, ttl)
        self._config = config if config is not None else CacheConfig()
        self._policy = _Policy(self)
        self._ttl = ttl
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        # An answer is of use while the connection lives that is told of changes. 0 is none.
        self._connections: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        # What was asked and not answered yet, by thread: a connection that finds what another has asked for does not ask, and
        # waits for an answer that does not come. Its thread's command has it, and with the thread it goes.
        self._asked: weakref.WeakValueDictionary[tuple[int, bytes], CacheEntry] = weakref.WeakValueDictionary()
        self._command = _Command()
        #: How often keys were told of that have changed.
        self._changes = 0
        after_fork(self)

    def _after_fork(self) -> None:
        """What a child gets of its parent's connections is told to the parent, and the answers asked for are, too."""
        self._lock = threading.Lock()
        self._connections = weakref.WeakValueDictionary()
        self._asked = weakref.WeakValueDictionary()
        self._command = _Command()

    # ---- What redis-py calls for each command

    def is_cachable(self, key: CacheKey) -> bool:
        """Whether a command's answers are kept. redis-py asks at the beginning of each command."""
        cachable = self._allows(key)
        self._give_up_asking()
        self._command.begin(cachable)
        return cachable

    def _allows(self, key: CacheKey) -> bool:
        return bool(self._config.is_allowed_to_cache(key.command))

    def _give_up_asking(self) -> None:
        """An error was the reply to what this thread has asked before, or it got none."""
        if self._command.name is not None:
            self._asked.pop((threading.get_ident(), self._command.name), None)

    @unless_closed(nothing)
    def get(self, key: CacheKey) -> Optional[CacheEntry]:
        name, command = _name(key), self._command
        changes = self._changes
        told = command.told(name, changes)
        if told is not None:
            return None if getattr(told, "overtaken", False) else told
        found = self._find(name, key)
        if command.begun:
            command.note(name, found, changes)
        return found

    def _find(self, name: bytes, key: CacheKey) -> Optional[CacheEntry]:
        tokens = [_token_name(each) for each in key.redis_keys]
        try:
            found = self.store.get_many([name, *tokens])
        except NO_ROOM:  # not told in time
            return None
        data = found.get(name)
        if data is None:
            return None
        expected, number, value = pickle.loads(data)
        connection = self._connections.get(number)
        if expected != [found.get(token) for token in tokens] or (number and connection is None):
            return None
        return _Answer(key, value, connection, self._command)

    @unless_closed(bool)
    def set(self, entry: CacheEntry) -> bool:
        if not self._allows(entry.cache_key):
            return False
        name = _name(entry.cache_key)
        asked = threading.get_ident(), name
        with self._lock:
            if entry.status is CacheEntryStatus.IN_PROGRESS:
                self._give_up_asking()
                self._command.note(name, entry)
                self._asked[asked] = entry
                return True
            current = self._asked.pop(asked, entry)
            self._command.begin(False)
            if current is not entry or getattr(entry, "overtaken", False):
                return False
            return self._keep(name, entry)

    def _keep(self, name: bytes, entry: CacheEntry) -> bool:
        tokens = [_token_name(each) for each in entry.cache_key.redis_keys]
        try:
            found = self.store.get_many(tokens)
            new = {token: b"%d" % next(self._numbers) for token in tokens if token not in found}
            found |= new
            answer = pickle.dumps(
                ([found[token] for token in tokens], self._number_of(entry.connection_ref), entry.cache_value),
                pickle.HIGHEST_PROTOCOL,
            )
            self.store.set_many({**new, name: answer}, self._ttl)
            return True
        except NO_ROOM:
            self._remove(name)
            return False

    def _number_of(self, connection: Any) -> int:
        if connection is None:
            return 0
        for number, known in self._connections.items():
            if known is connection:
                return number
        number = next(self._numbers)
        self._connections[number] = connection
        return number

    # ---- What redis-py calls when keys change

    @unless_closed(list)
    def delete_by_redis_keys(self, redis_keys: Iterable[Any]) -> list[bool]:
        tokens = [_token_name(key) for key in redis_keys]
        with self._lock:
            self._changes += 1
            changed = set(tokens)
            for asked, entry in self._all_asked():
                if not changed.isdisjoint(_token_name(each) for each in entry.cache_key.redis_keys):
                    self._overtake(asked)
            return [True for token in tokens if self._remove(token)]

    def _all_asked(self) -> list[tuple[tuple[int, bytes], CacheEntry]]:
        # Not by items(): threads that end take theirs away meanwhile, and wait for no lock.
        pairs = ((reference.key, reference()) for reference in self._asked.valuerefs())
        return [(asked, entry) for asked, entry in pairs if entry is not None]

    def _overtake(self, asked: tuple[int, bytes]) -> bool:
        entry = self._asked.pop(asked, None)
        if entry is not None:
            entry.overtaken = True  # type: ignore[attr-defined,unused-ignore]
        return entry is not None

    @unless_closed(list)
    def delete_by_cache_keys(self, cache_keys: Iterable[CacheKey]) -> list[bool]:
        names = [_name(key) for key in cache_keys]
        with self._lock:
            asked = [self._overtake((threading.get_ident(), name)) for name in names]
            return [self._remove(name) or was_asked for name, was_asked in zip(names, asked)]

    def _remove(self, name: bytes) -> bool:
        return surely(self.store, lambda: self.store.delete(name))

    @unless_closed(int)
    def flush(self) -> int:
        with self._lock:
            self._changes += 1
            count = self.size
            for asked, _ in self._all_asked():
                self._overtake(asked)
            surely(self.store, self.store.clear)
            return count

    # ---- The rest of the interface

    @property
    @unless_closed(OrderedDict)
    def collection(self) -> OrderedDict[CacheKey, CacheEntry]:
        """The answers there are now, as a copy in no particular order."""
        keys = [CacheKey(*decode_key(name[1:])) for name in self.store.keys(_ANSWER + b"*")]
        entries = ((key, self._find(_name(key), key)) for key in keys)
        return OrderedDict((key, entry) for key, entry in entries if entry is not None)

    @property
    def config(self) -> CacheConfigurationInterface:
        return self._config

    @property
    def eviction_policy(self) -> EvictionPolicyInterface:
        return self._policy

    @property
    @unless_closed(int)
    def size(self) -> int:
        """How many answers there are, those included that no longer hold and are not removed yet."""
        return self.store.count(_ANSWER + b"*")

    def close(self) -> None:
        """Close the store."""
        self.store.close()
