// SPDX-License-Identifier: Apache-2.0
// An application may name one piece of memory twice in a call. A loop that reads what it has
// written gives numbers that nobody asked for.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace vac::reference {

/// Two arguments by name, as error texts call them.
struct Pair {
  const char* output;
  const char* input;
};

/// Whether the output may be the input itself.
enum class Same : std::uint8_t { allowed, refused };

/// VAC_EINVAL where the two have bytes in common.
template <class Out, class In>
Status refuse_overlap(Pair names, std::span<Out> output, std::span<In> input, Same same) {
  const auto begin = reinterpret_cast<std::uintptr_t>(output.data());
  const auto other = reinterpret_cast<std::uintptr_t>(input.data());
  if (output.empty() || input.empty() || begin >= other + input.size_bytes() ||
      other >= begin + output.size_bytes()) {
    return {};
  }
  if (same == Same::allowed && begin == other) return {};
  return Error{Errc::invalid, std::string(names.output) + " overlaps " + names.input +
                                  ": give it memory of its own"};
}

}  // namespace vac::reference
