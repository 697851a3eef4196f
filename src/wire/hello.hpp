// SPDX-License-Identifier: Apache-2.0
// The handshake: one hello each way, or goodbye.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "wire/frame.hpp"

namespace vac::wire {

inline constexpr std::size_t kMaxClientNameBytes = 64;
inline constexpr std::size_t kMaxTokenBytes = 2048;
/// No side may announce less: heads, errors and small calls always fit.
inline constexpr std::uint64_t kMinLargestFrame = 128ULL << 10;

/// What one side announces; what a hello leaves out has the value given here.
struct Hello {
  std::uint32_t version_min = kVersion;
  std::uint32_t version_max = kVersion;
  std::uint64_t features = 0;
  std::uint32_t calls_in_flight = kMaxCallsInFlight;
  std::string client_name;  ///< <= 64 bytes UTF-8, no control characters
  std::string token;        ///< <= 2,048 bytes of any kind
  std::uint32_t region_kinds = 0;
  std::uint64_t largest_frame = 4ULL << 30;
};

/// The whole hello frame, at most kMaxHelloBytes. A name that is too long or not fit is mended, a
/// token that is too long cut.
std::vector<std::byte> encode_hello(const Hello& hello);
/// `frame`: header and meta. Unknown tags are ignored; a known one twice, of a wrong size or with a
/// senseless value is refused (VAC_EPROTO).
Result<Hello> decode_hello(std::span<const std::byte> frame);
/// What both sides keep to: highest common version, lower limits, common features. VAC_EPROTO with
/// a readable text without a common version. Name and token are the peer's.
Result<Hello> negotiate(const Hello& ours, const Hello& theirs);

}  // namespace vac::wire
