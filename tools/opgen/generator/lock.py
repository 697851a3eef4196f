# SPDX-License-Identifier: Apache-2.0
"""released.lock: the operations of released versions, which never change."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .model import Operation, OpgenError

FILE_NAME = "released.lock"
_LINE = re.compile(r"([a-z][a-z0-9_]*) (\d+):(?: (.+))?")


@dataclass(frozen=True)
class Released:
    name: str
    id: int
    signature: str

    @property
    def line(self) -> str:
        return f"{self.name} {self.id}: {self.signature}".rstrip()


def load_lock(file: Path) -> list[Released]:
    """A directory without a lock has released nothing."""
    if not file.exists():
        return []
    released: list[Released] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise OpgenError(f'{file}:{number}: is not of the form "name id: arguments"')
        released.append(Released(match[1], int(match[2]), match[3] or ""))
    return released


def check_lock(
    directory: Path, operations: Sequence[Operation], every_operation: Sequence[Operation]
) -> list[str]:
    """What differs between a directory's lock and its operations.

    Ids are compared over all directories.
    """
    file = directory / FILE_NAME
    released = load_lock(file)
    by_name = {operation.name: operation for operation in operations}
    problems: list[str] = []
    for entry in released:
        operation = by_name.get(entry.name)
        where = f"{file}: [{entry.name}]"
        if operation is None:
            problems.append(
                f"{where}: released with id {entry.id}, and its entry is gone: put it back"
            )
        elif not operation.released:
            problems.append(
                f'{where}: released, but its entry says since = "{operation.since}": '
                "put the version back"
            )
        elif operation.id != entry.id:
            problems.append(
                f"{where}: released with id {entry.id}, now {operation.id}: put {entry.id} back"
            )
        elif operation.signature != entry.signature:
            problems.append(
                f"{where}: its arguments differ from the released ones: "
                "make a new operation with a new id\n"
                f"    released  {entry.signature}\n    now       {operation.signature}"
            )
        for other in every_operation:
            if other.id == entry.id and other.name != entry.name:
                problems.append(
                    f"{other.source}: [{other.name}]: id {entry.id} was released as [{entry.name}] "
                    "and is never used again: take the next free id"
                )
    locked = {entry.name for entry in released}
    problems.extend(
        f"{operation.source}: [{operation.name}]: since {operation.since}, but not in {file}: "
        "run opgen --lock"
        for operation in operations
        if operation.released and operation.name not in locked
    )
    return problems


def append_released(directory: Path, operations: Sequence[Operation]) -> list[str]:
    """Adds the released operations that the lock lacks; returns their names."""
    file = directory / FILE_NAME
    locked = {entry.name for entry in load_lock(file)}
    fresh = [
        operation for operation in operations if operation.released and operation.name not in locked
    ]
    if fresh:
        with file.open("a", encoding="utf-8") as stream:
            for operation in fresh:
                stream.write(
                    Released(operation.name, operation.id, operation.signature).line + "\n"
                )
    return [operation.name for operation in fresh]
