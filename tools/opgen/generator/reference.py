# SPDX-License-Identifier: Apache-2.0
"""docs/operations.md: the reference page."""

from collections.abc import Sequence

from .c_types import c_parameters
from .model import UNRELEASED, Argument, Kind, Operation
from .text import notice

_OPENING = """\
# Operations

What vAccel can be asked to do. Each operation is an entry of `ops/*.toml`; the C function, the C++
method, the way through an agent and the arguments of a plugin's handler follow from it.
`vaccel list ops` shows which of them a session serves.

- C: `vac_<name>(session, ...)` in `<vac/ops.h>`. Returns `VAC_OK` or an error code.
  `vac_<name>_submit` does not wait: it gives a handle (`<vac/async.h>`).
- C++: `session.<name>(...)` in `<vac/vac.hpp>`. Outputs are returned. `session.<name>_async(...)`
  does not wait: it gives a future (`<vac/future.hpp>`).
- Plugins: `vac::ops::<Name>::Args` in `<vac/plugin_ops.hpp>`.

A type that ends in `?` may be absent. An operation that is *idempotent* may be sent again by itself
when a connection is lost.
"""

_CONTROL = """\
## Control operations

Between a client and an agent; they have no function. `docs/protocol.md` says when each is sent.
"""

_MEANING = {
    Kind.STRING: "text, UTF-8",
    Kind.BYTES: "bytes",
    Kind.TENSOR: "tensor",
    Kind.RESOURCE: "resource",
    Kind.STRINGS: "list of texts",
    Kind.TENSORS: "list of tensors",
    Kind.ANY: "list of numbers, arrays, texts, bytes and tensors",
}


def operations_md(operations: Sequence[Operation]) -> str:
    public = [operation for operation in operations if not operation.control]
    control = [operation for operation in operations if operation.control]
    out = [f"<!-- SPDX-License-Identifier: Apache-2.0 -->\n<!-- {notice('ops/')} -->\n{_OPENING}"]
    out.append("| id | operation | |\n| ---: | --- | --- |")
    out.extend(
        f"| {operation.id} | [`{operation.name}`](#{operation.name}) | {_cell(operation.summary)} |"
        for operation in public
    )
    out.append("")
    for operation in public:
        out.append(_section(operation, "##"))
        out.append(_prototype(operation))
    if control:
        out.append(_CONTROL)
        out.extend(_section(operation, "###") for operation in control)
    return "\n".join(out)


def _section(operation: Operation, heading: str) -> str:
    since = "not released yet" if operation.since == UNRELEASED else f"since {operation.since}"
    idempotent = "idempotent" if operation.idempotent else "not idempotent"
    lines = [
        f"{heading} {operation.name}\n",
        f"Id {operation.id}, {since}, {idempotent}.\n",
        f"{_prose(operation.doc)}\n",
    ]
    if operation.arguments:
        lines.append("| | type | argument | |\n| --- | --- | --- | --- |")
        lines.extend(
            f"| {argument.direction.value} | `{argument.type_text}` | `{argument.name}` "
            f"| {_meaning(argument)} |"
            for argument in operation.arguments
        )
        lines.append("")
    return "\n".join(lines)


def _prose(doc: str) -> str:
    """The lines of the text that tells of the arguments stay lines."""
    summary, _, rest = doc.partition("\n")
    rest = rest.strip()
    return (
        f"{summary}\n\n" + "\n".join(f"{line}  " for line in rest.split("\n")).rstrip()
        if rest
        else summary
    )


def _prototype(operation: Operation) -> str:
    parameters = ["vac_session *session"]
    for argument in operation.arguments:
        parameters.append(", ".join(declaration for declaration, _ in c_parameters(argument)))
    one_line = f"int vac_{operation.name}({', '.join(parameters)});"
    if len(one_line) > 100:
        one_line = f"int vac_{operation.name}(" + ",\n    ".join(parameters) + ");"
    return f"```c\n{one_line}\n```\n"


def _meaning(argument: Argument) -> str:
    if argument.number:
        text = f"{'array of ' if argument.kind is Kind.ARRAY else ''}{argument.number.name}"
    else:
        text = _MEANING[argument.kind]
    return f"{text}, may be absent" if argument.optional else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
