#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From `ctest --show-only=json-v1` on standard input: a line a test, its name, a tab, and the shell
command that runs it where and as ctest would, but for its time-out, which is for a short run.

usage: soak_tests.py PRESET
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any


def environment_of(preset: str) -> list[str]:
    """What the test preset sets, such as the sanitizers' options."""
    for given in json.loads(Path("CMakePresets.json").read_text())["testPresets"]:
        if given["name"] == preset:
            return [f"{name}={value}" for name, value in given.get("environment", {}).items()]
    sys.exit(f"soak_tests.py: there is no test preset {preset!r}")


def command_of(test: dict[str, Any], environment: list[str]) -> str:
    properties = {item["name"]: item["value"] for item in test.get("properties", [])}
    own = properties.get("ENVIRONMENT", [])
    words = shlex.join(["env", *environment, *own, *test["command"]])
    folder = properties.get("WORKING_DIRECTORY")
    return f"cd {shlex.quote(folder)} && {words}" if folder else words


def main() -> None:
    environment = environment_of(sys.argv[1])
    for test in json.load(sys.stdin)["tests"]:
        if "command" not in test:
            sys.exit(f"soak_tests.py: {test['name']} is not built")
        print(f"{test['name']}\t{command_of(test, environment)}")


if __name__ == "__main__":
    main()
