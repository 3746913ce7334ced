# SPDX-License-Identifier: Apache-2.0
"""A report as a page of HTML."""

import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import memstore
import pytest
from memstore.__main__ import main
from memstore.page import chart
from memstore.page.markup import key_text
from memstore.page.samples import parse

HOSTILE = b"\xff\x00</script><img src=x onerror=alert(1)>&amp;\"'\n\xe2\x80\xae\\"
KINDS = (
    "tracking more_memory less_memory eviction ttl_too_long ttl_too_short ttl_jitter hot_keys read_once large_entries shards refused memory_pressure"
).split()
VOID = {"meta"}


class Reader(html.parser.HTMLParser):
    """Holds what was opened to what is closed, and gathers the texts."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text, self.attributes = [], [], "", []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


def read(page):
    """The page, which is held to be well-formed, to need nothing else, and to run nothing."""
    reader = Reader(page)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    assert not {"script", "img", "link", "iframe", "object", "a"} & set(reader.tags)
    assert not {name for name, _ in reader.attributes if name in ("src", "href", "style") or name.startswith("on")}
    assert "url(" not in page and "@import" not in page
    return reader


def figures(**more):
    return json.dumps({"advice": [], "curve": [], "hot_keys": [], **more})


def advice(name, **more):
    texts = {key: f"{key} of {name} <b>&" for key in ("what", "evidence", "current", "suggested", "expected")}
    return {"kind": 1, "name": name, "severity": "suggestion", "setting": f"group.{name}", **texts, **more}


@pytest.fixture(scope="module")
def used():
    """A report and metrics of a store in use."""
    settings = {"access_sample_ratio": 1, "track_operation_latency": True, "default_ttl": "1h", "lock_timeout": "10m"}
    with memstore.Store(memory_limit="2MB", **settings) as store:
        for number in range(60000):
            key = HOSTILE if number % 4 == 0 else f"user/{number * 7919 % 20000}".encode()
            if store.get(key) is None:
                store.set(key, b"x" * (number % 7 * 50))
        yield store.advise(), store.metrics_text()


def test_a_store_in_use_has_all_parts(used):
    report, metrics = used
    page = report.to_html(title="A <store> & more", metrics=metrics)
    reader = read(page)
    assert page.count("A &lt;store&gt; &amp; more") == 2
    for part in ("Advice", "Misses by memory", "Hot keys", "Sizes and times", "Memory", "Latencies"):
        assert part in reader.text
    assert "limit now: 2 MB" in reader.text and "overhead" in reader.text and "p99.9" in reader.text
    assert "size of entries" in reader.text and "set, measured calls" in reader.text
    assert "Needs" not in reader.text
    assert all(piece.evidence in reader.text for piece in report)


def test_keys_of_any_bytes_are_shown_and_run_nothing(used):
    reader = read(used[0].to_html(metrics=used[1]))
    assert r"""\xff\x00</script><img src=x onerror=alert(1)>&amp;"'\x0a\xe2\x80\xae\\""" in reader.text


@pytest.mark.parametrize(
    "key, shown",
    [(b"\xc3\xa9 \xe2\x9c\x93", "é ✓"), (b"\xff", r"\xff"), (rb"\xff", r"\\xff"), (b"\xc2\x9b", r"\xc2\x9b"), (b"", "")],
)
def test_keys_that_differ_are_shown_differently(key, shown):
    assert key_text(key) == shown


def test_the_kinds_of_advice_are_those_that_are_documented():
    text = (pathlib.Path(__file__).parents[3] / "docs" / "advice.md").read_text(encoding="utf-8")
    rows = text[text.index("| name |") :].partition("\n\n")[0]
    assert set(KINDS) == set(re.findall(r"^\| `(\w+)` ", rows, re.MULTILINE))


def test_every_kind_of_advice_is_shown():
    report = memstore.Report.from_json(figures(advice=[advice(kind) for kind in KINDS]))
    reader = read(report.to_html())
    for kind in KINDS:
        for part in ("what", "evidence", "current", "suggested", "expected"):
            assert f"{part} of {kind} <b>&" in reader.text
        assert f"group.{kind}" in reader.text


def test_advice_without_a_setting_and_of_another_severity():
    report = memstore.Report.from_json(figures(advice=[advice("hot_keys", setting="", severity='x" onload="y')]))
    reader = read(report.to_html())
    assert "Set " not in reader.text and 'x" onload="y' in reader.text


def test_texts_that_have_no_form_in_xml():
    report = memstore.Report.from_json(figures(advice=[advice("shards", what="a\x00b\ud800c\u202ed\x9be")]))
    page = report.to_html()
    assert "a\ufffdb\ufffdc\ufffdd\ufffde" in read(page).text
    page.encode()


def test_a_report_of_nothing():
    reader = read(memstore.Report.from_json(figures()).to_html())
    assert "nothing to change" in reader.text and "There are no entries" in reader.text
    with memstore.Store() as store:
        read(store.advise().to_html(metrics=store.metrics_text()))


def test_the_errors_of_hot_keys_are_shown():
    key = {"key": "k" * 64, "key_size": 100, "share": 0.25, "error": 0.1}
    reader = read(memstore.Report.from_json(figures(hot_keys=[key])).to_html())
    assert "k" * 64 + "…" in reader.text and "15.00 %" in reader.text and "25.00 %" in reader.text


def test_hot_keys_of_which_nothing_is_sure_are_left_out():
    sure = {"key": "sure", "key_size": 4, "share": 0.25, "error": 0.1}
    unsure = {"key": "by_chance", "key_size": 9, "share": 0.014, "error": 0.014}
    text = read(memstore.Report.from_json(figures(hot_keys=[sure, unsure])).to_html()).text
    assert "sure" in text and "by_chance" not in text
    text = read(memstore.Report.from_json(figures(hot_keys=[unsure])).to_html()).text
    assert "by_chance" not in text and "None gets so many more reads than others" in text


# ---- Pictures ----


def heights(svg):
    return [float(bar.get("height")) for bar in ElementTree.fromstring(svg).iter() if bar.get("class") == "bar"]


def test_a_histogram_has_the_gaps_between_its_buckets():
    bars = heights(chart.histogram("sizes", [(2, 10), (16, 5)], str))
    assert len(bars) == 4 and bars[1] == bars[2] == 0 and bars[0] == pytest.approx(2 * bars[3])


def test_latencies_are_in_the_buckets_of_the_metrics():
    counts = {"0.000000063": 1, "0.000000255": 1, "0.000001023": 4, "0.000004095": 4, "+Inf": 5}
    text = "".join(
        f'memstore_operation_duration_seconds_bucket{{operation="set",le="{bound}"}} {count}\n' for bound, count in counts.items()
    )
    text += 'memstore_operation_duration_seconds_count{operation="set"} 5\n'
    page = memstore.Report.from_json(figures()).to_html(metrics=text)
    titles = re.findall(r"<title>(\S+ \S+ to \S+ \S+: \S+ %)</title>", page)
    assert titles == [
        "16 ns to 64 ns: 20 %",
        "64 ns to 256 ns: 0 %",
        "256 ns to 1.02 µs: 60 %",
        "1.02 µs to 4.1 µs: 0 %",
        "4.1 µs to 16.4 µs: 20 %",
    ]


@pytest.mark.parametrize("least", [1, 2**20])
def test_labels_of_a_histogram_are_few(least):
    svg = chart.histogram("sizes", [(least << i, 1) for i in range(40)], str)
    assert svg.count("<text") <= 40 + chart.LABELS_MOST + 2


@pytest.mark.parametrize("buckets", [[], [(1, 0)], [(0, 1)], [(float("inf"), 1)]])
def test_a_histogram_of_nothing_is_none(buckets):
    assert chart.histogram("sizes", buckets, str) is None


def test_the_curve_stays_within_its_axes():
    svg = ElementTree.fromstring(chart.miss_ratio_curve([(1e6 * 2**i, 0.9 / 2**i) for i in range(8)], 4e6, 0.3))
    (curve,) = [part for part in svg.iter() if part.get("class") == "curve"]
    points = [tuple(map(float, point.split(","))) for point in curve.get("points").split()]
    assert all(chart.LEFT <= x <= chart.WIDTH and chart.TOP <= y <= chart.HEIGHT - chart.BOTTOM for x, y in points)
    assert points == sorted(points)
    texts = ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "limit now: 4 MB" in texts and "100 %" in texts and "10 MB" in texts


@pytest.mark.parametrize("points", [[], [(0, 1.0)], [(1e6, 0.5)], [(1e6, 0.5), (1e6, 0.5)]])
def test_a_curve_without_two_sizes_is_none(points):
    assert chart.miss_ratio_curve(points, 1e6, None) is None


# ---- Metrics ----


def test_metrics_are_read_in_both_forms():
    text = 'memstore_memory_bytes{store="a \\"b\\", {c}\\\\",kind="live"} 5\nother 3\nmemstore_entries{store="z"} 7 1234\n# EOF\n'
    assert parse(text).by("memory_bytes", "kind") == {"live": 5}
    assert parse(text, "store=z").value("entries") == 7
    assert parse(text, '"b", {c}\\').value("entries") is None
    with pytest.raises(ValueError, match="'y'.*store=z"):
        parse(text, "y")
    with pytest.raises(ValueError, match="no metrics"):
        parse("# EOF\n")


def test_a_store_without_labels_is_told_as_one():
    with pytest.raises(ValueError, match="'y'; there are: one without labels; store=z$"):
        parse('memstore_entries 1\nmemstore_entries{store="z"} 1\n', "y")


@pytest.mark.parametrize("odd", ["NaN", "+Inf", "-Inf", "1e308", "1e400", "3e15", "-5"])
def test_no_figure_is_too_odd_for_the_page(used, odd):
    report = memstore.Report.from_json(figures())
    lines = [line for line in used[1].splitlines() if re.match(r'memstore_memory_(bytes|limit)|.*operation="get"', line)]
    for i, line in enumerate(lines):
        odd_one = [*lines[:i], line.rpartition(" ")[0] + " " + odd, *lines[i + 1 :]]
        page = report.to_html(metrics="\n".join(odd_one))
        assert not re.search(r'="[^"]*\b(nan|inf)\b|(width|height)="-|\bnan\b', page), line


# ---- The command ----


def test_the_command_writes_a_page(used, tmp_path, capsys):
    (tmp_path / "a.json").write_text(used[0].to_json())
    (tmp_path / "m.prom").write_text(used[1])
    source, metrics, page = (str(tmp_path / name) for name in ("a.json", "m.prom", "page.html"))
    assert main(["report", source, "--metrics", metrics, "-o", page, "--title", "Blocks"]) == 0
    assert "Blocks" in read((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert main(["report", source]) == 0
    assert "Hot keys" in read(capsys.readouterr().out).text


@pytest.mark.parametrize(
    "advice_text, metrics_text",
    [
        (None, None),
        ("", None),
        ("[]", None),
        ('{"advice": []}', None),
        ('{"advice": [3], "curve": [], "hot_keys": []}', None),
        ('{"advice": [], "curve": [], "hot_keys": [], "sizes": [{"below": "x", "count": {}}]}', None),
        ('{"advice": [], "curve": [], "hot_keys": [], "settings": 3}', None),
        (figures(sizes=[{"below": 1e-300, "count": 1}, {"below": 1e300, "count": 1}]), None),
        ("[" * 100_000, None),
        ('{"advice": ' + '{"a": ' * 100_000, None),
        (figures(), "nothing"),
        ('{"advice": [], "curve": [], "hot_keys": [], "settings": 3}', "memstore_entries 1\n"),
        ("\ud800", None),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_code_1(tmp_path, capsys, advice_text, metrics_text):
    path = tmp_path / "a.json"
    arguments = ["report", str(path), "-o", str(tmp_path / "page.html")]
    if advice_text is not None:
        path.write_bytes(advice_text.encode("utf-8", "surrogatepass"))
    if metrics_text is not None:
        (tmp_path / "m").write_text(metrics_text)
        arguments += ["--metrics", str(tmp_path / "m")]
    assert main(arguments) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith("memstore: ") and complaint.count("\n") == 1 and str(tmp_path) in complaint
    assert not (tmp_path / "page.html").exists()


def test_a_page_is_utf_8_wherever_it_is_written(used, tmp_path):
    advice = tmp_path / "advice.json"
    advice.write_text(used[0].to_json(), encoding="utf-8")
    command = [sys.executable, "-m", "memstore", "report", advice, "--title", b"Bl\xc3\xb6cke \xff"]
    for encoding in ("latin-1", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
        done = subprocess.run(command, capture_output=True, env=environment, timeout=300, check=True)
        assert "Blöcke \ufffd" in done.stdout.decode() and b'charset="utf-8"' in done.stdout
    subprocess.run([*command, "-o", tmp_path / "page.html"], timeout=300, check=True)
    assert (tmp_path / "page.html").read_bytes() == done.stdout


def test_a_file_of_bytes_is_not_repeated(tmp_path, capsys):
    path = tmp_path / "a.snapshot"
    path.write_bytes(b"\xff" * 100_000)
    assert main(["report", str(path)]) == 1
    assert len(capsys.readouterr().err) < 300 + len(str(path))
