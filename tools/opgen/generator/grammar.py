# SPDX-License-Identifier: Apache-2.0
"""The grammar of one argument: `dir type name`, for example "in f32[] data"."""

import re

from .model import NUMBERS, Argument, Direction, Kind, OpgenError

NAME = re.compile(r"[a-z][a-z0-9_]*")

_WHOLE_KINDS = {
    kind.value: kind
    for kind in (
        Kind.STRING,
        Kind.BYTES,
        Kind.TENSOR,
        Kind.RESOURCE,
        Kind.STRINGS,
        Kind.TENSORS,
        Kind.ANY,
    )
}
_TYPES = f"{' '.join(NUMBERS)}, one of these with [], {' '.join(_WHOLE_KINDS)}"

# Words that cannot name a parameter in C or C++, or that a compiler defines as a macro.
_RESERVED_WORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
char32_t class compl concept const consteval constexpr constinit const_cast continue co_await
co_return co_yield decltype default delete do double dynamic_cast else enum explicit export
extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
nullptr operator or or_eq private protected public register reinterpret_cast requires restrict
return short signed sizeof static static_assert static_cast struct switch template this
thread_local throw true try typedef typeid typename typeof union unsigned using virtual void
volatile wchar_t while xor xor_eq errno linux unix stdin stdout stderr
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


def parse_argument(text: str) -> Argument:
    """Reads one argument; raises OpgenError that says what is wrong with it."""
    parts = text.split(" ")
    if len(parts) != 3 or not all(parts):
        raise OpgenError('is not of the form "dir type name" with single spaces')
    direction_text, type_text, name = parts
    try:
        direction = Direction(direction_text)
    except ValueError:
        raise OpgenError(f"direction '{direction_text}' is unknown: in, out or inout") from None
    check_name(name)
    if name == "session":
        raise OpgenError("the name 'session' is taken by the first parameter of every function")
    optional = type_text.endswith("?")
    argument = _typed(direction, type_text.removesuffix("?"), optional, name, type_text)
    _check_rules(argument)
    return argument


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise OpgenError(f"the name '{name}' does not match [a-z][a-z0-9_]*")
    if name in RESERVED:
        raise OpgenError(f"the name '{name}' is a reserved word of C or C++")


def _typed(direction: Direction, base: str, optional: bool, name: str, type_text: str) -> Argument:
    if base in _WHOLE_KINDS:
        return Argument(direction, _WHOLE_KINDS[base], None, optional, name, type_text)
    kind = Kind.ARRAY if base.endswith("[]") else Kind.SCALAR
    number = NUMBERS.get(base.removesuffix("[]"))
    if number is None:
        raise OpgenError(f"type '{type_text}' is unknown: {_TYPES}")
    return Argument(direction, kind, number, optional, name, type_text)


def _check_rules(argument: Argument) -> None:
    kind, direction = argument.kind, argument.direction
    if argument.optional and kind.is_list:
        raise OpgenError(
            f"a list is never optional: write '{kind.value}'; an empty list says the same"
        )
    if kind is Kind.RESOURCE and direction is not Direction.IN:
        raise OpgenError("a resource is always 'in'")
    if kind is Kind.SCALAR and argument.element.name == "c128":
        raise OpgenError("c128 does not fit a scalar: use 'c128[]'")
    if direction is Direction.INOUT and kind is Kind.SCALAR:
        raise OpgenError(
            f"a scalar is never inout: use 'in {argument.element.name}' and "
            f"'out {argument.element.name}'"
        )
    if direction is Direction.INOUT and kind in (Kind.STRING, Kind.BYTES):
        raise OpgenError(f"{kind.value} is never inout: use one argument in and one out")
    if direction is Direction.INOUT and kind is Kind.STRINGS:
        raise OpgenError("string[] is never inout, because its strings are not")
    if direction is Direction.OUT and kind in (Kind.STRINGS, Kind.ANY):
        raise OpgenError(
            f"'out {kind.value}' has no form in C: use 'out string' with JSON, 'out tensor[]', "
            "or 'inout any[]'"
        )
