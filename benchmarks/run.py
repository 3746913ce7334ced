#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run every benchmark in under ten minutes, write results/<date>-<host>.md and .json, and draw them.

The text has each benchmark's command and output; the JSON has the same commands with their results
in full. Both begin with what ran where: commit, processor, memory, kernel, compiler, build options,
load. On a machine that others use too (a load average above 1 at the start) the roofline counts
processor time instead of elapsed time, and says so.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

import plot_bench

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUSY_LOAD = 1.0


def output_of(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip()


def proc_value(path, name):
    """The first value of a "name : value" line of a file under /proc."""
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def build_options(build):
    """What Meson says the programs were built with."""
    try:
        compiler = json.loads((build / "meson-info/intro-compilers.json").read_text(encoding="utf-8"))[
            "host"
        ]["c"]
        options = json.loads((build / "meson-info/intro-buildoptions.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return "unknown", "unknown"
    wanted = {option["name"]: option["value"] for option in options}
    chosen = " ".join(
        f"{name}={wanted.get(name)}"
        for name in ("buildtype", "optimization", "b_lto", "b_sanitize", "b_ndebug")
    )
    return compiler.get("full_version") or f"{compiler.get('id')} {compiler.get('version')}", chosen


def environment(build):
    compiler, options = build_options(build)
    changed = output_of("git", "-C", str(ROOT), "status", "--porcelain")
    commit = output_of("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD") or "none"
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "host": platform.node(),
        "commit": commit + (" with changes" if changed else ""),
        "processor": f"{proc_value('/proc/cpuinfo', 'model name')}, {os.cpu_count()} in use",
        "cache": proc_value("/proc/cpuinfo", "cache size"),
        "memory": proc_value("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "huge_pages": (
            pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(encoding="utf-8").strip()
            if pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").exists()
            else "absent"
        ),
        "compiler": compiler,
        "build": options,
        "load_average_at_start": os.getloadavg()[0],
    }


def run_for(command, seconds):
    """Run a command, ending it and all it started after this long: its output, and how it ended."""
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
    except OSError as problem:
        return "", f"not run: {problem}"
    try:
        text, _ = process.communicate(timeout=seconds)
        return text, f"status {process.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        return text, f"stopped after {seconds} s"


class Step:
    """A benchmark: its command, with {json} standing for the file it writes its results to."""

    def __init__(self, name, what, command, seconds):
        self.name, self.what, self.command, self.seconds = (
            name,
            what,
            [str(part) for part in command],
            seconds,
        )

    def shown(self):
        parts = [part for part in self.command if "{json}" not in part]
        beside = ROOT.parent  # what lies there is told as seen from here, not by where this machine has it
        return " ".join(
            os.path.relpath(part, ROOT) if pathlib.Path(part).is_relative_to(beside) else part for part in parts
        )

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.json"
            command = [part.replace("{json}", str(path)) for part in self.command]
            started = time.monotonic()
            text, status = run_for(command, self.seconds)
            results = None
            if path.exists():
                try:
                    results = json.loads(path.read_text(encoding="utf-8"))
                except ValueError:
                    results = None
        return {
            "name": self.name,
            "what": self.what,
            "command": self.shown(),
            "status": status,
            "seconds": round(time.monotonic() - started, 1),
            "output": text.rstrip(),
            "results": results,
        }


def steps(build, traces, busy):
    programs = build / "benchmarks"
    clock = ["--cpu-time"] if busy else []
    found = [
        Step(
            "roofline, huge pages",
            "the store beside the minimal two-miss loop, in turn",
            [programs / "bench_roofline", "--pages", "huge", "--rounds", "5", *clock, "--json={json}"],
            150,
        ),
        Step(
            "roofline, 4 KiB pages",
            "the same, reads only",
            [
                programs / "bench_roofline",
                "--pages",
                "4k",
                "--rounds",
                "5",
                "--reads-only",
                *clock,
                "--json={json}",
            ],
            90,
        ),
        Step(
            "memory",
            "bytes above key and value, an empty store, expiry, churn at the limit",
            [programs / "bench_memory", "--seconds", "15", "--json={json}"],
            90,
        ),
        Step(
            "tracking",
            "what measuring latencies and following keys add to a call, by turns, in the processor's caches",
            [
                programs / "bench_tracking",
                "--entries",
                "500",
                "--calls",
                "100000",
                "--rounds",
                "31",
                "--json={json}",
            ],
            60,
        ),
        Step(
            "tails",
            "how long single calls take at the limit, beside what interrupts a loop that calls nothing",
            [programs / "bench_smoothness", "--seconds", "15", "--json={json}"],
            90,
        ),
        Step(
            "growth",
            "what calls cost with more entries, larger values, more shards, more threads",
            [programs / "bench_growth", "--most", "1000000", "--json={json}"],
            120,
        ),
        Step(
            "ledger",
            "a generated ledger node's requests at several limits",
            [
                programs / "replay",
                "--generate",
                "ledger",
                "--budget",
                "1%,5%,10%,20%",
                "--eviction",
                "adaptive,s3fifo,lru,fifo",
                "--quiet",
                "--json={json}",
            ],
            60,
        ),
        Step(
            "ledger, 2 threads",
            "the same on two threads",
            [programs / "replay", "--generate", "ledger", "--threads", "2", "--quiet", "--json={json}"],
            30,
        ),
        Step(
            "eviction",
            "miss ratios on public traces beside the reference",
            [
                sys.executable,
                HERE / "eviction/bench_eviction.py",
                "--replay",
                programs / "replay",
                *(["--traces", traces] if traces else []),
                "--seconds",
                "210",
                "--json={json}",
            ],
            330,
        ),
    ]
    return found


def write_text(path, about, records):
    lines = [f"# Benchmarks, {about['date'][:10]}, {about['host']}", "", "| | |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {value} |" for name, value in about.items()]
    for record in records:
        lines += [
            "",
            f"## {record['name']}",
            "",
            f"{record['what'][0].upper()}{record['what'][1:]}. {record['seconds']} s, "
            f"{record['status']}.",
            "",
            f"    {record['command']}",
            "",
            "```",
            record["output"],
            "```",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="the build folder")
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results", help="where to write")
    parser.add_argument("--pictures", type=pathlib.Path, default=ROOT / "docs/images", help="where to draw")
    parser.add_argument("--traces", type=pathlib.Path, help="folder of the public traces")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="only steps whose name has this in it"
    )
    arguments = parser.parse_args()

    about = environment(arguments.build)
    busy = about["load_average_at_start"] > BUSY_LOAD
    records = []
    for step in steps(arguments.build.resolve(), arguments.traces, busy):
        if arguments.only and not any(part in step.name for part in arguments.only):
            continue
        print(f"== {step.name}: {step.shown()}", flush=True)
        record = step.run()
        print(record["output"], flush=True)
        print(f"({record['seconds']} s, {record['status']})", flush=True)
        records.append(record)
    about["load_average_at_end"] = os.getloadavg()[0]

    arguments.results.mkdir(parents=True, exist_ok=True)
    stem = arguments.results / f"{about['date'][:10]}-{about['host']}"
    written = [stem.with_name(f"{stem.name}.{kind}") for kind in ("md", "json")]
    write_text(written[0], about, records)
    full = {
        "environment": about,
        "steps": [{key: record[key] for key in record if key != "output"} for record in records],
    }
    written[1].write_text(json.dumps(full, indent=1) + "\n", encoding="utf-8")
    try:
        drawn = plot_bench.draw_all(full, arguments.pictures)
    except ImportError as problem:
        drawn = []
        print(f"nothing drawn: {problem}")
    print("written:", *(os.path.relpath(path, ROOT) for path in (*written, *drawn)))
    if any(not record["status"].startswith("status") for record in records):
        sys.exit(1)


if __name__ == "__main__":
    main()
