# SPDX-License-Identifier: Apache-2.0
"""``python -m memstore``."""

import json
import os
import re
import struct
import subprocess
import sys

import memstore
import pytest
from memstore.__main__ import main
from memstore._text import plain
from memstore.commands import _trace


@pytest.fixture
def run(capsys):
    """Run a command: its exit code, what it printed, and what it complained of."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


def mstrace(*requests, sizes=True):
    records = b"".join(struct.pack("<QI", key, size) for key, size in requests)
    return b"MSTRACE1" + struct.pack("<QII", len(requests), int(sizes), 0) + records


def test_as_a_program():
    result = subprocess.run(
        [sys.executable, "-m", "memstore", "--version"], capture_output=True, text=True, timeout=300, check=True
    )
    assert result.stdout == f"memstore {memstore.__version__}\n"
    assert subprocess.run([sys.executable, "-m", "memstore"], capture_output=True, timeout=300).returncode == 2


def test_a_pipe_that_nobody_reads():
    command = f"'{sys.executable}' -m memstore info --settings | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")


def test_help_names_the_commands(run, capsys):
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    assert all(name in text for name in ("info", "bench", "replay"))


@pytest.mark.parametrize("command", [[], ["bench"], ["info"], ["replay"], ["report"], ["top"]])
def test_help_without_docstrings(command):
    result = subprocess.run(
        [sys.executable, "-OO", "-m", "memstore", *command, "--help"], capture_output=True, text=True, timeout=300
    )
    assert (result.returncode, result.stderr) == (0, "") and "usage: python -m memstore" in result.stdout


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_streams_that_have_not_every_character(tmp_path, encoding):
    config = tmp_path / "store.yaml"
    config.write_text("store_name: 日本\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
    for command, wanted in (
        (["info", "--config", config], b"store_name "),
        (["top", "--once", "--interval", "0.01", tmp_path / "m.prom"], b"hit ratio"),
    ):
        (tmp_path / "m.prom").write_text('memstore_hits_total{store="日本"} 3\n', encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "memstore", *command], capture_output=True, env=environment, timeout=300
        )
        assert (result.returncode, result.stderr) == (0, b"") and wanted in result.stdout and b"??" in result.stdout
    result = subprocess.run(
        [sys.executable, "-m", "memstore", "replay", tmp_path / "日本"], capture_output=True, env=environment, timeout=300
    )
    assert result.returncode == 1 and rb"\u65e5\u672c" in result.stderr


def test_info(run, tmp_path):
    code, text, _ = run("info")
    assert code == 0 and memstore.__version__ in text and ("stable ABI" in text or "free-threaded" in text) and "ttl.default_ttl" not in text
    config = tmp_path / "store.yaml"
    config.write_text("ttl: {default_ttl: 1h}\n", encoding="utf-8")
    code, text, _ = run("info", "--json", "--config", config)
    shown = json.loads(text)
    assert code == 0 and shown["settings"]["ttl.default_ttl"] == "1h" and len(shown["settings"]) > 40
    config.write_text("ttl: {default_tl: 1h}\n", encoding="utf-8")
    code, _, complaint = run("info", "--config", config)
    assert code == 1 and "store.yaml:1:" in complaint


def test_bench(run):
    code, text, _ = run("bench", "--entries", 200, "--rounds", 1, "--json")
    rows = json.loads(text)
    assert code == 0 and {"get", "set", "dict: get", "get_many of 100"} <= {row[""] for row in rows}
    assert all(row["ns a key"] > 0 for row in rows)
    assert "ns a key" in run("bench", "--entries", 10, "--rounds", 1)[1]
    assert run("bench", "--entries", 0)[0] == 1


def test_replay(run, tmp_path):
    trace = tmp_path / "trace.mst"
    trace.write_bytes(mstrace((1, 100), (2, 100), (1, 100), (3, 1000), (1, 100)))
    code, text, _ = run("replay", trace, "--memory-limit", "1MB,2MB", "--eviction", "lru,adaptive", "--json")
    rows = json.loads(text)
    assert code == 0 and [(row["eviction"], row["limit"]) for row in rows] == [
        ("lru", "1MB"), ("lru", "2MB"), ("adaptive", "1MB"), ("adaptive", "2MB")
    ]  # fmt: skip
    assert all((row["hit ratio"], row["entries"], row["requests"]) == (0.4, 3, 5) for row in rows)
    assert "hit ratio" in run("replay", trace, "--requests", 2)[1]


def test_replay_without_eviction(run, tmp_path):
    trace = tmp_path / "trace.mst"
    trace.write_bytes(mstrace(*((key, 1000) for key in range(2000))))
    code, text, _ = run("replay", trace, "--memory-limit", "512KiB", "--eviction", "none", "--json")
    (row,) = json.loads(text)
    assert code == 0 and 0 < row["entries"] < 2000 and row["entries"] + row["without room"] == 2000


def test_replay_of_the_standard_input():
    result = subprocess.run(
        [sys.executable, "-m", "memstore", "replay", "-", "--json"],
        input=b"a\nb 5\na\n", capture_output=True, timeout=300, check=True,
    )  # fmt: skip
    assert json.loads(result.stdout)[0]["hit ratio"] == pytest.approx(1 / 3, abs=1e-4)


@pytest.mark.parametrize(
    "content, requests",
    [
        (b"a\nb 5\nc 6 7.5\n", [("a", 300, None), ("b", 5, None), ("c", 6, 7.5)]),
        (b"key,size,ttl\n\"x, y\",5,\r\nz,,60\n", [("x, y", 5, None), ("z", 300, 60.0)]),
        (b"ttl\tkey\n5\tab\n# no request\n\n6\tcd", [("ab", 300, 5.0), ("cd", 300, 6.0)]),
        (b"\xef\xbb\xbfsize,key\n5,ab\n", [("ab", 5, None)]),
        (b"\xef\xbb\xbfa", [("a", 300, None)]),
        (b"a\x0b\x0c\x1cb,5\n", [("a\x0b\x0c\x1cb", 5, None)]),
        ("a\x85\u2028b,5\nc\u2028d,6\n".encode(), [("a\x85\u2028b", 5, None), ("c\u2028d", 6, None)]),
        (b"a 5\rb 6\r\nc 7\rdefghijk 8\r\rl", [("a", 5, None), ("b", 6, None), ("c", 7, None), ("defghijk", 8, None), ("l", 300, None)]),
        (b"", []),
        (mstrace((255, 7)), [("ff", 7, None)]),
        (mstrace((16, 7), sizes=False), [("10", 300, None)]),
    ],
)
def test_traces(tmp_path, content, requests):
    trace = tmp_path / "trace"
    trace.write_bytes(content)
    assert list(_trace.read(str(trace), 300)) == requests


@pytest.mark.parametrize(
    "content, complaint",
    [
        (b"a\nb five\n", ":2: invalid literal"),
        (b"a\nb -5\n", ":2: a value has no size of -5"),
        (b"a\nb 99999999999999999999\n", ":2: a value has no size of 99999999999999999999"),
        (b"a\nb 5 1e300\n", ":2: a TTL is a number of seconds, not 1e300"),
        (b"a\rb five", ":2: invalid literal"),
        (b"size,key\n5,\n", ":2: there is no key"),
        (mstrace((1, 1))[:-1], "ends within record 0"),
        (mstrace((1, 1))[:-12], "promises 1 records, 0 follow"),
        (b"MSTRACE1short", "ends within its header"),
        (b"MSTTTL01" + bytes(16), "tells writes and deletions"),
        (b"\x28\xb5\x2f\xfd....", "zstd -dc"),
    ],
)
def test_traces_that_are_wrong(run, tmp_path, content, complaint):
    trace = tmp_path / "trace"
    trace.write_bytes(content)
    code, _, said = run("replay", trace)
    assert code == 1 and complaint in said


def test_requests_before_the_place_where_a_trace_is_cut_off(run, tmp_path):
    trace = tmp_path / "trace"
    trace.write_bytes(mstrace((1, 100), (2, 100), (3, 100))[:-1])
    code, text, _ = run("replay", trace, "--requests", 2, "--json")
    assert code == 0 and json.loads(text)[0]["requests"] == 2
    code, _, said = run("replay", trace, "--requests", 3)
    assert code == 1 and "ends within record 2" in said


def test_what_cannot_be_done_is_a_sentence(run, tmp_path):
    assert run("replay", tmp_path / "absent")[0] == 1
    trace = tmp_path / "trace"
    trace.write_text("a\n", encoding="utf-8")
    code, _, said = run("replay", trace, "--eviction", "best")
    assert code == 1 and said.startswith("memstore: ") and "best" in said


def test_traces_of_keys_that_are_no_text(tmp_path):
    path = tmp_path / "trace"
    path.write_bytes("ab日本語,10\n".encode() + b"\xff\xfe,20\n")  # the first 8 bytes end within a character
    assert [request[:2] for request in _trace.read(str(path), 1)] == [("ab日本語", 10), ("\\xff\\xfe", 20)]


def test_ttls_of_traces(run, tmp_path):
    path = tmp_path / "trace"
    path.write_text("a,10,0\nb,10,0.5\nc,10\n")
    assert [request.ttl for request in _trace.read(str(path), 1)] == [None, 0.5, None]
    for ttl in ("-5", "nan", "inf"):
        path.write_text(f"a,10,{ttl}\n")
        assert run("replay", path)[::2] == (1, f"memstore: {path}:1: a TTL is a number of seconds, not {ttl}\n")


def test_numbers_that_are_none(run, tmp_path):
    path = tmp_path / "trace"
    path.write_text("a\n")
    assert run("replay", path, "--requests", -1)[::2] == (1, "memstore: --requests: -1 is negative\n")
    assert run("replay", path, "--size", -1)[::2] == (1, "memstore: --size: from 0 to 4294967295, not -1\n")
    assert run("replay", path, "--size", 1 << 32)[::2] == (1, "memstore: --size: from 0 to 4294967295, not 4294967296\n")
    assert run("replay", path, "--requests", 10**20)[0] == 0
    assert run("top", path, "--interval", "nan")[::2] == (1, "memstore: --interval: a time above 0\n")


def test_a_field_that_is_too_long_is_a_sentence(run, tmp_path):
    path = tmp_path / "trace"
    path.write_text("a,10\n" + 200_000 * "b" + ",10\n")
    code, _, said = run("replay", path)
    assert code == 1 and said.startswith(f"memstore: {path}:2: ")


def test_sizes_that_no_memory_has_are_sentences(run, tmp_path):
    path = tmp_path / "trace"
    for size in (1 << 62, 1 << 70):
        path.write_text(f"a,{size}\n")
        assert run("replay", path)[0] == 1 and run("bench", "--entries", 1, "--size", size)[0] == 1
        path.write_text("a\n")
        code, _, said = run("replay", path, "--size", size)
        assert code == 1 and re.fullmatch("memstore: .+\n", said)


@pytest.mark.parametrize("arguments", [["info"], ["info", "--json"], ["report", "ADVICE"], ["replay", "-"]])
def test_streams_that_are_closed(arguments, tmp_path):
    advice = tmp_path / "advice.json"
    with memstore.Store() as store:
        advice.write_text(store.advise().to_json(), encoding="utf-8")
    command = [sys.executable, "-m", "memstore", *(str(advice) if word == "ADVICE" else word for word in arguments)]
    closing = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *command]
    result = subprocess.run(closing, stderr=subprocess.PIPE, text=True, timeout=300)
    assert result.returncode == 1 and re.fullmatch("memstore: the standard (in|out)put is closed\n", result.stderr)


def test_an_interrupt_is_no_complaint(run, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("memstore.commands.bench.measure", interrupted)
    assert run("bench") == (130, "", "")


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a\x1b[31mb\x07", r"a\x1b[31mb\x07"),
        ("a\nb\x9b\u202e", r"a\x0ab\xc2\x9b\xe2\x80\xae"),
        ("\udcff \ud800", r"\xff \xed\xa0\x80"),
        ("é ✓", "é ✓"),
    ],
)
def test_what_controls_a_terminal_is_shown(text, shown):
    assert plain(text) == shown


def test_complaints_control_no_terminal(run, tmp_path):
    hostile = tmp_path / "a\x1b]0;title\x07\x1b[31m"
    for command in (["replay"], ["report"], ["info", "--config"], ["top", "--once"]):
        code, _, said = run(*command, hostile)
        assert code == 1 and not set(said) & set("\x1b\x07") and said.count("\n") == 1
        assert command[0] == "info" or r"\x1b]0;title\x07" in said.replace(r"\\", "\\")
    hostile.write_bytes(b"key,size\nk,\x1b[2J\n")
    assert r"'\x1b[2J'" in run("replay", hostile)[2]


def test_settings_control_no_terminal(run, tmp_path):
    config = tmp_path / "store.yaml"
    config.write_text('store_name: "red\\x9b31m é"\n', encoding="utf-8")
    code, text, _ = run("info", "--config", config)
    assert code == 0 and r"red\xc2\x9b31m é" in text and "\x9b" not in text
    assert json.loads(run("info", "--config", config, "--json")[1])["settings"]["store_name"] == "red\x9b31m é"
