# SPDX-License-Identifier: Apache-2.0
"""How an argument looks in C: its parameters, and the adapter that carries them into a call."""

from .model import Argument, Direction, Kind

IN, OUT, INOUT = Direction.IN, Direction.OUT, Direction.INOUT


def c_parameters(argument: Argument) -> list[tuple[str, str]]:
    """(declaration, name) of each C parameter that carries the argument."""
    name = argument.name
    count = (f"size_t {name}_count", f"{name}_count")
    capacity = (f"size_t {name}_capacity", f"{name}_capacity")
    out_count = (f"size_t *{name}_count", f"{name}_count")
    size = (f"size_t {name}_bytes", f"{name}_bytes")
    out_size = (f"size_t *{name}_bytes", f"{name}_bytes")
    data = (f"{_pointer(argument)}{name}", name)
    is_out = argument.direction is OUT
    match argument.kind:
        case Kind.ARRAY | Kind.TENSORS:
            return [data, capacity, out_count] if is_out else [data, count]
        case Kind.STRINGS | Kind.ANY:
            return [data, count]
        case Kind.BYTES:
            return [data, capacity, out_size] if is_out else [data, size]
        case Kind.STRING:
            return [data, capacity, out_size] if is_out else [data]
        case Kind.SCALAR | Kind.TENSOR | Kind.RESOURCE:
            return [data]


def c_parameter_names(argument: Argument) -> list[str]:
    return [name for _, name in c_parameters(argument)]


def _pointer(argument: Argument) -> str:
    """The first parameter's type, up to its name."""
    constant = "const " if argument.direction is IN else ""
    match argument.kind:
        case Kind.SCALAR:
            if argument.direction is OUT:
                return f"{argument.element.c} *"
            return (
                f"const {argument.element.c} *" if argument.optional else f"{argument.element.c} "
            )
        case Kind.ARRAY:
            return f"{constant}{argument.element.c} *"
        case Kind.STRING:
            return f"{constant}char *"
        case Kind.BYTES:
            return f"{constant}void *"
        case Kind.TENSOR:
            return {IN: "const vac_tensor *", OUT: "vac_tensor **", INOUT: "vac_tensor *"}[
                argument.direction
            ]
        case Kind.RESOURCE:
            return "vac_resource *"
        case Kind.STRINGS:
            return "const char *const *"
        case Kind.TENSORS:
            return "vac_tensor **" if argument.direction is OUT else "vac_tensor *const *"
        case Kind.ANY:
            return f"{constant}vac_value *"


_PLURAL = {Kind.STRINGS: "strings", Kind.TENSORS: "tensors", Kind.ANY: "any"}


def adapter_name(argument: Argument) -> str:
    """Of src/capi: in_scalar, optional_scalar (which is in), optional_out_bytes, inout_any, ..."""
    direction = argument.direction.value
    if argument.optional:
        direction = "optional" if argument.direction is IN else f"optional_{direction}"
    return f"{direction}_{_PLURAL.get(argument.kind, argument.kind.value)}"


def adapter_call(argument: Argument) -> str:
    element = f"<{argument.number.code}>" if argument.number else ""
    return f"vac::capi::{adapter_name(argument)}{element}({', '.join(c_parameter_names(argument))})"
