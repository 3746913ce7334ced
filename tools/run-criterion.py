#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run a Criterion program and report its tests as TAP on stdout, its own output on stderr.

usage: run-criterion.py PROGRAM [ARGUMENT...]

Criterion's `--tap=-` throws the output of the tests away, and with it what the sanitizers say: a leak is found when a test's
process ends, after Criterion has called the test passed. Here such a report is a failed test of its own, and so is a program
that ends before it has reported all the tests of its plan. A program that stands still is ended, and the test that it stands in
is named: Criterion's own `--timeout` ends nothing (2.4.1).
"""

import os
import re
import signal
import subprocess
import sys
import tempfile

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ")
PLAN = re.compile(r"^1\.\.(\d+)")
RESULT = re.compile(r"^(not )?ok\b")
BEGUN = re.compile(r"\[RUN \] (\S+)")
# In seconds, for a program: less than meson gives it. The slowest take a third of it under a sanitizer.
TIMEOUT = 500
REPORT_LINES = 24


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


def run(command):
    """What the command writes, how it ended, and whether it had to be ended: with all the processes it has begun."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
            stands = False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            stands = True
    return output.decode("utf-8", errors="replace"), process.returncode, stands


def main():
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8", errors="replace", suffix=".tap") as tap:
        command = [sys.argv[1], "-j1", "--verbose", "--tap=" + tap.name, *sys.argv[2:]]
        output, code, stands = run(command)
        planned, results = results_of(tap.read())

    failed = sum(lines[0].startswith("not ok") for lines in results)
    report = SANITIZER.search(output)
    # What a test that failed did not free is no leak of the library's.
    if report and not (failed and report.group().endswith("LeakSanitizer")):
        lines = output[output.rfind("\n", 0, report.start()) + 1 :].splitlines()[:REPORT_LINES]
        results.append(["not ok - sanitizer report, the first of these", *("# " + line for line in lines)])
        failed += 1
    if stands:
        begun = BEGUN.findall(output) or ["no test"]
        results.append([f"not ok - {begun[-1]} had not ended when the program had run for {TIMEOUT} s"])
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
