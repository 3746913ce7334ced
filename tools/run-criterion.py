#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run a Criterion program and report its tests as TAP on stdout, its own output on stderr.

usage: run-criterion.py [--part K/N] PROGRAM [ARGUMENT...]

With --part only each Nth of the program's suites is run, from the Kth on, so that N such runs side by side are all of it.

Criterion's `--tap=-` throws the output of the tests away, and with it what the sanitizers say: a leak is found when a test's
process ends, after Criterion has called the test passed. Here such a report is a failed test of its own, and so is a program
that ends before it has reported all the tests of its plan. A program that stands still in a test is ended, and that test is
named: Criterion's own `--timeout` ends nothing (2.4.1). It would have written its TAP at its end, so the results of the tests
before that one are taken from what it said about each.

Criterion 2.4.1 now and then waits for ever for a message of a test's process that has ended, before it has said how. Where none of
its tests has been running for a while, the program is run again, once.
"""

import argparse
import enum
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ")
PLAN = re.compile(r"^1\.\.(\d+)")
RESULT = re.compile(r"^(not )?ok\b")
SUITE = re.compile(r"^(\w+): \d+ tests?$", re.MULTILINE)
RESULT_OF_SUITE = re.compile(r"^(?:not )?ok - (\w+)::")
RUN = b"[RUN ] "
BEGUN = re.compile(r"\[RUN \] (\S+)")
ENDED = re.compile(r"\[(PASS|FAIL|SKIP)\] (\w+::\w+)(?:: (.*))?")
# In seconds, for a test, however many a program has: meson bounds these.
TIMEOUT = 300
LOOK_EVERY = 1
# How long a program that runs none of its tests is waited for: what it does itself takes milliseconds.
LOST_AFTER = 20
REPORT_LINES = 24


def part_of(text):
    """K/N as the two numbers."""
    which, _, parts = text.partition("/")
    if not 1 <= int(which) <= int(parts):
        raise ValueError(text)
    return int(which), int(parts)


def suites_of(program, which, parts):
    """Each so many of the suites that the program lists."""
    listed = subprocess.run([program, "--list"], stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    return sorted(SUITE.findall(listed))[which - 1 :: parts]


def results_of(tap):
    """The lines of each result, and how many results the plan announced."""
    planned = 0
    results = []
    for line in tap.splitlines():
        plan = PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
        elif RESULT.match(line):
            results.append([line])
        elif results:
            results[-1].append(line)
    return planned, results


def results_told(output):
    """The results of the tests that ended, from the program's own output."""
    for how, test, what in ENDED.findall(output):
        if how == "FAIL":
            yield [f"not ok - {test}  {what}"]
        else:
            yield [f"ok - {test}  {'# SKIP ' if how == 'SKIP' else ''}{what}"]


def tests_run(program):
    """Whether a child of the program lives: Criterion runs each test in one, a session of its own."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has ended meanwhile
        if int(parent) == program and state != "Z":
            return True
    return False


class Ending(enum.Enum):
    """How a program came to its end."""

    BY_ITSELF = 0
    STOOD = 1
    LOST_A_TEST = 2


def run(command):
    """What the command writes, its exit code, and how it ended: with all the processes it has begun."""
    output = bytearray()
    begun = 0
    last_begun = last_test = looked = time.monotonic()
    ending = Ending.BY_ITSELF
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        while ending == Ending.BY_ITSELF:
            if select.select([process.stdout], [], [], LOOK_EVERY)[0]:
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    break
                output += piece
            now = time.monotonic()
            if now - looked < LOOK_EVERY:
                continue
            looked = now
            if output.count(RUN) != begun:
                begun = output.count(RUN)
                last_begun = now
            if tests_run(process.pid):
                last_test = now
            if now - last_begun > TIMEOUT:
                ending = Ending.STOOD
            elif now - last_test > LOST_AFTER:
                ending = Ending.LOST_A_TEST
        if ending != Ending.BY_ITSELF:
            os.killpg(process.pid, signal.SIGKILL)
    return output.decode("utf-8", errors="replace"), process.returncode, ending


def run_tests(arguments):
    """What the program writes, its exit code, how it ended, and its results as TAP."""
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8", errors="replace", suffix=".tap") as tap:
        output, code, ending = run([arguments[0], "-j1", "--verbose", "--tap=" + tap.name, *arguments[1:]])
        return output, code, ending, tap.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", type=part_of)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command
    if options.part:
        suites = suites_of(command[0], *options.part)
        command = [*command, "--filter", f"@({'|'.join(suites)})/*"]

    output, code, ending, tap = run_tests(command)
    if ending == Ending.LOST_A_TEST and not SANITIZER.search(output):
        sys.stderr.write(f"{output}\nCriterion has lost the end of a test: once more\n")
        output, code, ending, tap = run_tests(command)
    planned, results = results_of(tap)
    if ending != Ending.BY_ITSELF:
        results = list(results_told(output))
        planned = len(results)
    if options.part and len(results) == planned:
        # Criterion reports the tests of other suites, too: as skipped.
        results = [lines for lines in results if RESULT_OF_SUITE.match(lines[0]).group(1) in suites]
        planned = len(results)

    failed = sum(lines[0].startswith("not ok") for lines in results)
    report = SANITIZER.search(output)
    # What a test that failed did not free is no leak of the library's.
    if report and not (failed and report.group().endswith("LeakSanitizer")):
        lines = output[output.rfind("\n", 0, report.start()) + 1 :].splitlines()[:REPORT_LINES]
        results.append(["not ok - sanitizer report, the first of these", *("# " + line for line in lines)])
        failed += 1
    if ending == Ending.LOST_A_TEST:
        results.append([f"not ok - no test had been running for {LOST_AFTER} s when the program was ended, twice"])
    elif ending == Ending.STOOD:
        begun = BEGUN.findall(output) or ["no test"]
        results.append([f"not ok - {begun[-1]} had not ended after {TIMEOUT} s"])
    elif len(results) < planned or planned == 0:
        results.append([f"not ok - ended with code {code} after {len(results)} of {planned} tests"])
    elif code != 0 and failed == 0:
        results.append([f"not ok - ended with code {code}"])

    sys.stderr.write(output)
    print("TAP version 13")
    print(f"1..{len(results)}")
    for lines in results:
        print("\n".join(lines))
    return 1 if any(lines[0].startswith("not ok") for lines in results) else 0


if __name__ == "__main__":
    sys.exit(main())
