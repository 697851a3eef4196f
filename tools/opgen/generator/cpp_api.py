# SPDX-License-Identifier: Apache-2.0
"""include/vac/ops.hpp: every operation as a method of vac::Session."""

from collections.abc import Sequence
from dataclasses import dataclass

from .model import Argument, Direction, Kind, Operation
from .text import cpp_head, cpp_string, doxygen, wrap_call

IN, OUT, INOUT = Direction.IN, Direction.OUT, Direction.INOUT

_ABOUT = """\
The operations as methods: what class Session has beside its own. Arguments are as in <vac/ops.h>.
Outputs are the result: a Status, one value, or a struct of them. Room for arrays is the caller's,
and the result says how many elements came; text, bytes and tensors are the result's own. An
argument is absent as std::nullopt or nullptr.

<operation>_async submits and does not wait (<vac/future.hpp>). It is never repeated for want of
room: text or bytes above 64 KiB, or more than 64 tensors, are VAC_ENOSPC.

Self is the class that inherits them; its handle() is the C session."""


@dataclass(frozen=True)
class _Method:
    """One argument as the method shows it."""

    parameter: str | None  # "std::span<const float> a"
    default: str  # where the argument may be left out
    adapter: str  # of methods.hpp
    results: tuple[str, str] | None  # type and name of what comes back


def ops_hpp(operations: Sequence[Operation]) -> str:
    public = [operation for operation in operations if not operation.control]
    out = [cpp_head("ops/")]
    out.append(
        "#pragma once\n\n#include <vac/byte_view.hpp>\n#include <vac/call.h>\n"
        "#include <vac/detail/async_methods.hpp>\n#include <vac/detail/methods.hpp>\n"
        "#include <vac/future.hpp>\n#include <vac/ops.h>\n#include <vac/resource.hpp>\n"
        "#include <vac/result.hpp>\n#include <vac/tensor.hpp>\n"
    )
    out.append(
        "#include <cstddef>\n#include <cstdint>\n#include <optional>\n#include <span>\n"
        "#include <string>\n#include <string_view>\n#include <vector>\n"
    )
    out.append(f"namespace vac::ops {{\n\n{doxygen(_ABOUT)}")
    out.append(
        "template <class Self, class Resource = vac::Resource, class Tensor = vac::Tensor>\n"
        "class Methods {\n public:"
    )
    for operation in public:
        out.append(_operation(operation))
    out.append(
        " private:\n"
        "  vac_session* self() const { return static_cast<const Self*>(this)->handle(); }\n};\n"
    )
    out.append("}  // namespace vac::ops\n")
    return "\n".join(out)


def _operation(operation: Operation) -> str:
    methods = [_method(argument) for argument in operation.arguments]
    results = [method.results for method in methods if method.results]
    lines: list[str] = []
    struct = f"{operation.pascal}Result"
    if len(results) > 1:
        lines.append(f"  /// What {operation.name} answers.\n  struct {struct} {{")
        lines.extend(f"    {cpp_type} {name};" for cpp_type, name in results)
        lines.append("  };\n")
    lines.append(doxygen(operation.doc + _repeat_note(operation), "  "))
    outcome = (
        "Status" if not results else f"Result<{results[0][0] if len(results) == 1 else struct}>"
    )
    lines.append(wrap_call(f"  {outcome} {operation.name}(", _parameters(methods), ") const {"))
    invoke = "invoke" if operation.idempotent else "invoke_once"
    template = f"<{struct}>" if len(results) > 1 else ""
    arguments = [cpp_string(operation.name), f"vac_{operation.name}", "self()"]
    arguments.extend(method.adapter for method in methods)
    lines.append(wrap_call(f"    return methods::{invoke}{template}(", arguments, ");"))
    lines.append("  }")
    lines.append(_submitting(operation, methods, struct if len(results) > 1 else ""))
    return "\n".join(lines)


def _submitting(operation: Operation, methods: Sequence[_Method], struct: str) -> str:
    """The same operation as a method that does not wait."""
    results = [method.results for method in methods if method.results]
    value = "void" if not results else struct or results[0][0]
    parameters = [*_parameters(methods), "const CallOptions& call_options = {}"]
    arguments = [cpp_string(operation.name), f"vac_{operation.name}_submit", "self()"]
    arguments.append("call_options")
    arguments.extend(method.adapter.replace("methods::", "methods::async::") for method in methods)
    template = f"<{struct}>" if struct else ""
    head = f"  Future<{value}> {operation.name}_async("
    return "\n".join(
        (
            wrap_call(head, parameters, ") const {"),
            wrap_call(f"    return methods::async::submit{template}(", arguments, ");"),
            "  }\n",
        )
    )


def _parameters(methods: Sequence[_Method]) -> list[str]:
    """Switches for optional outputs come last; only last parameters have defaults."""
    shown = [method for method in methods if method.parameter and not _is_switch(method)]
    shown += [method for method in methods if method.parameter and _is_switch(method)]
    texts: list[str] = []
    may_default = True
    for method in reversed(shown):
        may_default = may_default and bool(method.default)
        texts.append(
            f"{method.parameter} = {method.default}" if may_default else f"{method.parameter}"
        )
    return texts[::-1]


def _is_switch(method: _Method) -> bool:
    return method.default == "false"


def _repeat_note(operation: Operation) -> str:
    grows = any(
        argument.direction is OUT and argument.kind in (Kind.STRING, Kind.BYTES, Kind.TENSORS)
        for argument in operation.arguments
    )
    if not grows or operation.idempotent:
        return ""
    return (
        "\nNot repeated for want of room: text or bytes above 64 KiB, or more than 64 tensors, are "
        "VAC_ENOSPC. The C function takes any room."
    )


def _method(argument: Argument) -> _Method:
    if argument.direction is OUT:
        return _output(argument)
    cpp_type, adapter, named = _input(argument)
    optional = argument.optional
    default = ""
    if argument.kind in (Kind.RESOURCE, Kind.TENSOR):
        mutable = "" if argument.direction is INOUT else "const "
        cpp_type = f"{mutable}{cpp_type}{'*' if optional else '&'}"
        default = "nullptr" if optional else ""
    elif optional:
        cpp_type, adapter, default = (
            f"std::optional<{cpp_type}>",
            f"Optional{adapter}",
            "std::nullopt",
        )
    items = [cpp_string(argument.name), argument.name] if named else [argument.name]
    return _Method(
        f"{cpp_type} {argument.name}", default, f"methods::{adapter}({', '.join(items)})", None
    )


def _input(argument: Argument) -> tuple[str, str, bool]:
    """Its type, its adapter, and whether the adapter is told the name for its errors."""
    constant = "const " if argument.direction is IN else ""
    match argument.kind:
        case Kind.SCALAR:
            return _scalar(argument), f"Scalar<{argument.element.cpp}>", False
        case Kind.ARRAY:
            return (
                f"std::span<{constant}{argument.element.cpp}>",
                f"Array<{constant}{argument.element.cpp}>",
                False,
            )
        case Kind.STRING:
            return "std::string_view", "Text", True
        case Kind.BYTES:
            return "ByteView", "Bytes", False
        case Kind.TENSOR:
            return "Tensor", "Handle<Tensor>", False
        case Kind.RESOURCE:
            return "Resource", "Handle<Resource>", False
        case Kind.STRINGS:
            return "std::span<const std::string>", "Texts", True
        case Kind.TENSORS:
            return f"std::span<{constant}Tensor>", "Handles<Tensor>", False
        case Kind.ANY:
            return f"std::span<{constant}vac_value>", f"Array<{constant}vac_value>", False


def _output(argument: Argument) -> _Method:
    name, optional = argument.name, argument.optional
    prefix = "Optional" if optional else ""
    match argument.kind:
        case Kind.ARRAY:
            room = f"std::span<{argument.element.cpp}>"
            count = "std::optional<std::size_t>" if optional else "std::size_t"
            return _Method(
                f"std::optional<{room}> {name}" if optional else f"{room} {name}",
                "std::nullopt" if optional else "",
                f"methods::{prefix}OutArray<{argument.element.cpp}>({name})",
                (count, f"{name}_count"),
            )
        case Kind.TENSORS:
            return _Method(None, "", "methods::OutTensors<Tensor>()", ("std::vector<Tensor>", name))
        case Kind.SCALAR:
            shown = _scalar(argument)
            types = (
                argument.element.cpp
                if shown == argument.element.cpp
                else f"{argument.element.cpp}, {shown}"
            )
            cpp_type, adapter = shown, f"{prefix}OutScalar<{types}>"
        case Kind.STRING:
            cpp_type, adapter = "std::string", f"{prefix}OutText"
        case Kind.BYTES:
            cpp_type, adapter = "std::vector<std::byte>", f"{prefix}OutBytes"
        case _:
            cpp_type = "Tensor"
            adapter = "Optional<methods::OutTensor<Tensor>>" if optional else "OutTensor<Tensor>"
    if optional:
        switch = f"with_{name}"
        return _Method(
            f"bool {switch}",
            "false",
            f"methods::{adapter}({switch})",
            (f"std::optional<{cpp_type}>", name),
        )
    return _Method(None, "", f"methods::{adapter}()", (cpp_type, name))


def _scalar(argument: Argument) -> str:
    return "bool" if argument.element.name == "bool" else argument.element.cpp
