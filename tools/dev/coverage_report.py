#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the line coverage of each layer from gcovr's JSON, and fails below the promise.

usage: coverage_report.py COVERAGE_JSON
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROMISED = ("call", "core", "wire", "transport", "agent")
LEAST_PERCENT = 90.0
FILES_SHOWN = 15


@dataclass
class Lines:
    reached: int = 0
    all: int = 0

    def add(self, other: Lines) -> None:
        self.reached += other.reached
        self.all += other.all

    @property
    def percent(self) -> float:
        return 100.0 * self.reached / self.all if self.all else 0.0


def layer_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "plugins" else parts[1]


def read(path: Path) -> tuple[dict[str, Lines], dict[str, list[int]]]:
    """Of each file the count, and the lines that nothing reaches."""
    counts: dict[str, Lines] = {}
    missed: dict[str, list[int]] = {}
    for file in json.loads(path.read_text())["files"]:
        lines: dict[int, int] = defaultdict(int)
        for line in file["lines"]:
            if not line.get("gcovr/excluded") and not line.get("gcovr/noncode"):
                lines[line["line_number"]] += line["count"]
        missed[file["file"]] = sorted(number for number, count in lines.items() if count == 0)
        counts[file["file"]] = Lines(len(lines) - len(missed[file["file"]]), len(lines))
    return counts, missed


def ranges(numbers: list[int]) -> str:
    """[3, 4, 5, 9] -> "3-5 9"."""
    texts: list[str] = []
    start = 0
    for i, number in enumerate(numbers):
        if i + 1 < len(numbers) and numbers[i + 1] == number + 1:
            continue
        texts.append(str(number) if start == i else f"{numbers[start]}-{number}")
        start = i + 1
    return " ".join(texts)


def main() -> None:
    counts, missed = read(Path(sys.argv[1]))
    layers: dict[str, Lines] = defaultdict(Lines)
    for file, lines in counts.items():
        layers[layer_of(file)].add(lines)
    total = Lines()
    for name in PROMISED:
        total.add(layers[name])

    print(f"{'layer':<18} {'lines':>7} {'reached':>8} {'percent':>8}")
    for name in sorted(layers):
        mark = "" if name not in PROMISED or layers[name].percent >= LEAST_PERCENT else "  below 90"
        lines = layers[name]
        print(f"{name:<18} {lines.all:>7} {lines.reached:>8} {lines.percent:>7.1f}%{mark}")
    title = "those promised"
    print(f"{title:<18} {total.all:>7} {total.reached:>8} {total.percent:>7.1f}%")

    print("\nlines that no test reaches, by file:")
    for file in sorted(missed, key=lambda name: -len(missed[name]))[:FILES_SHOWN]:
        if missed[file]:
            percent = counts[file].percent
            print(f"{len(missed[file]):>5} {percent:>5.1f}%  {file}: {ranges(missed[file])[:90]}")

    low = [name for name in PROMISED if layers[name].percent < LEAST_PERCENT]
    if low:
        sys.exit(f"coverage: below {LEAST_PERCENT:.0f} %: {', '.join(low)}")


if __name__ == "__main__":
    main()
