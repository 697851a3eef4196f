# SPDX-License-Identifier: Apache-2.0
"""include/vac/ops.h: the C prototypes; src/generated/ops_capi.cpp: their bodies."""

from collections.abc import Sequence

from .c_types import adapter_call, c_parameters
from .model import Argument, Direction, Kind, Operation
from .text import c_comment, c_head, cpp_head, wrap_call

_CONVENTIONS = """\
Every operation of vAccel as a function. docs/operations.md is the same as a page.

Each function blocks, at most for the session's option timeout_ms, and returns VAC_OK or an error
code; vac_error_message() then says why. Where an argument is more than one parameter:
  x, x_count               arrays and lists of inputs, and what is changed in place
  x, x_bytes               bytes
  x, x_capacity, x_count   room for an array or a list, in elements; *x_count: how many came
  x, x_capacity, x_bytes   room for text or bytes; *x_bytes: the size that came
Too little room is VAC_ENOSPC, and the count or size then says how much is needed.
(NULL, 0) is absent where the operation allows that, else empty; non-NULL with 0 is empty. An
optional scalar is absent when its pointer is NULL, an optional output when all its pointers are.
Of a tensor for output, *x is NULL, and a new tensor comes back, which the caller frees; or *x is
a tensor of the caller's own, which is filled in place.

vac_<operation>_submit is the same and does not wait: *call_handle becomes one that is waited for
with the functions of vac/async.h. call_options may be NULL. Arguments that are wrong are refused
at once."""


def ops_h(operations: Sequence[Operation]) -> str:
    public = [operation for operation in operations if not operation.control]
    control = [operation for operation in operations if operation.control]
    out = [c_head("ops/"), c_comment(_CONVENTIONS)]
    out.append("#ifndef VAC_OPS_H\n#define VAC_OPS_H\n")
    out.append("#include <stddef.h>\n#include <stdint.h>\n")
    out.extend(
        f"#include <vac/{name}.h>"
        for name in ("async", "call", "export", "resource", "session", "tensor")
    )
    out.append('\n#ifdef __cplusplus\nextern "C" {\n#endif\n')
    out.append("enum vac_op {")
    out.extend(_constant(operation) for operation in public)
    out.append("};\n")
    if control:
        out.append(
            "/* Between a client and an agent; they have no function. */\nenum vac_control_op {"
        )
        out.extend(_constant(operation) for operation in control)
        out.append("};\n")
    for operation in public:
        out.append(c_comment(f"{operation.doc}{_absent_note(operation)}"))
        out.append(f"{_prototype('VAC_API int', operation, ');')}")
        out.append(f"{_submit_prototype('VAC_API int', operation, ');')}\n")
    out.append("#ifdef __cplusplus\n}\n#endif\n#endif\n")
    return "\n".join(out)


def ops_capi_cpp(operations: Sequence[Operation]) -> str:
    out = [cpp_head("ops/")]
    out.append('#include "capi/invoke.hpp"\n#include "capi/submission.hpp"\n')
    out.append("#include <vac/ops.h>\n")
    for operation in operations:
        if operation.control:
            continue
        arguments = [
            "session",
            operation.constant,
            *(adapter_call(argument) for argument in operation.arguments),
        ]
        out.append(f"{_prototype('int', operation, ') {')}")
        out.append(wrap_call("  return vac::capi::invoke(", arguments, ");"))
        out.append("}\n")
        out.append(f"{_submit_prototype('int', operation, ') {')}")
        arguments[1:2] = ["call_options", operation.constant, "call_handle"]
        out.append(wrap_call("  return vac::capi::submit(", arguments, ");"))
        out.append("}\n")
    return "\n".join(out)


def _constant(operation: Operation) -> str:
    return f"  {operation.constant} = {operation.id},"


def _prototype(result: str, operation: Operation, tail: str) -> str:
    parameters = ["vac_session *session"]
    for argument in operation.arguments:
        parameters.extend(declaration for declaration, _ in c_parameters(argument))
    return wrap_call(f"{result} vac_{operation.name}(", parameters, tail)


def _submit_prototype(result: str, operation: Operation, tail: str) -> str:
    parameters = ["vac_session *session", "const vac_call_options *call_options"]
    for argument in operation.arguments:
        parameters.extend(declaration for declaration, _ in c_parameters(argument))
    parameters.append("vac_call_handle **call_handle")
    return wrap_call(f"{result} vac_{operation.name}_submit(", parameters, tail)


def _absent_note(operation: Operation) -> str:
    notes = [
        f"{argument.name} ({_absent(argument)})"
        for argument in operation.arguments
        if argument.optional
    ]
    return f"\nMay be absent: {', '.join(notes)}." if notes else ""


def _absent(argument: Argument) -> str:
    """The values of its C parameters that say an argument is not there."""
    match argument.kind:
        case Kind.ARRAY | Kind.BYTES | Kind.STRING if argument.direction is Direction.OUT:
            return "NULL, 0, NULL"
        case Kind.ARRAY | Kind.BYTES:
            return "NULL, 0"
        case _:
            return "NULL"
