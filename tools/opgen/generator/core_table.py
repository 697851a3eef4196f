# SPDX-License-Identifier: Apache-2.0
"""src/generated/op_table.cpp: the operations as data, for src/call/op_table.hpp."""

from collections.abc import Sequence

from .model import Argument, Kind, Operation
from .text import cpp_head, cpp_string

_LIST_CHILDREN = {Kind.STRINGS: ("VAC_CHAR", "VAC_ARRAY"), Kind.TENSORS: ("VAC_NONE", "VAC_TENSOR")}
_WHOLE = {
    Kind.STRING: ("VAC_CHAR", "VAC_ARRAY"),
    Kind.BYTES: ("VAC_BYTE", "VAC_ARRAY"),
    Kind.TENSOR: ("VAC_NONE", "VAC_TENSOR"),
    Kind.RESOURCE: ("VAC_RESOURCE", "VAC_SCALAR"),
}

_LOOKUP = """
constexpr std::uint32_t kLastId = kOps[std::size(kOps) - 1].id;

/// By id: the position in kOps plus one; 0 where there is no such operation.
constexpr auto kPositions = [] {
  std::array<std::uint16_t, kLastId + 1> positions{};
  for (std::size_t i = 0; i < std::size(kOps); ++i) {
    positions[kOps[i].id] = static_cast<std::uint16_t>(i + 1);
  }
  return positions;
}();

}  // namespace

std::span<const Op> all_ops() noexcept { return kOps; }

const Op* find_op(std::uint32_t id) noexcept {
  const std::size_t position = id < kPositions.size() ? kPositions[id] : 0;
  return position == 0 ? nullptr : &kOps[position - 1];
}

const Op* find_op(std::string_view name) noexcept {
  for (const Op& op : kOps) {
    if (name == op.name) return &op;
  }
  return nullptr;
}

}  // namespace vac
"""


def op_table_cpp(operations: Sequence[Operation]) -> str:
    out = [cpp_head("ops/")]
    out.append('#include "call/op_table.hpp"\n')
    out.append("#include <vac/call.h>\n")
    out.append("#include <array>\n#include <cstddef>\n#include <cstdint>\n#include <iterator>")
    out.append("#include <span>\n#include <string_view>\n")
    out.append("namespace vac {\nnamespace {\n")
    for operation in operations:
        if operation.arguments:
            out.append(f"constexpr OpArgument k{operation.pascal}[] = {{")
            out.extend(f"    {_argument(argument)}," for argument in operation.arguments)
            out.append("};")
    out.append("\nconstexpr Op kOps[] = {")
    for operation in operations:
        arguments = f"k{operation.pascal}" if operation.arguments else "{}"
        out.append(
            f"    {{{operation.id}, {cpp_string(operation.name)}, {cpp_string(operation.since)},\n"
            f"     {cpp_string(operation.summary)},\n"
            f"     {_bool(operation.idempotent)}, {arguments}}},"
        )
    out.append("};")
    return "\n".join(out) + _LOOKUP


def _argument(argument: Argument) -> str:
    direction = f"VAC_{argument.direction.name}"
    signature = child = "0"
    if argument.kind.is_list:
        signature = f"signature_word(VAC_NONE, VAC_LIST, {direction})"
        if argument.kind in _LIST_CHILDREN:
            child = f"signature_word({', '.join(_LIST_CHILDREN[argument.kind])}, {direction})"
    elif argument.number:
        form = "VAC_ARRAY" if argument.kind is Kind.ARRAY else "VAC_SCALAR"
        signature = f"signature_word({argument.number.code}, {form}, {direction})"
    else:
        signature = f"signature_word({', '.join(_WHOLE[argument.kind])}, {direction})"
    return (
        f"{{{cpp_string(argument.name)}, {cpp_string(argument.type_text)}, {signature}, {child}, "
        f"{_bool(argument.optional)}}}"
    )


def _bool(value: bool) -> str:
    return "true" if value else "false"
