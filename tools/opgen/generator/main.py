# SPDX-License-Identifier: Apache-2.0
"""The command line of opgen."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .c_api import ops_capi_cpp, ops_h
from .core_table import op_table_cpp
from .cpp_api import ops_hpp
from .error_codes import error_codes_h, load_error_codes
from .lock import append_released, check_lock
from .model import Operation, OpgenError
from .plugin_api import plugin_ops_hpp
from .reference import operations_md
from .table import load_table

REPOSITORY = Path(__file__).resolve().parents[3]

_DESCRIPTION = """\
Makes from the operation table what follows from it: the C header and its bodies, the C++ methods,
the typed arguments of plugins, the table that the core reads, the reference page, and the header of
the error codes. Files whose contents stay the same are not touched."""
_EPILOG = """\
examples:
  opgen                                     after a change in ops/ or src/base/error_codes.inc
  opgen --check                             is everything up to date and every release kept?
  opgen --ops ops --ops mine --out build/g  a table with further operations, elsewhere
  opgen --lock                              at a release: after since = "next" became the version"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    directories: list[Path] = options.ops or [REPOSITORY / "ops"]
    try:
        operations = load_table(directories)
        if options.lock:
            for directory in directories:
                for name in append_released(directory, _of(directory, operations)):
                    print(f"opgen: {name} is released")
        problems: list[str] = []
        for directory in directories:
            problems.extend(check_lock(directory, _of(directory, operations), operations))
        if problems:
            raise OpgenError("\n".join(problems))
        files = render(operations, options.errors)
    except OpgenError as error:
        for line in str(error).splitlines():
            print(line if line.startswith(" ") else f"opgen: {line}", file=sys.stderr)
        return 1
    if options.check:
        return _check(options.out, files)
    _write(options.out, files)
    return 0


def render(operations: Sequence[Operation], error_codes: Path) -> dict[str, str]:
    """The text of every generated file, by its path below the output directory."""
    return {
        "include/vac/error_codes.h": error_codes_h(load_error_codes(error_codes)),
        "include/vac/ops.h": ops_h(operations),
        "include/vac/ops.hpp": ops_hpp(operations),
        "include/vac/plugin_ops.hpp": plugin_ops_hpp(operations),
        "src/generated/op_table.cpp": op_table_cpp(operations),
        "src/generated/ops_capi.cpp": ops_capi_cpp(operations),
        "docs/operations.md": operations_md(operations),
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="opgen",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--ops",
        metavar="DIR",
        type=Path,
        action="append",
        help="read DIR/*.toml; may be repeated (default: ops)",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=REPOSITORY,
        help="write below DIR (default: the repository)",
    )
    parser.add_argument(
        "--errors",
        metavar="FILE",
        type=Path,
        default=REPOSITORY / "src/base/error_codes.inc",
        help="the error codes (default: src/base/error_codes.inc)",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file is not up to date"
    )
    mode.add_argument(
        "--lock", action="store_true", help="append released operations to released.lock first"
    )
    return parser.parse_args(arguments)


def _of(directory: Path, operations: Sequence[Operation]) -> list[Operation]:
    return [operation for operation in operations if operation.source.parent == directory]


def _check(out: Path, files: dict[str, str]) -> int:
    stale = [path for path, text in files.items() if _read(out / path) != text]
    for path in stale:
        state = "is missing" if _read(out / path) is None else "is not what ops/ says"
        print(
            f"opgen: {out / path} {state}: run tools/opgen/opgen and commit the result",
            file=sys.stderr,
        )
    return 1 if stale else 0


def _write(out: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = out / path
        if _read(file) == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        # In one step, so that a compiler beside us never sees half a file.
        temporary = file.with_name(file.name + ".opgen")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
