# SPDX-License-Identifier: Apache-2.0
"""What an operation is, once it has been read and checked."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FIRST_PUBLIC_ID = 32
LAST_ID = 9999
MAX_ARGUMENTS = 16
UNRELEASED = "next"


class OpgenError(Exception):
    """Something the user has to mend; the text says where, what and how."""


class Direction(Enum):
    IN = "in"
    OUT = "out"
    INOUT = "inout"


class Kind(Enum):
    """The shapes that an argument's type can have."""

    SCALAR = "scalar"
    ARRAY = "array"
    STRING = "string"
    BYTES = "bytes"
    TENSOR = "tensor"
    RESOURCE = "resource"
    STRINGS = "string[]"
    TENSORS = "tensor[]"
    ANY = "any[]"

    @property
    def is_list(self) -> bool:
        return self in (Kind.STRINGS, Kind.TENSORS, Kind.ANY)


@dataclass(frozen=True)
class Number:
    """A numeric element type and its name in each language."""

    name: str
    c: str
    cpp: str
    bytes: int

    @property
    def code(self) -> str:
        """The constant of call.h."""
        return f"VAC_{self.name.upper()}"


def _integer(name: str, sign: str, bits: int) -> Number:
    return Number(name, f"{sign}int{bits}_t", f"std::{sign}int{bits}_t", bits // 8)


NUMBERS: dict[str, Number] = {
    number.name: number
    for number in (
        Number("bool", "uint8_t", "std::uint8_t", 1),
        *(_integer(f"i{bits}", "", bits) for bits in (8, 16, 32, 64)),
        *(_integer(f"u{bits}", "u", bits) for bits in (8, 16, 32, 64)),
        Number("f16", "uint16_t", "std::uint16_t", 2),
        Number("bf16", "uint16_t", "std::uint16_t", 2),
        Number("f32", "float", "float", 4),
        Number("f64", "double", "double", 8),
        Number("c64", "vac_c64", "vac_c64", 8),
        Number("c128", "vac_c128", "vac_c128", 16),
    )
}


@dataclass(frozen=True)
class Argument:
    direction: Direction
    kind: Kind
    number: Number | None  # of scalars and arrays
    optional: bool
    name: str
    type_text: str  # as in the table: "f32[]", "tensor?"

    @property
    def text(self) -> str:
        return f"{self.direction.value} {self.type_text} {self.name}"

    @property
    def element(self) -> Number:
        """The element type of a scalar or an array."""
        assert self.number is not None
        return self.number


@dataclass(frozen=True)
class Operation:
    name: str
    id: int
    since: str
    doc: str
    arguments: tuple[Argument, ...]
    idempotent: bool
    control: bool
    source: Path

    @property
    def released(self) -> bool:
        return self.since != UNRELEASED

    @property
    def signature(self) -> str:
        return ", ".join(argument.text for argument in self.arguments)

    @property
    def summary(self) -> str:
        return self.doc.split("\n", 1)[0]

    @property
    def constant(self) -> str:
        return f"VAC_OP_{self.name.upper()}"

    @property
    def pascal(self) -> str:
        return "".join(part[:1].upper() + part[1:] for part in self.name.split("_"))
