# SPDX-License-Identifier: Apache-2.0
"""Reads the TOML files of one or more directories into operations, sorted by id."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .c_types import c_parameter_names
from .grammar import check_name, parse_argument
from .model import (
    FIRST_PUBLIC_ID,
    LAST_ID,
    MAX_ARGUMENTS,
    UNRELEASED,
    Argument,
    Operation,
    OpgenError,
)

_REQUIRED = {"id": int, "since": str, "doc": str, "args": list}
_OPTIONAL = {"idempotent": bool, "control": bool}
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?")
# Names that the generated C++ needs for itself in namespace vac::ops.
_TAKEN = {"methods", "results"}


def load_table(directories: Sequence[Path]) -> list[Operation]:
    """Every operation of every *.toml; raises OpgenError with one line for each mistake."""
    operations: list[Operation] = []
    problems: list[str] = []
    for directory in directories:
        files = sorted(directory.glob("*.toml"))
        if not files:
            problems.append(f"{directory}: no *.toml file in it")
        for file in files:
            _load_file(file, operations, problems)
    _check_unique(operations, problems)
    if problems:
        raise OpgenError("\n".join(problems))
    return sorted(operations, key=lambda operation: operation.id)


def _load_file(file: Path, operations: list[Operation], problems: list[str]) -> None:
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file}: {error}")
        return
    for name, entry in document.items():
        where = f"{file}: [{name}]"
        if not isinstance(entry, dict):
            problems.append(f"{file}: '{name}' stands outside of an entry: start one with [name]")
            continue
        entry_problems = _entry_problems(name, entry)
        arguments = [] if entry_problems else _arguments(entry["args"], entry_problems)
        problems.extend(f"{where}: {problem}" for problem in entry_problems)
        if not entry_problems:
            operations.append(
                Operation(
                    name=name,
                    id=entry["id"],
                    since=entry["since"],
                    doc=entry["doc"].strip(),
                    arguments=tuple(arguments),
                    idempotent=entry.get("idempotent", False),
                    control=entry.get("control", False),
                    source=file,
                )
            )


def _entry_problems(name: str, entry: dict[str, Any]) -> list[str]:
    problems: list[str] = []
    try:
        check_name(name)
    except OpgenError as error:
        problems.append(str(error))
    if name in _TAKEN:
        problems.append(f"the name '{name}' is taken by the generated C++")
    for key, kind in _REQUIRED.items():
        if key not in entry:
            problems.append(f"'{key}' is missing")
        elif type(entry[key]) is not kind:
            problems.append(f"'{key}' is no {_toml_name(kind)}: {entry[key]!r}")
    for key, value in entry.items():
        if key in _OPTIONAL and type(value) is not bool:
            problems.append(f"'{key}' is no boolean: {value!r}")
        elif key not in _REQUIRED and key not in _OPTIONAL:
            problems.append(f"unknown key '{key}': one of {' '.join([*_REQUIRED, *_OPTIONAL])}")
    return problems or _value_problems(entry)


def _value_problems(entry: dict[str, Any]) -> list[str]:
    problems: list[str] = []
    control = entry.get("control", False)
    first, last = (1, FIRST_PUBLIC_ID - 1) if control else (FIRST_PUBLIC_ID, LAST_ID)
    if not first <= entry["id"] <= last:
        kind = "a control operation" if control else "an operation"
        problems.append(f"id {entry['id']} is out of range: {kind} has {first} to {last}")
    if entry["since"] != UNRELEASED and not _VERSION.fullmatch(entry["since"]):
        problems.append(
            f'since \'{entry["since"]}\' is neither a version such as "1.0" nor "{UNRELEASED}"'
        )
    if not entry["doc"].strip():
        problems.append("'doc' is empty: say in one sentence what the operation does")
    if any(bad in entry["doc"] for bad in ("*/", "/*", "\\", "\t")) or not entry["doc"].isascii():
        problems.append(
            "'doc' goes into comments and string literals: plain ASCII, no tab, backslash, /* or */"
        )
    return problems


def _arguments(texts: list[Any], problems: list[str]) -> list[Argument]:
    arguments: list[Argument] = []
    if len(texts) > MAX_ARGUMENTS:
        problems.append(f"{len(texts)} arguments: at most {MAX_ARGUMENTS}")
    for index, text in enumerate(texts):
        where = f"argument {index} {text!r}"
        if not isinstance(text, str):
            problems.append(f"{where}: is no string")
            continue
        try:
            arguments.append(parse_argument(text))
        except OpgenError as error:
            problems.append(f"{where}: {error}")
    seen: dict[str, str] = {}
    for argument in arguments:
        for name in c_parameter_names(argument):
            if name in seen:
                problems.append(
                    f"arguments '{seen[name]}' and '{argument.text}' both need a parameter "
                    f"'{name}' in C: rename one"
                )
                break
            seen[name] = argument.text
    return arguments


def _check_unique(operations: list[Operation], problems: list[str]) -> None:
    ids: dict[int, Operation] = {}
    names: dict[str, Operation] = {}
    for operation in operations:
        other = ids.setdefault(operation.id, operation)
        if other is not operation:
            problems.append(
                f"{operation.source}: [{operation.name}]: id {operation.id} is already that of "
                f"[{other.name}] in {other.source}: take the next free id"
            )
        # Names that differ in underscores alone would share one C++ name.
        other = names.setdefault(operation.pascal, operation)
        if other is not operation:
            problems.append(
                f"{operation.source}: [{operation.name}]: the name is already taken by "
                f"[{other.name}] in {other.source}"
            )


def _toml_name(kind: type) -> str:
    return {int: "integer", str: "string", list: "array"}[kind]
