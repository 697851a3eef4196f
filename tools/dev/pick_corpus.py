#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Picks the inputs of a fuzzer that are worth committing.

usage: pick_corpus.py CONTROL_FILE CORPUS

CONTROL_FILE is what libFuzzer's merge writes (-merge_control_file): the inputs, and which features
each of them reaches. The folder CORPUS afterwards holds the inputs that reach the most between
them, the best first, until nothing is added or it is full. Files are named by their content;
those in CORPUS that somebody has named otherwise stay.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

MOST_FILES = 150
MOST_BYTES = 180_000


@dataclass
class Unit:
    content: bytes
    edges: set[int] = field(default_factory=set)
    features: set[int] = field(default_factory=set)


def read_control_file(path: Path) -> list[Unit]:
    """Two numbers (files, files of the first corpus), names, then lines of what each reaches."""
    lines = path.read_text(errors="surrogateescape").splitlines()
    count = int(lines[0])
    units = [Unit(Path(name).read_bytes()) for name in lines[2 : 2 + count]]
    for line in lines[2 + count :]:
        word, _, rest = line.partition(" ")
        if word not in ("COV", "FT"):
            continue
        index, *numbers = (int(number) for number in rest.split())
        unit = units[index]
        (unit.edges if word == "COV" else unit.features).update(numbers)
    return units


def pick(units: list[Unit]) -> list[Unit]:
    """Greedily, by edges first; of two that add as much the smaller."""
    picked: list[Unit] = []
    size = 0
    for reach in ("edges", "features"):
        reached: set[int] = set()
        for unit in picked:
            reached |= getattr(unit, reach)
        left = [unit for unit in units if not any(unit is other for other in picked)]
        while left and len(picked) < MOST_FILES:
            best = max(left, key=lambda u: (len(getattr(u, reach) - reached), -len(u.content)))
            if not getattr(best, reach) - reached:
                break
            left.remove(best)
            if size + len(best.content) > MOST_BYTES:
                continue
            picked.append(best)
            size += len(best.content)
            reached |= getattr(best, reach)
    return picked


def main() -> None:
    control, corpus = Path(sys.argv[1]), Path(sys.argv[2])
    # Read before the folder is emptied, in which some of them lie.
    picked = pick(read_control_file(control))
    if not picked:
        sys.exit(f"pick_corpus.py: {control} names no input that reaches anything")
    for old in corpus.iterdir():
        if re.fullmatch("[0-9a-f]{40}", old.name):
            old.unlink()
    for unit in picked:
        (corpus / hashlib.sha1(unit.content).hexdigest()).write_bytes(unit.content)
    print(f"{corpus}: {len(picked)} inputs, {sum(len(unit.content) for unit in picked)} bytes")


if __name__ == "__main__":
    main()
