#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what docs/performance.md tells, draws that page, and checks for slowdowns.

./dev bench builds what it needs and calls this.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import machine
import page
import ratios
from experiments import EXPERIMENTS, Bench, Effort
from programs import BenchError, Build, Command, Json

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "bench" / "performance.md.in"
RATIOS = ROOT / "bench" / "ratios.json"
DESCRIPTORS = 8192


class Progress:
    """One line that changes on a terminal, elsewhere a line an experiment."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._start = time.monotonic()
        self.title = ""

    def begin(self, title: str) -> None:
        self.title = title
        if not self._terminal:
            self._print("")

    def say(self, text: str) -> None:
        if self._terminal:
            self._print(text)

    def _print(self, text: str) -> None:
        seconds = int(time.monotonic() - self._start)
        line = f"{seconds // 60:2}:{seconds % 60:02}  {self.title}  {text}"
        print(f"\r\033[K{line}" if self._terminal else line, end="", file=sys.stderr)
        print("", end="" if self._terminal else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def raise_descriptors() -> None:
    """For a thousand connections, here and in what is started from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def find_model(build: Build) -> Path | None:
    """The demo's model, made where it can be."""
    exporter = build.folder / "tools" / "export-torchscript"
    out = build.folder / "bench" / "model.pt"
    tool = ROOT / "tools" / "models" / "make_demo_model.py"
    if not exporter.is_file():
        return None
    out.parent.mkdir(exist_ok=True)
    command: Command = [sys.executable, "-B", tool, "--exporter", exporter, "--out", out]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    return out if done.returncode == 0 else None


def run_one(bench: Bench, name: str) -> Json:
    try:
        return EXPERIMENTS[name](bench)
    except BenchError as error:
        why = " ".join(str(error).split())
    except (OSError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # The others are measured all the same.
        traceback.print_exc()
        why = f"it failed: {type(error).__name__}: {error}"
    print(f"\n{name}: not measured: {why}", file=sys.stderr)
    return {"not_measured": why}


def measure(build: Build, names: list[str], effort: Effort, keep: Callable[[Json], None]) -> Json:
    """Tells `keep` of what there is after each experiment."""
    started = time.monotonic()
    results: Json = {"machine": machine.describe(), "date": str(datetime.date.today())}
    progress = Progress()
    bench = Bench(build, effort, find_model(build), progress.say)
    results["experiments"] = {}
    for name in names:
        progress.begin(name)
        results["experiments"][name] = run_one(bench, name)
        results["minutes"] = max(1, round((time.monotonic() - started) / 60))
        keep(results)
    progress.end()
    return results


def results_path(build: Path, short: bool) -> Path:
    return build / ("results.short.json" if short else "results.json")


def load(path: Path) -> Json:
    try:
        found: Json = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: {error}: run ./dev bench first") from None
    return found


def command_all(arguments: argparse.Namespace) -> int:
    build = Build(arguments.build)
    names = arguments.only or list(EXPERIMENTS)
    effort = Effort.short() if arguments.short else Effort()
    path = results_path(build.folder, arguments.short)
    before: Json = {}
    if arguments.only:
        # The rest of the page stays what it was.
        with contextlib.suppress(BenchError):
            before = load(path)["experiments"]

    def keep(results: Json) -> None:
        whole = results | {"experiments": before | results["experiments"]}
        path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")

    measure(build, names, effort, keep)
    results = load(path)
    docs = arguments.docs
    page.render(results, TEMPLATE, docs)
    print(f"{path}\n{docs / 'performance.md'}")
    for line in page.promises_part(results["experiments"]).splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        print(f"{cells[4].strip('*'):13} {cells[0]}: {cells[2]}")
    return 0


def command_render(arguments: argparse.Namespace) -> int:
    page.render(load(results_path(arguments.build, short=False)), TEMPLATE, arguments.docs)
    return 0


def command_check(arguments: argparse.Namespace) -> int:
    names = arguments.only or list(ratios.MEASURES)
    build = Build(arguments.build)
    if arguments.accept:
        ratios.accept(build, arguments.ratios, names, runs=3)
        return 0
    return 0 if ratios.check(build, arguments.ratios, names) else 1


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    main.add_argument("--build", type=Path, required=True, help="the build's folder")
    commands = main.add_subparsers(dest="command", required=True)
    every = commands.add_parser("all", help="measure, and draw the page")
    every.add_argument("--only", nargs="+", choices=EXPERIMENTS, metavar="EXPERIMENT")
    every.add_argument("--short", action="store_true", help="see that everything runs")
    every.add_argument("--docs", type=Path, default=ROOT / "docs")
    every.set_defaults(run=command_all)
    render = commands.add_parser("render", help="draw the page of what was measured last")
    render.add_argument("--docs", type=Path, default=ROOT / "docs")
    render.set_defaults(run=command_render)
    check = commands.add_parser("check", help="compare a few ratios with the committed ones")
    check.add_argument("--ratios", type=Path, default=RATIOS)
    check.add_argument("--only", nargs="+", choices=ratios.MEASURES, metavar="MEASURE")
    check.add_argument("--accept", action="store_true", help="write them")
    check.set_defaults(run=command_check)
    return main


def main() -> int:
    arguments = parser().parse_args()
    try:
        raise_descriptors()
        status: int = arguments.run(arguments)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
