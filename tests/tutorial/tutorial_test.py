#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does what a page of the documentation tells against an installed vAccel.

A fenced block "```cpp mine.cpp" is a file of that name. A block "```console run" is a list of
commands, each on a line that begins with "$ ", and what they print on the lines below; there "..."
on a line of its own stands for any lines, and within a line for any text. Every command must
succeed. All of them run in one shell, in a new folder, with PREFIX set.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_S = 540
MARK = "@@tutorial"
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Command:
    line: str
    expected: list[str] = field(default_factory=list)


def read_commands(block: str) -> list[Command]:
    commands: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:]))
        elif commands:
            commands[-1].expected.append(line)
        else:
            raise ValueError(f"a block of commands begins with {line!r}")
    return commands


def pattern_of(expected: list[str]) -> str:
    pattern = ""
    for line in expected:
        if line == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in line.split("...")) + r"\n"
    return pattern


def script_of(commands: list[Command]) -> str:
    """Each command, and behind it a line that tells its status."""
    parts = [f"{command.line}\nprintf '{MARK} %d\\n' $?\n" for command in commands]
    return "".join(parts)


def run_script(script: str, folder: Path, prefix: Path) -> str:
    environment = {**os.environ, "PREFIX": str(prefix), "HOME": str(folder)}
    for name in [name for name in environment if name.startswith("VAC_")]:
        del environment[name]
    # A group of its own, so that an agent that was left running can be ended with it.
    shell = subprocess.Popen(
        ["bash", "-s"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return shell.communicate(script, timeout=PATIENCE_S)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)


def faults(commands: list[Command], output: str) -> list[str]:
    found: list[str] = []
    rest = output
    for command in commands:
        seen, mark, rest = rest.partition(MARK + " ")
        status, _, rest = rest.partition("\n")
        if not mark:
            return [*found, f"$ {command.line}\nwas not over; so far:\n{seen}"]
        if status != "0":
            found.append(f"$ {command.line}\nexit status {status}:\n{seen}")
        elif not re.fullmatch(pattern_of(command.expected), seen):
            wanted = "\n".join(command.expected)
            found.append(f"$ {command.line}\nprinted:\n{seen}\nthe page says:\n{wanted}\n")
    return found


def check_page(page: Path, prefix: Path) -> list[str]:
    commands: list[Command] = []
    with tempfile.TemporaryDirectory(prefix="vac-") as name:
        folder = Path(name)
        for language, target, content in BLOCK.findall(page.read_text(encoding="utf-8")):
            if language == "console" and target == "run":
                commands += read_commands(content)
            else:
                (folder / target).write_text(content, encoding="utf-8")
        if not commands:
            return [f"{page} has no command to run"]
        return faults(commands, run_script(script_of(commands), folder, prefix))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--prefix", type=Path, required=True, help="where vAccel is installed")
    options = parser.parse_args()
    found = check_page(options.page, options.prefix.resolve())
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
