// SPDX-License-Identifier: Apache-2.0
// Whether an agent holds what it held before its clients came.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/process_state.hpp"

namespace vac::test {

// A sanitizer keeps memory and makes mappings of its own.
#if defined(VAC_SANITIZED)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// Beside main there was one thread, which had not allocated; one that came into being since has a
/// stack and an arena, two mappings each.
inline bool as_before(const ProcessState& now, const ProcessState& before) {
  return now.descriptors <= before.descriptors &&
         (kSanitized || now.mappings <= before.mappings + 2 + 4 * (now.threads - before.threads));
}

/// The same, and its memory is back but for 2 MiB.
inline bool trimmed_as_before(const ProcessState& now, const ProcessState& before) {
  constexpr std::uint64_t kSlack = std::uint64_t{2} << 20;
  return as_before(now, before) &&
         (kSanitized || now.resident_bytes <= before.resident_bytes + kSlack);
}

}  // namespace vac::test
