// SPDX-License-Identifier: Apache-2.0
// The frame: the one unit of the protocol, both ways. docs/protocol.md is the specification.
#pragma once

#include <vac/call.h>
#include <vac/result.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vac::wire {

static_assert(std::endian::native == std::endian::little, "frames are little-endian in memory");

inline constexpr std::uint32_t kMagic = 0x31434156;  // "VAC1"
inline constexpr std::size_t kAlignment = 64;
inline constexpr std::uint32_t kMaxMetaBytes = 65536;
inline constexpr std::uint64_t kMaxInlinePayload = 4ULL << 20;  // above: data frames
inline constexpr std::uint64_t kMaxDataPayload = 256ULL << 10;
inline constexpr std::uint32_t kMaxCallsInFlight = 64;
inline constexpr std::uint32_t kMaxMessageBytes = 1024;  // of an error's text
inline constexpr std::uint64_t kMaxDataInMeta = 256;     // of one argument
inline constexpr std::size_t kMaxHelloBytes = 4096;      // of the whole frame
inline constexpr std::uint32_t kVersion = 1;
/// What to do about VAC_EMSGSIZE, for people.
inline constexpr const char* kLargestFrameRemedy =
    "split the data, or raise frame in [limits] of the agent's configuration";

enum class Kind : std::uint8_t {
  hello = 1,
  call = 2,
  reply = 3,
  cancel = 4,
  data = 5,
  goodbye = 6
};
inline constexpr std::uint8_t kFlagPayloadFollows = 1;

struct FrameHeader {
  std::uint32_t magic = kMagic;
  Kind kind = Kind::call;
  std::uint8_t flags = 0;
  std::uint16_t record_count = 0;
  std::uint64_t request = 0;
  std::uint32_t code = 0;
  std::uint32_t meta_bytes = 0;
  std::uint64_t payload_bytes = 0;
  std::uint32_t detail =
      0;  ///< call: deadline_us, the time left, 0 none; reply: the framework's own code
  std::uint32_t queue_us = 0;
  std::uint32_t plugin_us = 0;
  std::uint32_t agent_us = 0;
  std::uint8_t trace[16] = {};
};
static_assert(sizeof(FrameHeader) == 64);

constexpr std::uint64_t align_up(std::uint64_t bytes) noexcept {
  return (bytes + (kAlignment - 1)) & ~std::uint64_t{kAlignment - 1};
}

/// Header, records, meta and padding: where the payload begins.
constexpr std::uint64_t head_bytes(const FrameHeader& header) noexcept {
  return align_up(sizeof(FrameHeader) + sizeof(vac_arg) * std::uint64_t{header.record_count} +
                  header.meta_bytes);
}
/// What follows on the stream as this frame: the head, and the payload unless it comes in data
/// frames.
constexpr std::uint64_t frame_bytes(const FrameHeader& header) noexcept {
  return head_bytes(header) +
         ((header.flags & kFlagPayloadFollows) != 0 ? 0 : header.payload_bytes);
}

/// How many bytes of regions the records of a call's frame name as inputs, checked or not;
/// saturated. `frame`: its head at least.
std::uint64_t region_input_bytes(std::span<const std::byte> frame) noexcept;

/// The header at the start of `bytes`, which are at least sizeof(FrameHeader); they need not be
/// aligned.
inline FrameHeader read_header(const std::byte* bytes) noexcept {
  FrameHeader header;
  std::memcpy(&header, bytes, sizeof header);
  return header;
}

/// Checks the fixed rules of a header, and frame size (announced payload included) <=
/// largest_frame. A failure is VAC_EPROTO and ends the connection, but VAC_EMSGSIZE: a frame that
/// is well formed and too large, which is discarded and answered. After either success the sums
/// above cannot overflow.
Status check_header(const FrameHeader& header, std::uint64_t largest_frame);

}  // namespace vac::wire
