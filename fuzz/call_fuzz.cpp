// SPDX-License-Identifier: Apache-2.0
// A call's frame, as the agent decodes it: what is accepted lies inside the frame, passes the check
// of calls, and is the same when it is encoded and decoded once more.
#include <algorithm>
#include <vector>

#include "call/check.hpp"
#include "conformance/codec_suite.hpp"
#include "fuzz.hpp"
#include "wire/codec.hpp"

namespace vac::fuzz {
namespace {

using test::AlignedBytes;
using wire::FrameHeader;

constexpr std::uint64_t kLargestFrame = 1 << 20;

void require_inside(std::span<const std::byte> frame, std::uint64_t address, std::uint64_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(frame.data());
  require(address >= begin && address - begin <= frame.size() &&
              bytes <= frame.size() - (address - begin),
          "an argument lies outside its frame");
}

void require_inside(std::span<const std::byte> frame, const vac_call& call) {
  for (const vac_arg& record : std::span(call.args, call.arg_count)) {
    const bool data = record.form == VAC_ARRAY || record.form == VAC_TENSOR;
    if (!data || record.dir == VAC_OUT) continue;
    require(record.where == VAC_WHERE_INLINE, "an input lies nowhere");
    require_inside(frame, record.value, record.bytes);
    for (const std::int64_t& size : dims_of(record, call.meta)) {
      require_inside(frame, reinterpret_cast<std::uintptr_t>(&size), sizeof size);
    }
  }
}

std::span<const std::byte> payload_of(std::span<const std::byte> frame) {
  return frame.subspan(static_cast<std::size_t>(wire::head_bytes(wire::read_header(frame.data()))));
}

/// Whether all data is in the payload; the records are as they were sent.
bool has_inline_data_alone(std::span<const std::byte> frame) {
  const std::size_t count = wire::read_header(frame.data()).record_count;
  const auto* const records = reinterpret_cast<const vac_arg*>(frame.data() + sizeof(FrameHeader));
  return std::ranges::none_of(std::span(records, count),
                              [](const vac_arg& record) { return record.where == VAC_WHERE_META; });
}

void require_round_trip(const Op& op, const vac_call& call, std::span<const std::byte> sent) {
  wire::FrameEncoder encoder;
  const Status encoded = encoder.encode_call(call, 1, 0, kLargestFrame);
  require(encoded.has_value(), "a call that was accepted cannot be sent on");
  AlignedBytes frame = test::whole_frame(encoder);
  require(wire::check_header(wire::read_header(frame.data()), kLargestFrame).has_value(),
          "a frame of ours is not well formed");
  // Nothing but arguments in their order and zeros between them.
  require(!has_inline_data_alone(sent) || std::ranges::equal(payload_of(sent), payload_of(frame)),
          "a payload is accepted that holds more than the arguments");
  vac_call again{};
  require(wire::decode_call(op, frame.bytes(), again).has_value(), "a frame of ours is refused");
  const std::string difference = test::call_difference(op, call, again);
  require(difference.empty(), "sent on, the call differs: " + difference);
}

}  // namespace

/// The operation's number in the table, and the frame.
void fuzz_one(std::span<const std::byte> input) {
  Input in(input);
  const Op& op = op_of(in.take<std::uint8_t>());
  AlignedBytes frame(in.rest());
  const AlignedBytes sent(frame.bytes());
  if (frame.size() >= sizeof(FrameHeader)) {
    // As the connection does, before anything of a frame is used.
    const Status header = wire::check_header(wire::read_header(frame.data()), kLargestFrame);
    if (!header) return require_text(header.error());
  }
  vac_call call{};
  if (const Status decoded = wire::decode_call(op, frame.bytes(), call); !decoded) {
    require_text(decoded.error());
    require(decoded.error().text().starts_with(op.name), "an error does not name the operation");
    return;
  }
  require(call.op == op.id, "a call is taken for another");
  const std::span<const vac_arg> records(call.args, call.arg_count);
  require(call_is_sound(op, records, {call.meta, call.meta_bytes}),
          "a call is accepted that is not sound");
  require_inside(frame, call);
  require_round_trip(op, call, sent);
}

/// A fresh random call, or another one made of the bytes: with a header that says what follows.
std::size_t mutate(std::span<std::byte> room, std::size_t size, test::Random& random) {
  if (size < 1 + sizeof(FrameHeader) || random.one_in(8)) {
    const auto number = static_cast<std::uint8_t>(all_ops()[random.below(all_ops().size())].id);
    test::BuiltCall call = test::random_call(op_of(number), random);
    test::Codec codec;
    AlignedBytes frame = codec.call_frame(call.call());
    if (frame.size() >= room.size()) return size;
    room[0] = std::byte{number};
    std::ranges::copy(frame.bytes(), room.subspan(1).begin());
    return 1 + frame.size();
  }
  if (random.one_in(16)) return mutate_bytes(room, size);
  const auto frame = room.subspan(1);
  const std::size_t changed = sizeof(FrameHeader) + mutate_bytes(frame.subspan(sizeof(FrameHeader)),
                                                                 size - 1 - sizeof(FrameHeader));
  FrameHeader header = wire::read_header(frame.data());
  const Op& op = op_of(std::to_integer<std::uint8_t>(room[0]));
  header.magic = wire::kMagic;
  header.kind = wire::Kind::call;
  header.flags = 0;
  header.request = 1;
  header.code = op.id;
  header.queue_us = header.plugin_us = header.agent_us = 0;
  header.meta_bytes &= ~7U;
  const std::uint64_t head = std::min<std::uint64_t>(wire::head_bytes(header), changed);
  header.payload_bytes = (changed - head) & ~std::uint64_t{wire::kAlignment - 1};
  std::memcpy(frame.data(), &header, sizeof header);
  return 1 + static_cast<std::size_t>(head + header.payload_bytes);
}

}  // namespace vac::fuzz
