# SPDX-License-Identifier: Apache-2.0
"""include/vac/plugin_ops.hpp: typed arguments for the handlers of plugins."""

from collections.abc import Sequence

from .model import Argument, Direction, Kind, Operation
from .text import cpp_head, cpp_string, doxygen, fill, wrap_call

IN, OUT, INOUT = Direction.IN, Direction.OUT, Direction.INOUT


def plugin_ops_hpp(operations: Sequence[Operation]) -> str:
    public = [operation for operation in operations if not operation.control]
    out = [cpp_head("ops/")]
    out.append(
        "// The operations as types, for vac::Plugin::handles<vac::ops::...>. "
        "Arguments are views into the call."
    )
    out.append("#pragma once\n\n#include <vac/call.h>\n#include <vac/detail/arg_reader.hpp>\n")
    out.append(
        "#include <array>\n#include <cstddef>\n#include <cstdint>\n#include <optional>\n"
        "#include <span>\n#include <string_view>\n"
    )
    out.append("namespace vac {\ninline namespace plugin_api {\nnamespace ops {\n")
    out.append("/// The ids of all operations below.")
    out.append(f"inline constexpr std::array<std::uint32_t, {len(public)}> kPublicIds = {{")
    out.extend(fill([f"{operation.id}," for operation in public], "    "))
    out.append("};\n")
    for operation in public:
        out.append(doxygen(operation.doc))
        out.append(f"struct {operation.pascal} {{")
        out.append(f"  static constexpr std::uint32_t id = {operation.id};")
        out.append(f"  static constexpr const char* name = {cpp_string(operation.name)};\n")
        out.append("  struct Args {")
        for argument in operation.arguments:
            cpp_type, _ = _member(argument)
            out.append(
                f"    {cpp_type} {argument.name};  "
                f"///< {argument.direction.value} {argument.type_text}"
            )
        out.append("")
        if operation.arguments:
            reads = [f"reader.{_member(argument)[1]}()" for argument in operation.arguments]
            out.append("    static Args from(ArgReader& reader) {")
            out.append(wrap_call("      return {", reads, "};"))
            out.append("    }")
        else:
            out.append("    static Args from(ArgReader& /*reader*/) { return {}; }")
        out.append("  };\n};\n")
    out.append("}  // namespace ops\n}  // namespace plugin_api\n}  // namespace vac\n")
    return "\n".join(out)


def _member(argument: Argument) -> tuple[str, str]:
    """Its type in Args, and the function of ArgReader that makes it."""
    if argument.direction is OUT:
        return _output(argument)
    cpp_type, read = _input(argument)
    if argument.optional and argument.kind is not Kind.RESOURCE:
        return f"std::optional<{cpp_type}>", f"optional_{read}"
    return cpp_type, read


def _input(argument: Argument) -> tuple[str, str]:
    constant = "const " if argument.direction is IN else ""
    mutable = "Mutable" if argument.direction is INOUT else ""
    match argument.kind:
        case Kind.SCALAR:
            return _scalar(argument), f"scalar<{_scalar(argument)}>"
        case Kind.ARRAY:
            element = f"{constant}{argument.element.cpp}"
            return f"std::span<{element}>", f"array<{element}>"
        case Kind.STRING:
            return "std::string_view", "text"
        case Kind.BYTES:
            return f"std::span<{constant}std::byte>", f"array<{constant}std::byte>"
        case Kind.TENSOR:
            return f"{mutable}TensorView", f"tensor<{mutable}TensorView>"
        case Kind.RESOURCE:
            return "ResourceArg", "resource"
        case Kind.STRINGS:
            return "StringList", "list<StringList>"
        case Kind.TENSORS:
            return f"{mutable}TensorList", f"list<{mutable}TensorList>"
        case Kind.ANY:
            return "ValueList", "list<ValueList>"


def _output(argument: Argument) -> tuple[str, str]:
    match argument.kind:
        case Kind.SCALAR:
            return f"OutScalar<{_scalar(argument)}>", f"out_scalar<{_scalar(argument)}>"
        case Kind.ARRAY:
            cpp_type = f"OutArray<{argument.element.cpp}>"
        case Kind.STRING:
            cpp_type = "OutText"
        case Kind.BYTES:
            cpp_type = "OutBytes"
        case Kind.TENSOR:
            cpp_type = "OutTensor"
        case _:
            return "OutTensors", "out_tensors"
    return cpp_type, f"out<{cpp_type}>"


def _scalar(argument: Argument) -> str:
    return "bool" if argument.element.name == "bool" else argument.element.cpp
