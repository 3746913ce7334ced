# SPDX-License-Identifier: Apache-2.0
"""``memstore-top``."""

import contextlib
import functools
import http.server
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
import types

import memstore
import pytest
from memstore import page
from memstore.__main__ import main
from memstore.commands.top import Watch
from memstore.top import screen, source
from memstore.top.reading import Change, Reading, parse
from memstore.top.source import open_source
from rich.console import Console


@pytest.fixture
def store():
    with memstore.Store(memory_limit="4MB", **{"monitoring.track_operation_latency": True}) as store:
        yield store


def shown(change, width=120, **more):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(screen.render("a store", change, [0.5, None, 1.0], width, **more))
    return console.export_text()


def reading(time, **counters):
    return Reading(time, {(f"memstore_{name}_total", frozenset()): value for name, value in counters.items()})


def test_what_a_store_writes_is_read(store):
    store["k"] = b"v" * 1000
    assert store.get("k") is not None and store.get("nothing") is None
    (now,) = parse(1.0, store.metrics_text()).values()
    change = Change(None, now)
    assert change.count("hits") == 1 and change.hit_ratio() == 0.5 and change.rate("hits") is None
    assert now.value("entries") == 1
    assert now.by("memory_bytes", "kind")["live"] >= 1000
    text = shown(change)
    assert "50.00 %" in text and "no alert" in text
    assert re.search(r"entries +1\b", text) and re.search(r"\bset +1 ", text)


def test_two_readings_tell_rates():
    change = Change(reading(10.0, hits=100, misses=50), reading(12.0, hits=160, misses=70))
    assert (change.rate("hits"), change.rate("misses"), change.hit_ratio()) == (30, 10, 0.75)


def test_a_counter_that_was_reset_began_at_zero():
    assert Change(reading(10.0, hits=100), reading(12.0, hits=6)).rate("hits") == 3


def test_every_kind_of_memory_is_shown(store):
    (now,) = parse(1.0, store.metrics_text()).values()
    kinds = set(now.by("memory_bytes", "kind"))
    assert kinds == set(screen.KINDS) == set(page.KINDS) and "stale" in kinds
    text = shown(Change(None, now))
    assert all(f"█ {kind} " in text for kind in kinds)


def test_nothing_happened():
    change = Change(reading(10.0, hits=1), reading(11.0, hits=1))
    assert change.hit_ratio() is None and change.rate("hits") == 0


def test_stores_are_told_apart_by_their_labels(store, tmp_path):
    path = tmp_path / "m.prom"
    path.write_text(
        '# TYPE memstore_hits counter\nmemstore_hits_total{store="blocks"} 3\nmemstore_hits_total{store="state"} 5\n# EOF\n'
    )
    watch = Watch(open_source(str(path)), "state")
    assert watch.look().count("hits") == 5 and watch.name == "store=state"
    assert Watch(open_source(str(path)), "").look().count("hits") == 3
    with pytest.raises(ValueError, match="'other'.*store=blocks; store=state"):
        Watch(open_source(str(path)), "other").look()


def test_a_store_without_labels_is_told_as_one():
    watch = Watch(types.SimpleNamespace(read=lambda: (1.0, "memstore_hits_total 3\n")), "other")
    with pytest.raises(ValueError, match="'other'; there are: one without labels$"):
        watch.look()


@pytest.mark.parametrize("odd", ["NaN", "+Inf", "-Inf", "1e308", "3e15", "-1e15", "1e-320"])
def test_no_figure_is_too_odd_to_be_shown(odd):
    """Whatever it is a figure of."""
    kinds = "".join(f'memstore_memory_bytes{{kind="{kind}"}} 5\n' for kind in screen.KINDS)
    names = "hits_total misses_total memory_limit_bytes memory_charged_bytes entries memory_pinned_bytes".split()
    lines = (kinds + "".join(f"memstore_{name} 5\n" for name in names)).splitlines()
    lines += ['memstore_operation_duration_seconds_count{operation="get"} 1', 'memstore_hot_key_share{key="k"} 0.5']
    lines += ['memstore_operation_quantile_seconds{operation="get",q="0.5"} 1e-7', 'memstore_alert{kind="hit_rate"} 0']
    for i, line in enumerate(lines):
        odd_one = [*lines[:i], line.rpartition(" ")[0] + " " + odd, *lines[i + 1 :]]
        texts = iter([(float(time), "\n".join(each) + "\n") for time, each in enumerate((lines, odd_one))])
        watch = Watch(types.SimpleNamespace(read=functools.partial(next, texts)), "")
        watch.look()
        text = shown(watch.look(), 80) + screen.sparkline(watch.history)
        assert len(text) < 10_000 and not re.search(r"\bnan\b", text)


def test_a_store_of_which_nothing_is_a_number_is_one():
    (now,) = parse(1.0, "memstore_entries NaN\n").values()
    assert now.value("entries") is None and "memory" in shown(Change(None, now))


def test_alerts_hot_keys_and_refusals_are_seen():
    values = {
        ("memstore_alert", frozenset({("kind", "hit_rate")})): 1.0,
        ("memstore_hot_key_share", frozenset({("key", "block/42")})): 0.25,
        ("memstore_rejected_writes_total", frozenset({("reason", "full")})): 7.0,
    }
    text = shown(Change(None, Reading(1.0, values)))
    assert "ALERT: hit rate" in text and re.search(r"block/42 +25.00 %", text) and re.search(r"rejected writes.* 7\b", text)


def test_the_hot_keys_of_a_store_are_seen():
    with memstore.Store(memory_limit="4MB", access_sample_ratio=1) as store:
        keys = [b'a "b",{c}\\\n\xff'] * 3 + [b"block/42"]
        store.set_many(dict.fromkeys(keys, b"v"))
        # Reads are taken at random, one in eight: of 5000, a share is hardly ever off by 0.05.
        for key in keys * 10000:
            store.get(key)
        (now,) = parse(1.0, store.metrics_text()).values()
    shares = now.by("hot_key_share", "key")
    assert list(shares) == ['a "b",{c}\\\n\\xff', "block/42"] and shares["block/42"] == pytest.approx(0.25, abs=0.05)
    assert "block/42" in shown(Change(None, now))


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_nothing_is_wider_than_the_terminal(store, width):
    store["k"] = b"v"
    (now,) = parse(1.0, store.metrics_text()).values()
    assert max(map(len, shown(Change(None, now), width, notice="gone").splitlines())) <= width


def busy():
    """A store all of whose panels are full."""
    values = {("memstore_memory_limit_bytes", frozenset()): 24e6, ("memstore_memory_charged_bytes", frozenset()): 23.9e6}
    for i, kind in enumerate(screen.KINDS):
        values["memstore_memory_bytes", frozenset({("kind", kind)})] = 1e6 * i
    for operation in ("get", "set", "delete", "load"):
        values["memstore_operation_duration_seconds_count", frozenset({("operation", operation)})] = 1e6
    for i in range(8):
        values["memstore_hot_key_share", frozenset({("key", f"account/{i:08d}/balance of a long name")})] = 0.1 - i / 100
    for name in ("hits", "misses", "sets", "updates", "deletes", "evictions", "expirations", "loads"):
        values[f"memstore_{name}_total", frozenset()] = 1e6
    return Change(None, Reading(1.0, values))


def test_all_of_it_fits_the_usual_terminal():
    lines = shown(busy(), 80, height=24).rstrip("\n").splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert re.search(r"charged +22.8 MiB of 22.9 MiB ", text) and re.search(r"account/00000001/b.*… +9.00 %", text)
    assert re.search(r"^│ +load +1 M ", text, re.MULTILINE)


@pytest.mark.parametrize("width", [40, 50, 60, 69, 75, 80])
def test_times_are_whole_in_a_narrow_terminal(width):
    change = busy()
    for q, seconds in (("0.5", 121e-9), ("0.99", 888e-9), ("0.999", 136e-6), ("0.9999", 364e-6), ("1", 0.0251)):
        labels = frozenset({("operation", "get"), ("q", q)})
        change.now.values["memstore_operation_quantile_seconds", labels] = seconds
    text = shown(change, width)
    latencies = text[text.index("latencies") :]
    assert re.search(r"^│ +get .*121 ns +888 ns .*25.1 ms +│$", latencies, re.MULTILINE)
    assert re.search(r"p50 +p99 .*max ", latencies) and "…" not in latencies


def test_a_tall_terminal_shows_more_hot_keys_and_a_narrow_one_all_below_each_other():
    assert "account/00000007" in shown(busy(), 80, height=40)
    assert "account/00000001" in shown(busy(), 80, height=24) and "account/00000007" not in shown(busy(), 80, height=24)
    narrow = shown(busy(), 60, height=24).splitlines()
    assert sum("─ memory ─" in line for line in narrow) == 1 and max(map(len, narrow)) <= 60


def test_a_file_is_read_anew_only_when_it_was_written(store, tmp_path):
    path = tmp_path / "m.prom"

    def write(time):
        path.write_text(store.metrics_text())
        os.utime(path, (time, time))

    watch = Watch(open_source(str(path)), "")
    write(100)
    watch.look()
    for _ in range(30):
        store.get("nothing")
    write(110)
    assert watch.look().rate("misses") == 3
    assert watch.look().rate("misses") == 3, "nothing new was written"
    assert len(watch.history) == 2


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, text, *arguments):
        self.text = text
        super().__init__(*arguments)

    def do_GET(self):
        body = self.text().encode()
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "somebody"

    def log_message(self, *_):
        pass


class UnixServer(socketserver.UnixStreamServer):
    pass


@contextlib.contextmanager
def answering(directory, pieces):
    """A server that answers whoever asks with these bytes, as many of them as are taken."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                while self.rfile.readline() != b"\r\n":
                    pass
                for piece in pieces:
                    self.wfile.write(piece)

    with UnixServer(str(directory / "server"), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix:{directory}/server"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("kind", ["http", "unix"])
def test_a_server_is_asked(store, tmp_path, kind):
    handler = functools.partial(Handler, store.metrics_text)
    where = str(tmp_path / "s")
    server = http.server.HTTPServer(("127.0.0.1", 0), handler) if kind == "http" else UnixServer(where, handler)
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"unix:{where}" if kind == "unix" else f"http://127.0.0.1:{server.server_address[1]}"
            watch = Watch(open_source(address), "")
            store["k"] = b"v"
            assert watch.look().count("sets") == 1
            wrong = f"{address}:/other" if kind == "unix" else f"{address}/other"
            with pytest.raises(OSError, match="404"):
                open_source(wrong).read()
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "name, complaint",
    [
        ("ftp://host/x", "not from ftp"),
        ("/no/such/file", "No such file"),
        ("unix:/no/such", "unix:/no/such: No such file"),
        ("http://127.0.0.1:1/metrics", "http://127.0.0.1:1/metrics: Connection refused"),
        ("http://127.0.0.1:port/", "http://127.0.0.1:port/: no answer of a web server: InvalidURL"),
    ],
)
def test_a_source_that_is_none(capsys, name, complaint):
    assert main(["top", name, "--once"]) == 1
    assert complaint in capsys.readouterr().err


def test_a_file_without_metrics(capsys, tmp_path):
    (tmp_path / "empty").write_text("# EOF\n")
    assert main(["top", str(tmp_path / "empty"), "--once"]) == 1
    assert "no metrics of a store" in capsys.readouterr().err


def test_a_clock_that_is_set_back_is_no_end():
    """The time is that of the file, or of the machine."""
    text = "memstore_hits_total {}\nmemstore_misses_total 0\n# EOF\n"
    looks = iter([(100.0, text.format(1)), (10.0, text.format(5)), (10.0, text.format(5)), (12.0, text.format(9))])
    watch = Watch(types.SimpleNamespace(read=lambda: next(looks)), "")
    rates = [(change.count("hits"), change.rate("hits")) for change in (watch.look() for _ in range(4))]
    assert rates == [(1, None), (4, None), (4, None), (4, 2.0)] and len(watch.history) == 3


def test_once(capsys, store, tmp_path):
    (tmp_path / "m.prom").write_text(store.metrics_text())
    assert main(["top", str(tmp_path / "m.prom"), "--once", "--interval", "0.01"]) == 0
    assert "hit ratio" in capsys.readouterr().out


@pytest.mark.parametrize(
    "number, text", [(0, "0"), (999, "999"), (1234567, "1.23 M"), (2.5, "2.5"), (None, "-"), (4e15, "4e+03 T"),
     (999_950, "1 M"), (999.6, "1 k"), (999_499, "999 k")]
)
def test_counts(number, text):
    assert screen.count(number) == text


def test_units():
    assert (screen.size(1536), screen.size(12), screen.size(3 << 30)) == ("1.5 KiB", "12 B", "3.0 GiB")
    assert (screen.duration(1.5e-7), screen.duration(0.02), screen.duration(3)) == ("150 ns", "20 ms", "3 s")
    assert (screen.size(1024 * 1024 - 1), screen.duration(9.999e-7)) == ("1.0 MiB", "1 µs")
    assert (screen.percent(None), screen.percent(0.5)) == ("-", "50.00 %")


def test_what_is_told_controls_no_terminal_and_is_no_markup():
    labels = {"key": "a\n\x1b[2J[red]b", "operation": "[/bold]\x9bm"}
    values = {("memstore_hot_key_share", frozenset({("key", labels["key"])})): 0.5,
              ("memstore_operation_duration_seconds_count", frozenset({("operation", labels["operation"])})): 3.0,
              ("memstore_alert", frozenset({("kind", "\x1bc[/x]")})): 1.0}  # fmt: skip
    change = Change(None, Reading(1.0, values))
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(screen.render("a\x1b]0;store\x07[b]", change, [], 100, notice="\x1bc"))
    text = console.export_text()
    assert not set(text) & set("\x1b\x07\x9b")
    assert r"a\x0a\x1b[2J[red]b" in text and r"[/bold]\xc2\x9bm" in text and r"\x1bc[/x]" in text
    assert r"a\x1b]0;store\x07[b]" in text


def test_what_a_server_says_controls_no_terminal(capsys, tmp_path):
    lines = b"HTTP/1.1 500 \x1b[31mred\x1b]0;title\x07\r\n\r\n"
    with answering(tmp_path, [lines]) as address:
        assert main(["top", address, "--once"]) == 1
    assert capsys.readouterr().err == f"memstore: {address}: 500 \\x1b[31mred\\x1b]0;title\\x07\n"
    (tmp_path / "m.prom").write_bytes(b'memstore_entries{store="\x1b[31m"} 1\n')
    assert main(["top", str(tmp_path / "m.prom"), "--once", "--store", "x"]) == 1
    assert capsys.readouterr().err.endswith("there are: store=\\x1b[31m\n")


def test_an_answer_without_an_end_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "LARGEST", 10_000)
    with (
        answering(tmp_path, [b"HTTP/1.1 200 OK\r\n\r\n"] + [b"memstore_hits_total 1\n"] * 1000) as address,
        pytest.raises(OSError, match="more than 10000 bytes"),
    ):
        open_source(address).read()


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_takes_too_long_ends(tmp_path, monkeypatch, beginning):
    monkeypatch.setattr(source, "TIMEOUT", 0.3)

    def slowly():
        yield beginning
        for _ in range(600):
            time.sleep(0.1)
            yield b"X"

    with answering(tmp_path, slowly()) as address, pytest.raises(OSError, match="timed out"):
        open_source(address).read()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmetrics and more",
        b"HTTP/1.1 200 OK\r\n\r\nmetrics",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmet\r\n4\r\nrics\r\n0\r\n\r\n",
    ],
)
def test_an_answer_is_read_to_its_end(tmp_path, answer):
    with answering(tmp_path, [answer]) as address:
        assert open_source(address).read()[1] == "metrics"


@pytest.mark.parametrize("head", [b"Content-Length: 99", b"Transfer-Encoding: chunked"])
def test_an_answer_that_is_cut_off_is_none(tmp_path, head):
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n63\r\nmetrics"
    with answering(tmp_path, [answer]) as address, pytest.raises(OSError, match="IncompleteRead"):
        open_source(address).read()


def test_a_file_that_is_no_text(capsys, tmp_path):
    for end in (b"", b"\n# EOF\n"):
        (tmp_path / "m.prom").write_bytes(b"\xff\x1b[2J" * 1000 + end)
        assert main(["top", str(tmp_path / "m.prom"), "--once"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("memstore: this is no text of metrics: ") and said.isascii()
        assert "\x1b" not in said and len(said) < 300


@pytest.mark.parametrize("interval", ["0", "nan", "inf", "1e300"])
def test_an_interval_that_nobody_can_wait_for(capsys, store, tmp_path, interval):
    (tmp_path / "m.prom").write_text(store.metrics_text())
    assert main(["top", str(tmp_path / "m.prom"), "--once", "--interval", interval]) == 1
    assert "--interval" in capsys.readouterr().err


def watching(path, output, **environment):
    command = [sys.executable, "-m", "memstore", "top", path, "--interval", "0.05"]
    return subprocess.Popen(
        command, stdin=output, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
    )


def test_a_terminal_is_given_back_when_the_program_is_told_to_end(store, tmp_path):
    (tmp_path / "m.prom").write_text(store.metrics_text())
    master, slave = os.openpty()
    process = watching(tmp_path / "m.prom", slave, TERM="xterm")
    os.close(slave)
    seen = b""
    while b"hit ratio" not in seen:
        seen += os.read(master, 65536)
    process.terminate()
    with contextlib.suppress(OSError):  # which is how its end is told
        while more := os.read(master, 65536):
            seen += more
    os.close(master)
    assert process.wait(300) == 143
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l") and b"Traceback" not in seen


def test_without_a_terminal_each_look_is_printed(store, tmp_path):
    (tmp_path / "m.prom").write_text(store.metrics_text())
    process = watching(tmp_path / "m.prom", subprocess.PIPE)
    for _ in range(2):
        while b"hit ratio" not in process.stdout.readline():
            pass
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=300)[0]
    assert process.returncode == 0 and b"Traceback" not in rest
