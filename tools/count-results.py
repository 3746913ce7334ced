#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count the tests of a suite from what its runner wrote.

usage: count-results.py FORMAT EXIT_CODE FILE

FORMAT is `meson` (a testlog.json: programs, and TAP inside of them), `tap`, `junit` (pytest) or `go` (go test -json).
Prints "PASSED FAILED SKIPPED" on the first line, then each test that failed with the end of what it said.

A runner that failed without naming a failed test, and a suite without a single result, count as one failure: silence is not
success. Skipped tests are neither passed nor failed.
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

TAP_RESULT = re.compile(r"^(?P<bad>not )?ok\b\s*\d*\s*-?\s*(?P<name>[^#\n]*)(?P<directive>#\s*(?:SKIP|TODO)\b)?", re.IGNORECASE)
TAP_PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)


DETAIL_LINES = 30
SANITIZER = re.compile(r"^.*(?:(?:ERROR|WARNING): \w+Sanitizer|: runtime error: )", re.MULTILINE)


def essence(text):
    """The lines to show of what a failed test said: a sanitizer's report from its beginning, else the end."""
    report = SANITIZER.search(text)
    if report:
        return text[report.start() :].splitlines()[:DETAIL_LINES]
    return text.rstrip().splitlines()[-DETAIL_LINES:]


class Count:
    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failures = []  # (name, what it said)

    def add(self, outcome, name, detail=""):
        if outcome == "pass":
            self.passed += 1
        elif outcome == "skip":
            self.skipped += 1
        else:
            self.failures.append((name, detail))

    def show(self):
        print(self.passed, len(self.failures), self.skipped)
        for name, detail in self.failures:
            print("FAILED ", name)
            for line in essence(detail):
                print("    |", line)


def count_tap(count, program, text):
    """The tests of one program; False when the report breaks off before its plan is met."""
    results = []  # (outcome, name, lines that follow)
    for line in text.splitlines():
        match = TAP_RESULT.match(line)
        if match:
            outcome = "skip" if match["directive"] else "fail" if match["bad"] else "pass"
            results.append((outcome, f"{program}: {match['name'].strip()}".removeprefix(": "), []))
        elif results:
            results[-1][2].append(line)
    for outcome, name, lines in results:
        count.add(outcome, name, "\n".join(lines))
    plan = TAP_PLAN.search(text)
    return plan is not None and len(results) == int(plan.group(1))


def count_meson(path):
    count = Count()
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        name, result = test["name"], test["result"]
        stdout = test.get("stdout") or ""
        said = stdout + (test.get("stderr") or "")
        if stdout.startswith("TAP version"):
            before = len(count.failures)
            complete = count_tap(count, name, stdout)
            if not complete or (result not in ("OK", "SKIP") and len(count.failures) == before):
                count.add("fail", f"{name}: {result}, with an incomplete report", said)
        elif result == "OK":
            count.add("pass", name)
        elif result == "SKIP":
            count.add("skip", name)
        else:
            count.add("fail", f"{name}: {result}", said)
    return count


def count_one_tap(path):
    count = Count()
    if not count_tap(count, "", pathlib.Path(path).read_text(encoding="utf-8")):
        count.add("fail", "the report is incomplete")
    return count


def count_junit(path):
    count = Count()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        problems = [*case.iter("failure"), *case.iter("error")]
        if problems:
            count.add("fail", name, "\n".join(problem.text or "" for problem in problems))
        else:
            count.add("skip" if case.find("skipped") is not None else "pass", name)
    return count


def count_go(path):
    """Tests without subtests of their own; a package that fails outside of its tests (it does not build) is one failure."""
    outcomes = {}
    packages = {}
    said = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        package = event.get("Package", event.get("ImportPath", ""))
        where = (package, event.get("Test"))
        said[where] = said.get(where, "") + event.get("Output", "")
        if event.get("Action") not in ("pass", "fail", "skip"):
            continue
        if "Test" in event:
            outcomes[package, event["Test"]] = event["Action"]
        else:
            packages[package] = event["Action"]

    parents = {(package, test.rsplit("/", 1)[0]) for package, test in outcomes if "/" in test}
    count = Count()
    for (package, test), outcome in outcomes.items():
        # A parent that fails while all its subtests pass has failed by itself.
        own_failure = outcome == "fail" and not any(
            other == "fail" for (p, t), other in outcomes.items() if p == package and t.startswith(test + "/")
        )
        if (package, test) not in parents or own_failure:
            count.add(outcome, f"{package} {test}", said[package, test])
    for package, outcome in packages.items():
        if outcome == "fail" and not any(p == package and o == "fail" for (p, _), o in outcomes.items()):
            # What the compiler said is filed under the import path of the package's test program.
            compiler = "".join(text for (p, _), text in said.items() if p.split(" ")[0].removesuffix(".test") == package)
            count.add("fail", f"{package} (the package itself)", compiler)
    return count


COUNTERS = {"meson": count_meson, "tap": count_one_tap, "junit": count_junit, "go": count_go}


def main():
    file_format, exit_code, path = sys.argv[1:]
    try:
        count = COUNTERS[file_format](path)
    except (OSError, ValueError, KeyError, xml.etree.ElementTree.ParseError) as error:
        count = Count()
        count.add("fail", f"no readable results: {error}")
    if int(exit_code) != 0 and not count.failures:
        count.add("fail", f"the runner ended with code {exit_code}")
    if count.passed + count.skipped + len(count.failures) == 0:
        count.add("fail", "no tests ran")
    count.show()


if __name__ == "__main__":
    main()
