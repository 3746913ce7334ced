#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Describe traces of a vault service side by side, and fit the generator's parameters to each.

usage: fit_ledger.py TRACE...

TRACE is an MSTRACE1 file, zstd-compressed (read through the command `zstd`) or not. The first
column is usually a recorded trace, the others what `ledger_write --mix vault --format trace` wrote.
See ledger.md for what the lines mean.
"""

import collections
import itertools
import math
import pathlib
import struct
import subprocess
import sys

HEADER = struct.Struct("<8sQII")
RECORD = struct.Struct("<QI")


def read_keys(path):
    data = pathlib.Path(path).read_bytes()
    if data[:4] == b"\x28\xb5\x2f\xfd":
        data = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    if len(data) < HEADER.size or not data.startswith(b"MSTRACE1"):
        sys.exit(f"fit_ledger.py: {path}: not an MSTRACE1 file")
    count = HEADER.unpack_from(data)[1]
    if len(data) != HEADER.size + count * RECORD.size:
        sys.exit(f"fit_ledger.py: {path}: the header announces {count} records, the size does not fit")
    return [key for key, _ in RECORD.iter_unpack(data[HEADER.size :])]


def classify(keys):
    """A letter for each request: o = the key's only one, F = its first of several, S = a later one."""
    counts = collections.Counter(keys)
    seen = set()
    letters = []
    for key in keys:
        letters.append("o" if counts[key] == 1 else "S" if key in seen else "F")
        seen.add(key)
    return "".join(letters)


def gaps(keys):
    """Requests between two of the same key, sorted."""
    last = {}
    found = []
    for index, key in enumerate(keys):
        if key in last:
            found.append(index - last[key])
        last[key] = index
    return sorted(found)


def quantile(values, share):
    return values[round(share * (len(values) - 1))] if values else 0


class Walk:
    """Goes through a trace as the generator makes one: issues and settlements, and what waits before each."""

    def __init__(self, keys, letters):
        self.decisions = (
            collections.Counter()
        )  # (last was issue, waiting, age of the oldest, issued) -> how often
        self.ranks = collections.Counter()  # how many older states a settlement passed over
        self.settlements = collections.Counter()  # states taken at once
        self.waiting_sum = self.waiting_most = 0
        waiting = []
        after_issue = False
        index = 0
        while index < len(keys):
            issues = letters[index] == "F"
            if waiting:
                self.decisions[after_issue, len(waiting), index - waiting[0][0], issues] += 1
            after_issue = issues
            if issues:
                waiting.append((index, keys[index]))
                end = index + 1
            else:
                end = self.settle(keys, letters, index, waiting)
            self.waiting_sum += len(waiting) * (end - index)
            self.waiting_most = max(self.waiting_most, len(waiting))
            index = end

    def settle(self, keys, letters, index, waiting):
        end = index
        while end < len(keys) and letters[end] == "o":
            end += 1
        identifiers = end - index
        taken = 0
        while end < len(keys) and letters[end] == "S" and taken < max(identifiers, 1):
            rank = next((r for r, (_, key) in enumerate(waiting) if key == keys[end]), None)
            if rank is not None:
                self.ranks[rank] += 1
                del waiting[rank]
            taken += 1
            end += 1
        self.settlements[taken] += 1
        return end


def solve(matrix, vector):
    """Gaussian elimination of a small system."""
    rows = [row[:] + [value] for row, value in zip(matrix, vector)]
    size = len(rows)
    for pivot in range(size):
        best = max(range(pivot, size), key=lambda row: abs(rows[row][pivot]))
        rows[pivot], rows[best] = rows[best], rows[pivot]
        for row in range(size):
            if row != pivot:
                factor = rows[row][pivot] / rows[pivot][pivot]
                rows[row] = [value - factor * above for value, above in zip(rows[row], rows[pivot])]
    return [rows[row][size] / rows[row][row] for row in range(size)]


def fit_issue(decisions):
    """Logistic regression, by Newton's method: constants after an issue and a settlement, slopes of waiting and age."""
    weights = [0.0] * 4
    for _ in range(25):
        gradient = [0.0] * 4
        curvature = [[0.0] * 4 for _ in range(4)]
        for (after_issue, waiting, age, issued), count in decisions.items():
            features = (float(after_issue), float(not after_issue), waiting, age)
            chance = 1 / (1 + math.exp(-sum(w * x for w, x in zip(weights, features))))
            for i, x in enumerate(features):
                gradient[i] += count * (issued - chance) * x
                for j, y in enumerate(features):
                    curvature[i][j] += count * chance * (1 - chance) * x * y
        weights = [w + step for w, step in zip(weights, solve(curvature, gradient))]
    return weights


def describe(path):
    keys = read_keys(path)
    letters = classify(keys)
    counts = collections.Counter(collections.Counter(keys).values())
    distinct = sum(counts.values())
    between = gaps(keys)
    runs = collections.Counter(
        len(list(group)) for letter, group in itertools.groupby(letters) if letter == "F"
    )
    walk = Walk(keys, letters)
    weights = fit_issue(walk.decisions)
    settled = sum(walk.settlements.values())
    return {
        "requests": f"{len(keys):,}",
        "keys": f"{distinct:,}",
        "keys requested once": f"{100 * counts[1] / distinct:.1f} %",
        "most requests of a key": f"{max(counts)}",
        **{
            f"gap to the second request, {share:g} %": f"{quantile(between, share / 100)}"
            for share in (1, 5, 25, 50, 75, 95, 99)
        },
        "second requests 20 to 50 later": f"{100 * sum(20 <= gap <= 50 for gap in between) / max(len(between), 1):.1f} %",
        "states waiting, mean": f"{walk.waiting_sum / len(keys):.1f}",
        "states waiting, most": f"{walk.waiting_most}",
        "issues in a row, mean": f"{sum(n * c for n, c in runs.items()) / max(sum(runs.values()), 1):.2f}",
        **{
            f"issues in a row, {n}": f"{100 * runs[n] / max(sum(runs.values()), 1):.1f} %"
            for n in (1, 2, 4, 8)
        },
        "fit: issue after an issue": f"{weights[0]:.3f}",
        "fit: issue after a settlement": f"{weights[1]:.3f}",
        "fit: for each state waiting": f"{weights[2]:.4f}",
        "fit: for each request of age": f"{weights[3]:.4f}",
        "fit: pass over a waiting state": f"{1 - walk.ranks[0] / max(sum(walk.ranks.values()), 1):.3f}",
        "fit: settlements of two": f"{walk.settlements[2] / settled:.4f}",
    }


def main():
    paths = sys.argv[1:]
    if not paths or paths[0].startswith("-"):
        sys.exit(__doc__)
    columns = [describe(path) for path in paths]
    names = [pathlib.PurePath(path).name.removesuffix(".zst").removesuffix(".mst") for path in paths]
    print("| |" + "".join(f" {name} |" for name in names))
    print("|---|" + "--:|" * len(names))
    for line in columns[0]:
        print(f"| {line} |" + "".join(f" {column[line]} |" for column in columns))


if __name__ == "__main__":
    main()
