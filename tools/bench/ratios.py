# SPDX-License-Identifier: Apache-2.0
"""The regression check: a few figures as ratios to their controls, none of them a time, beside the
committed ones of bench/ratios.json. Less is better in all of them."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from programs import BenchError, Build, Json, running_agent

# A ratio of so much of the committed one is a slowdown. Less would be noise on a machine that
# others use as well.
FAILS_AT = 1.5
PIPELINED_AT_LEAST = 8  # times the blocking calls
REPETITIONS = "9"
IN_PLACE = 'shared_input = "in_place"'

Ratios = dict[str, float]
Measure = Callable[[Build], Ratios]


def in_process(build: Build) -> Ratios:
    seen = build.measure("--op", "noop", "--seconds", "0.5")
    return {"no-op in process / two atomic operations": seen["ratio_atomics"]}


def placed(seen: Json, name: str) -> Ratios:
    found = {f"{name}, one core / raw": seen["ratio_p50_same_core"]}
    if seen["ratio_p50_two_cores"] is not None:
        found[f"{name}, two cores / raw"] = seen["ratio_p50_two_cores"]
    return {what: value for what, value in found.items() if value is not None}


def round_trip(build: Build, size: str, *more: str) -> Json:
    with running_agent(build, "noop", listen=IN_PLACE) as agent:
        return build.measure(
            *(
                "--at",
                agent.address,
                "--bytes",
                size,
                "--seconds",
                "1",
                "--blocks",
                REPETITIONS,
                *more,
            )
        )


def small(build: Build) -> Ratios:
    return placed(round_trip(build, "64"), "64 B")


def large(build: Build) -> Ratios:
    return placed(round_trip(build, "602112"), "600 KB")


def shared(build: Build) -> Ratios:
    return placed(round_trip(build, "602112", "--memory", "region"), "600 KB in place")


def pipelined(build: Build) -> Ratios:
    """Each side on a core of its own. Far from what is promised the ratio scatters by more than a
    slowdown; one that falls below the promise fails."""
    if len(os.sched_getaffinity(0)) < 2:
        return {}
    seen = round_trip(build, "64", "--depth", "64")
    least = 1 / (PIPELINED_AT_LEAST * FAILS_AT)
    return {"blocking calls a second / 64 under way": max(least, 1 / seen["ratio_rate"])}


MEASURES: dict[str, Measure] = {
    "in_process": in_process,
    "small": small,
    "large": large,
    "shared": shared,
    "pipelined": pipelined,
}


def measure(build: Build, names: Iterable[str]) -> dict[str, Ratios]:
    return {name: MEASURES[name](build) for name in names}


def slow(seen: Ratios, committed: Ratios) -> list[str]:
    """The names whose ratio is that of a slowdown. What one of the two lacks is left out: a machine
    with one core has no ratio of two."""
    return [
        name
        for name, value in seen.items()
        if name in committed and value >= FAILS_AT * committed[name]
    ]


def read(path: Path) -> Ratios:
    try:
        found: Ratios = json.loads(path.read_text(encoding="utf-8"))["ratios"]
    except (OSError, ValueError, KeyError) as error:
        raise BenchError(f"{path} has no ratios to compare with: {error}") from None
    return found


def accept(build: Build, path: Path, names: Iterable[str], runs: int) -> None:
    """Writes the medians of several runs as what later ones are compared with."""
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        for seen in measure(build, names).values():
            for name, value in seen.items():
                found.setdefault(name, []).append(value)
    text = {
        "about": "What ./dev bench --smoke compares with: ratios to the control of the same run. "
        "Written by ./dev bench --accept.",
        "ratios": {name: round(statistics.median(values), 3) for name, values in found.items()},
    }
    path.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


def check(build: Build, path: Path, names: Iterable[str]) -> bool:
    """Prints a line a ratio. What looks slow is measured once more: the machine may have been
    busy."""
    committed = read(path)
    ok = True
    for name in names:
        seen = MEASURES[name](build)
        if slow(seen, committed):
            again = MEASURES[name](build)
            seen = {what: min(value, again[what]) for what, value in seen.items()}
        wrong = slow(seen, committed)
        for what, value in seen.items():
            before = committed.get(what)
            verdict = "SLOW" if what in wrong else "ok" if before else "not compared"
            beside = f"{before:.2f} committed" if before else "nothing committed"
            print(f"{verdict:4}  {what}: {value:.2f}, {beside}", flush=True)
        ok = ok and not wrong
    return ok
