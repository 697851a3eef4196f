// SPDX-License-Identifier: Apache-2.0
// The operations of ops/*.toml as data. The table itself is generated (src/generated/op_table.cpp)
// and linked as a unit of its own, so that a test can link another one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace vac {

/// One argument of an operation.
struct OpArgument {
  const char* name;
  const char* type;               ///< as in the table: "f32[]", "tensor?"
  std::uint32_t signature;        ///< see signature_word()
  std::uint32_t child_signature;  ///< list: of each child; 0 for any[] and for what is no list
  bool optional;
};

/// One operation. Ids below kFirstPublicOp are control operations.
struct Op {
  std::uint32_t id;
  const char* name;
  const char* since;
  const char* doc;
  bool idempotent;
  std::span<const OpArgument> args;

  bool control() const noexcept { return id < 32; }
};

inline constexpr std::uint32_t kFirstPublicOp = 32;

/// Bytes 0-3 of a record with the rank zeroed, and the type zeroed for tensors (docs/protocol.md).
constexpr std::uint32_t signature_word(std::uint8_t type, std::uint8_t form, std::uint8_t dir) {
  return (form == 3 ? 0U : type) | std::uint32_t{form} << 8U | std::uint32_t{dir} << 16U;
}

/// All operations, by ascending id.
std::span<const Op> all_ops() noexcept;
/// Constant time; nullptr where there is none.
const Op* find_op(std::uint32_t id) noexcept;
const Op* find_op(std::string_view name) noexcept;

}  // namespace vac
