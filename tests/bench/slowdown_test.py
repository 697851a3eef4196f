#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The check for slowdowns passes on this build, and fails when one is planted in it.

What it compares with is measured here first: the committed ratios are of a release.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench" / "bench.py"
ONLY = ("in_process", "small")


def check(build: Path, ratios: Path, *more: str, plugins: Path | None = None) -> tuple[int, str]:
    command: list[str | Path] = [sys.executable, "-B", BENCH, "--build", build, "check"]
    command += ["--ratios", ratios, *more, "--only", *ONLY]
    environment = dict(os.environ)
    environment.pop("VAC_PLUGIN_PATH", None)
    if plugins is not None:
        environment["VAC_PLUGIN_PATH"] = str(plugins)
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment,
    )
    print(done.stdout, flush=True)
    return done.returncode, done.stdout


def test(build: Path, slow: Path, ratios: Path) -> str | None:
    """What is wrong."""
    if check(build, ratios, "--accept")[0] != 0:
        return "the ratios were not measured"
    if check(build, ratios)[0] != 0:
        return "the same build is said to be slow"
    status, output = check(build, ratios, plugins=slow)
    if status != 1:
        return "a slowdown was planted and not found"
    for name in ("no-op in process", "64 B, one core"):
        if not any(line.startswith("SLOW") and name in line for line in output.splitlines()):
            return f"the slowdown of '{name}' was not found"
    return None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--slow", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = test(arguments.build, arguments.slow, Path(folder) / "ratios.json")
    if wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
