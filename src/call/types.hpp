// SPDX-License-Identifier: Apache-2.0
// Element types and shapes.
#pragma once

#include <vac/call.h>

#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>

namespace vac {

namespace detail {

// Not in the functions: there they would be built on the stack at every call.
inline constexpr std::uint8_t kElementBytes[] = {0, 1, 1, 2, 4,  8, 1, 2, 4, 8, 2,
                                                 2, 4, 8, 8, 16, 1, 1, 0, 0, 0};
inline constexpr const char* kTypeNames[] = {
    "none", "bool", "i8",  "i16", "i32",  "i64",  "u8",   "u16",      "u32",    "u64",   "f16",
    "bf16", "f32",  "f64", "c64", "c128", "byte", "char", "resource", "string", "opaque"};

}  // namespace detail

/// Bytes of one element, 0 where the type does not tell (none, resource, string, opaque).
constexpr std::uint32_t element_bytes(std::uint8_t type) noexcept {
  return type < sizeof detail::kElementBytes ? detail::kElementBytes[type] : 0;
}

/// "f32" for VAC_F32; "?" for a number that is no type.
constexpr const char* type_name(std::uint8_t type) noexcept {
  return type < std::size(detail::kTypeNames) ? detail::kTypeNames[type] : "?";
}

/// Whether an array of that type can have that many bytes; never where the type has no width.
constexpr bool whole_elements(std::uint8_t type, std::uint64_t bytes) noexcept {
  const std::uint32_t width = element_bytes(type);
  return width != 0 && bytes % width == 0;
}

/// Whether it is a number type: a scalar's or an array's element.
constexpr bool is_number(std::uint8_t type) noexcept {
  return type >= VAC_BOOL && type <= VAC_C128;
}

/// Whether tensors can have elements of it.
constexpr bool is_tensor_element(std::uint8_t type) noexcept {
  return is_number(type) || type == VAC_STRING || type == VAC_OPAQUE;
}

/// The product of the sizes; nothing where one is negative or the product does not fit.
constexpr std::optional<std::uint64_t> element_count(std::span<const std::int64_t> dims) noexcept {
  std::uint64_t count = 1;
  bool empty = false;
  for (std::int64_t dim : dims) {
    if (dim < 0) return std::nullopt;
    if (dim == 0) empty = true;
    if (__builtin_mul_overflow(count, dim == 0 ? 1 : static_cast<std::uint64_t>(dim), &count)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : count;
}

/// Bytes of a numeric tensor of that shape; nothing where the shape is bad, too large, or the type
/// has no width.
constexpr std::optional<std::uint64_t> tensor_bytes(std::uint8_t type,
                                                    std::span<const std::int64_t> dims) noexcept {
  std::optional<std::uint64_t> count = element_count(dims);
  std::uint64_t bytes = 0;
  if (!count || element_bytes(type) == 0 ||
      __builtin_mul_overflow(*count, std::uint64_t{element_bytes(type)}, &bytes) ||
      bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return bytes;
}

/// Whether a tensor of `count` elements of that type can have that many bytes. Of a string tensor
/// this is the smallest size only; string_elements_fit() looks at its data.
constexpr bool element_bytes_fit(std::uint8_t type, std::uint64_t count,
                                 std::uint64_t bytes) noexcept {
  if (const std::uint64_t width = element_bytes(type); width != 0) {
    std::uint64_t product = 0;
    return !__builtin_mul_overflow(count, width, &product) && product == bytes;
  }
  if (count == 0) return bytes == 0;
  if (type == VAC_OPAQUE) return bytes % count == 0;
  return type == VAC_STRING && bytes / 8 >= count;
}

}  // namespace vac
