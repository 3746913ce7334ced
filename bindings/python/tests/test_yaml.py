# SPDX-License-Identifier: Apache-2.0
import functools
import json
import pathlib
import sys
import threading

import jsonschema
import memstore
import pytest
import yaml
from memstore import _native
from memstore.settings import Configuration
from test_threads import run_in_threads

ROOT = pathlib.Path(__file__).parents[3]


def write(tmp_path, text):
    path = tmp_path / "wes.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_example_is_taken_and_acts():
    with memstore.Store.from_yaml(ROOT / "examples/wes.yaml") as store:
        assert store.capacity() == 1_000_000_000
        store["k"] = b"x" * 499
        assert 590 < store.ttl("k") <= 600  # life_window
        store.created_at("k")
        with pytest.raises(memstore.EntryTooLarge):
            store["k"] = b"x" * 500
        for ttl in (59, 25 * 3600):
            with pytest.raises(memstore.InvalidTTL):
                store.set("k", b"", ttl)


@pytest.mark.parametrize("kind", [str, bytes, pathlib.Path], ids=lambda kind: kind.__name__)
def test_kinds_of_paths(tmp_path, kind):
    path = write(tmp_path, "performance: {memory_limit: 5MB}\n")
    with memstore.Store.from_yaml(str(path).encode() if kind is bytes else kind(path)) as store:
        assert store.capacity() == 5_000_000


REFUSED = {
    "shards: 4\n# \xff\n".encode("latin-1"): ":2:3: not a text in UTF-8: ",
    "storage:\n  memory:\n    shard: 4\n": ':3:5: shard: unknown key; the nearest known key is "shards"',
    "ttl:\n  max_ttl: 1 hour\n": ':2:12: ttl.max_ttl: "1 hour" has no known unit; expected a duration',
    "shards: [4]\n": ":1:9: shards: a list is no value for it; expected a power of two",
    "shards: 4\nshards: 8\n": ":2:1: shards: duplicate key, first given in line 1",
    "ttl: {min_ttl: 2h, max_ttl: 1h}\n": ":1:29: ttl.min_ttl (2h) is above ttl.max_ttl (1h)",
    "shards: &a 4\n": ':1:9: "&a": anchors and aliases are not accepted',
    "shards: 4\n---\nshards: 8\n": ":2:1: a second document begins",
    "ttl: 4\n": ":1:6: ttl: expected a mapping of settings",
    "ttl: {max_ttl: 1h\n": ":2:1: not YAML: ",
    "# comment\n" * 2**17: ": larger than 1 MiB",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:20]))
def test_an_error_tells_file_line_and_column(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(memstore.InvalidConfig) as caught:
        memstore.Store.from_yaml(path)
    assert str(caught.value).startswith(f"{path}{REFUSED[text]}")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(memstore.IOFailed, match="^/nowhere/wes.yaml: No such file or directory$") as caught:
        memstore.Store.from_yaml("/nowhere/wes.yaml")
    assert isinstance(caught.value, OSError)
    with pytest.raises(memstore.IOFailed, match="Is a directory"):
        memstore.Store.from_yaml(tmp_path)
    with pytest.raises(memstore.IOFailed):
        memstore.Store.from_yaml("\udcff.yaml")
    with pytest.raises(ValueError):
        memstore.Store.from_yaml("wes\0.yaml")
    with pytest.raises(TypeError):
        memstore.Store.from_yaml(7)


def test_keywords_override_the_environment_and_that_the_file(tmp_path, monkeypatch):
    path = write(tmp_path, "performance: {memory_limit: 10MB}\nttl: {default_ttl: 1h}\n")
    monkeypatch.setenv("MEMSTORE_PERFORMANCE_MEMORY_LIMIT", "20MB")
    monkeypatch.setenv("MEMSTORE_TTL_DEFAULT_TTL", "2h")

    def capacity_and_ttl(**arguments):
        with memstore.Store.from_yaml(path, **arguments) as store:
            store["k"] = b""
            return store.capacity(), -(-store.ttl("k") // 3600)

    assert capacity_and_ttl() == (10_000_000, 1)
    assert capacity_and_ttl(environment=True) == (20_000_000, 2)
    assert capacity_and_ttl(environment=True, default_ttl="3h") == (20_000_000, 3)
    assert capacity_and_ttl(memory_limit="30MB") == (30_000_000, 1)
    monkeypatch.setenv("MEMSTORE_TTL_DEFAULT_TTL", "soon")
    with pytest.raises(memstore.InvalidConfig, match='^MEMSTORE_TTL_DEFAULT_TTL: ttl.default_ttl: "soon"'):
        capacity_and_ttl(environment=True)
    with pytest.raises(memstore.InvalidConfig, match="^unknown key"):
        capacity_and_ttl(evicton="lru")


def test_a_subclass_is_opened_as_such(tmp_path):
    class Mine(memstore.Store):
        pass

    with Mine.from_yaml(write(tmp_path, "shards: 4")) as store:
        assert type(store) is Mine
        assert "eviction adaptive" in repr(store)


# ---- In an open store


def test_a_file_that_has_changed_is_taken_as_a_whole(tmp_path):
    file = tmp_path / "store.yaml"
    file.write_text("ttl: {min_ttl: 1m, max_ttl: 2m}\nloader: {on_store_error: bypass}\n")
    with memstore.Store.from_yaml(file, shards=16) as store:
        file.write_text("ttl: {min_ttl: 1h, max_ttl: 2h}\nloader: {on_store_error: fail}\n")
        store.reload_yaml(file, shards=16)
        assert store.setting("ttl.min_ttl") == store.setting("min_ttl") == "1h"
        assert store.setting("storage.memory.ttl.max_ttl") == store.setting("ttl__max_ttl") == "2h"
        assert not store._async_loads.bypass
        with pytest.raises(memstore.Unsupported, match="shards: cannot be changed"):
            store.reload_yaml(file, min_ttl="2h")
        file.write_text("ttl: {min_ttl: often}\n")
        with pytest.raises(memstore.InvalidConfig, match=r"store\.yaml:1:"):
            store.reload_yaml(file, shards=16)
        assert store.setting("min_ttl") == "1h"
        with pytest.raises(memstore.InvalidConfig, match="nearest known key"):
            store.setting("max_tll")
    file.write_text("shards: 16\n")
    for call in (lambda: store.reload_yaml(file), lambda: store.setting("shards")):
        with pytest.raises(memstore.CacheClosed):
            call()


def test_reconfigure():
    with memstore.Store(memory_limit="16MiB") as store:
        for i in range(60_000):
            store[f"key/{i}"] = b"x" * 200
        store.reconfigure("memory_limit", "4MiB")
        assert store.capacity() == 4 << 20
        assert store.memory().charged <= 4 << 20
        assert len(store) > 10_000
        store.reconfigure("performance.memory_limit", 64 << 20)
        store.reconfigure("ttl.default_ttl", 90)
        store["k"] = b""
        assert 80 < store.ttl("k") <= 90
        store.reconfigure("max_ttl", None)
        store.reconfigure("storage.memory.ttl.max_ttl", "1h")


@pytest.mark.parametrize(
    "name, value, error, text",
    [
        ("shards", 4, memstore.Unsupported, "^shards: cannot be changed while the store is open: every key's place"),
        ("memory_limit", "3GB", memstore.Unsupported, "more than this store can grow to"),
        ("memory_limit", "1kB", memstore.InvalidConfig, "1000 bytes are too few"),
        ("min_ttl", "2h", memstore.InvalidConfig, r"^ttl.min_ttl \(2h\) is above ttl.max_ttl \(1h\)$"),
        ("mni_ttl", "2h", memstore.InvalidConfig, 'the nearest known key is "ttl.min_ttl"'),
        ("min_ttl", "2 h", memstore.InvalidConfig, '"2 h" has no known unit'),
        ("min_ttl", [2], memstore.InvalidConfig, r"ttl.min_ttl: \[2\] is no str"),
        ("eviction", "lru\0", memstore.InvalidConfig, "NUL"),
        ("shards\0", 4, memstore.InvalidConfig, "NUL"),
    ],
    ids=str,
)
def test_what_cannot_change_says_why(name, value, error, text):
    with memstore.Store(max_ttl="1h") as store:
        with pytest.raises(error, match=text):
            store.reconfigure(name, value)
        assert store.capacity() == 64_000_000


def test_a_lower_limit_than_views_hold():
    with memstore.Store(memory_limit="8MB", lock_timeout=0.05) as store:
        store["large"] = b"x" * 3_000_000
        with store.view("large"):
            with pytest.raises(memstore.MemoryExhausted, match="bytes are too few while views hold"):
                store.reconfigure("memory_limit", "2MB")
        store.reconfigure("memory_limit", "2MB")
    with pytest.raises(memstore.CacheClosed):
        store.reconfigure("max_ttl", "1h")


# ---- The schema for editors


def accepts(text):
    with Configuration() as configuration:
        try:
            _native.config_load_yaml(configuration.handle, text)
        except memstore.InvalidConfig:
            return False
        return True


SCHEMA = json.loads((ROOT / "docs/configuration.schema.json").read_text(encoding="utf-8"))

#: What the schema can tell: not duplicates and contradictions, and not whole paths with ``storage.memory.``.
DOCUMENTS = [
    "shards: 64",
    "shards: 63",
    "shards: many",
    "shards: [64]",
    "eviction: lru",
    "eviction: LRU",
    "huge_pages: off",
    "huge_pages: auto",
    "huge_pages: never",
    "memory_pressure: off",
    "memory_pressure: psi",
    "memory_pressure: on",
    "life_window: 10m",
    "life_window: 1.5h",
    "life_window: 600000",
    "life_window: 10 m",
    "life_window: -10m",
    "life_window: -10",
    "life_window: 10w",
    "life_window: {m: 10}",
    "max_entry_size: 500",
    "max_entry_size: 1.5MB",
    "max_entry_size: 64MiB",
    "max_entry_size: 64mb",
    "hard_max_cache_size: 100",
    "hard_max_cache_size: 1GB",
    # In quotes, as templates write them.
    'shards: "64"',
    'shards: "63"',
    'shards: "0x40"',
    'shards: ""',
    'life_window: "600000"',
    'max_entry_size: "500"',
    'hard_max_cache_size: "100"',
    'hard_max_cache_size: "100MB"',
    'performance: {gc_percent: "100"}',
    'performance: {gc_percent: "1e2"}',
    'performance: {gc_percent: "-1"}',
    'monitoring: {hit_rate_threshold: "0.5"}',
    'monitoring: {hit_rate_threshold: "1"}',
    'monitoring: {hit_rate_threshold: "1.000"}',
    'monitoring: {hit_rate_threshold: "1.1"}',
    'monitoring: {hit_rate_threshold: ".5"}',
    'monitoring: {hit_rate_threshold: "0.1234567"}',
    'ttl: {store_creation_time: "true"}',
    'ttl: {store_creation_time: "1"}',
    "ttl: {store_creation_time: yes}",
    "ttl: {store_creation_time: maybe}",
    "ttl: {ttl_precision: minute}",
    "ttl: {shards: 4}",
    "ttl:",
    "ttl: 1h",
    "ttl.max_ttl: 1h",
    "ttl.max_ttl: 1 h",
    "ttl.maximum: 1h",
    "storage: {memory: {performance.gc_percent: 50}}",
    "storage: {memory: {performance.gc_percent: half}}",
    "performance: {gc_percent: 10000}",
    "performance: {gc_percent: 10001}",
    "storage: {memory: {shards: 64}}",
    "storage: {memory: {shard: 64}}",
    "storage: {memory: }",
    "storage: {memory: {ttl: {max_ttl: 1h}}, badger: {path: /data}}\nnetwork: [1, 2]",
    "storage: [1]",
    "network: [1, 2]",
    "- 1",
    "",
]


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", DOCUMENTS, ids=str)
def test_the_schema_and_the_library_accept_the_same(text):
    assert jsonschema.Draft7Validator(SCHEMA).is_valid(yaml.safe_load(text)) == accepts(text)


@pytest.mark.parametrize("number", ["0x40", "0o100", "0b1000000", "6_4", "1:4", "64.0", "6.4e1", "+64"])
def test_other_notations_of_numbers_are_refused(number):
    """YAML 1.1 and 1.2 take some of them for other numbers, or for texts; a schema is shown what its reader took them for."""
    for key in ("shards", "performance.gc_percent", "life_window", "max_entry_size", "hard_max_cache_size"):
        assert accepts(f"{key}: 64")
        assert not accepts(f"{key}: {number}")


def keys_of(properties, path=()):
    for name, value in properties.items():
        if "properties" in value:
            yield from keys_of(value["properties"], (*path, name))
        elif "$ref" not in value:
            yield (*path, name), value


KEYS = dict(keys_of(SCHEMA["definitions"]["settings"]["properties"]))


def plain_values(rule):
    """What a key may be given, in the form that is meant for its type, and things that are none of its values."""
    yield from (None, [1], {"a": 1}, -1, 0.25, 1.5, "", "a b", "10w", "5.m", "+5s", "1.1234567h", "64mb", "5%")
    if "minimum" in rule:
        bounds = {int(rule["minimum"]), int(rule["maximum"])}
        yield from sorted({bound + change for bound in bounds for change in (-1, 0, 1)})
    if "pattern" in rule:
        yield from ("90m", "1.5h", "64MB", "1.5GiB", "10 m", "-10m")
    yield from rule.get("enum", ("lru", "none"))
    if "maxLength" in rule:
        yield from ("x" * rule["maxLength"], "x" * (rule["maxLength"] + 1))


def is_told_apart(path, value):
    """Whether a schema of JSON can tell: numbers are texts in YAML, and yes and no are what YAML 1.1 has for flags."""
    rule = KEYS[path]
    if "maxLength" in rule:
        return value is None or isinstance(value, str)
    if path == ("performance", "memory_limit"):
        return value != 0  # no limit, since there is no other either
    return not (isinstance(value, bool) and "yes" not in rule.get("enum", ()))


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_the_schema_and_the_library_have_the_same_bounds(path):
    validator, seen = jsonschema.Draft7Validator(SCHEMA), set()
    for value in plain_values(KEYS[path]):
        if not is_told_apart(path, value):
            continue
        document = value
        for name in reversed(path):
            document = {name: document}
        seen.add(validator.is_valid(document))
        assert validator.is_valid(document) == accepts(json.dumps(document)), document
    assert seen == {True, False}


def test_the_schema_accepts_the_example():
    example = (ROOT / "examples/wes.yaml").read_text(encoding="utf-8")
    jsonschema.Draft7Validator(SCHEMA).validate(yaml.safe_load(example))
    assert accepts(example)
    assert any(accepts(text) for text in DOCUMENTS) and not all(accepts(text) for text in DOCUMENTS)


def test_no_path_is_no_file():
    """A path that was looked up and is not there would open a store with defaults."""
    for path in (None, 0):
        with pytest.raises(TypeError, match="PathLike"):
            memstore.Store.from_yaml(path)
    with memstore.Store() as store, pytest.raises(TypeError, match="PathLike"):
        store.reload_yaml(None)


def test_settings_that_are_changed_at_once_are_noted_as_they_are_in_force():
    names = ["fail", "bypass"] * 2
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with memstore.Store() as store:
            for _ in range(300):
                together = threading.Barrier(len(names))

                def change(name, together=together):
                    together.wait(60)
                    store.reconfigure("on_store_error", name)

                run_in_threads(*[functools.partial(change, name) for name in names])
                assert store._async_loads.bypass == (store.setting("on_store_error") == "bypass")
    finally:
        sys.setswitchinterval(before)
