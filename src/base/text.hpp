// SPDX-License-Identifier: Apache-2.0
// Text for people: building messages, sizes to and from words, and "did you mean". No locale.
#pragma once

#include <vac/result.hpp>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/utf8.hpp"

namespace vac {
namespace detail {

template <class Part>
void append_part(std::string& out, const Part& part) {
  if constexpr (std::is_same_v<Part, bool>) {
    out += part ? "true" : "false";
  } else if constexpr (std::is_same_v<Part, char>) {
    out += part;
  } else if constexpr (std::is_arithmetic_v<Part>) {
    char digits[64];
    const auto [end, failure] = std::to_chars(digits, digits + sizeof digits, part);
    (void)failure;  // 64 characters hold the shortest form of every arithmetic type
    out.append(digits, end);
  } else {
    out += std::string_view(part);
  }
}

}  // namespace detail

/// Joins its parts: text as it is, numbers in decimal (floating point in the shortest form that
/// reads back the same), a bool as true or false, a char as itself.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (detail::append_part(out, parts), ...);
  return out;
}

/// The same where nothing may be thrown: empty if there is no memory for it.
template <class... Parts>
std::string concat_if_possible(const Parts&... parts) noexcept {
  try {
    return concat(parts...);
  } catch (const std::bad_alloc&) {
    return {};
  }
}

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(std::span<const std::byte> bytes);

/// How many letters must be changed, added, dropped or swapped with their neighbour to turn one
/// word into the other; anything above `limit` is limit + 1.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit);

/// The mistakes forgiven in a word of that length: 1 up to five letters, then 2, from nine on 3.
constexpr std::size_t forgiven_mistakes(std::size_t letters) noexcept {
  return letters <= 5 ? 1 : letters <= 8 ? 2 : 3;
}

/// The candidate that a mistyped `word` most likely stands for, the first of several equally near;
/// empty if none is near. `candidates` is any range of texts.
template <class Range>
std::string nearest(std::string_view word, const Range& candidates) {
  std::string best;
  std::size_t least = forgiven_mistakes(word.size()) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate, least - 1);
    if (distance < least) {
      least = distance;
      best = std::string_view(candidate);
    }
  }
  return best;
}

/// "512 bytes", "18.6 MB", "1.0 GB": powers of 1,000, one decimal.
std::string format_bytes(std::uint64_t bytes);

/// Reads a size: a whole number and B, kB, MB, GB, TB (powers of 1,000) or KiB, MiB, GiB, TiB
/// (powers of 1,024), with at most one space between; without a unit it is bytes. Case counts.
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace vac
