// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.hpp"

#include <cstring>

#include "base/text.hpp"
#include "wire/regions.hpp"

namespace vac::wire {
namespace {

/// What a kind of frame may carry. A field that a kind does not use is zero, so that it can get a
/// meaning later.
struct KindRules {
  const char* name;
  bool request, code, records, flag, detail, times, trace;
  std::uint32_t meta_bytes;
  std::uint64_t payload_bytes;
};

constexpr KindRules kRules[] = {
    {},
    {"hello", false, false, false, false, false, false, false, kMaxHelloBytes - sizeof(FrameHeader),
     0},
    {"call", true, true, true, true, true, false, true, kMaxMetaBytes, UINT64_MAX},
    {"reply", true, true, true, true, true, true, true, kMaxMetaBytes, UINT64_MAX},
    {"cancel", true, false, false, false, false, false, false, 0, 0},
    {"data", true, true, false, false, false, false, false, 0, kMaxDataPayload},
    {"goodbye", false, true, false, false, false, false, false, kMaxMessageBytes, 0},
};

/// The field that breaks the rules of its kind; nullptr for none.
const char* misused_field(const FrameHeader& header, const KindRules& rules) noexcept {
  if ((header.flags & ~(rules.flag ? kFlagPayloadFollows : 0)) != 0) return "flags";
  if (rules.request != (header.request != 0)) return "request";
  if (!rules.code && header.code != 0) return "code";
  if (header.record_count > (rules.records ? VAC_MAX_RECORDS : 0)) return "record_count";
  if (header.meta_bytes > rules.meta_bytes || header.meta_bytes % 8 != 0) return "meta_bytes";
  if (header.payload_bytes > rules.payload_bytes || header.payload_bytes % kAlignment != 0) {
    return "payload_bytes";
  }
  if (!rules.detail && header.detail != 0) return "detail";
  if (!rules.times && (header.queue_us | header.plugin_us | header.agent_us) != 0) return "times";
  constexpr std::uint8_t kNoTrace[sizeof header.trace] = {};
  if (!rules.trace && std::memcmp(header.trace, kNoTrace, sizeof kNoTrace) != 0) return "trace";
  return nullptr;
}

/// The rules between fields.
const char* contradiction(const FrameHeader& header) noexcept {
  const bool follows = (header.flags & kFlagPayloadFollows) != 0;
  switch (header.kind) {
    case Kind::call:
      if (header.code == 0) return "code";
      break;
    case Kind::reply:
      if (header.code == 0) break;
      if (header.record_count != 0) return "record_count";
      if (header.payload_bytes != 0) return "payload_bytes";
      if (header.meta_bytes > kMaxMessageBytes) return "meta_bytes";
      break;
    case Kind::data:  // either bytes, or the end of them
      return (header.code == 0) == (header.payload_bytes == 0) ? "payload_bytes" : nullptr;
    default:
      return nullptr;
  }
  return follows == (header.payload_bytes > kMaxInlinePayload) ? nullptr : "flags";
}

}  // namespace

Status check_header(const FrameHeader& header, std::uint64_t largest_frame) {
  if (header.magic != kMagic) [[unlikely]] {
    return Error{Errc::protocol,
                 "the peer does not speak vAccel's protocol, or the stream lost its place: a frame "
                 "does not begin with VAC1"};
  }
  const auto kind = static_cast<std::uint8_t>(header.kind);
  if (kind == 0 || kind >= sizeof kRules / sizeof *kRules) [[unlikely]] {
    return Error{Errc::protocol, concat("the peer sent a frame of the unknown kind ", kind)};
  }
  const KindRules& rules = kRules[kind];
  const char* wrong = misused_field(header, rules);
  if (wrong == nullptr) wrong = contradiction(header);
  if (wrong != nullptr) [[unlikely]] {
    return Error{Errc::protocol, concat("the peer sent a ", rules.name, " frame whose field ",
                                        wrong, " breaks the protocol")};
  }
  const std::uint64_t head = head_bytes(header);
  if (header.payload_bytes > largest_frame || head > largest_frame - header.payload_bytes)
      [[unlikely]] {
    return Error{Errc::message_size, concat("the ", rules.name, " frame has ", header.payload_bytes,
                                            " bytes of payload, a frame may have ", largest_frame,
                                            " bytes in all: ", kLargestFrameRemedy)};
  }
  return {};
}

std::uint64_t region_input_bytes(std::span<const std::byte> frame) noexcept {
  const FrameHeader header = read_header(frame.data());
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < header.record_count; ++i) {
    vac_arg record;
    std::memcpy(&record, frame.data() + sizeof header + i * sizeof record, sizeof record);
    if ((record.dir & VAC_IN) == 0 || !names_region(record.where)) continue;
    if (__builtin_add_overflow(sum, record.bytes, &sum)) return UINT64_MAX;
  }
  return sum;
}

}  // namespace vac::wire
