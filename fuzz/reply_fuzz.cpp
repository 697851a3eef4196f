// SPDX-License-Identifier: Apache-2.0
// A reply's frame, as the client decodes it: its parts lie inside the frame one behind the other,
// and a reply that is refused has changed nothing of the call.
#include <algorithm>
#include <vector>

#include "call/check.hpp"
#include "call/types.hpp"
#include "conformance/codec_suite.hpp"
#include "fuzz.hpp"
#include "wire/codec.hpp"

namespace vac::fuzz {
namespace {

using test::AlignedBytes;
using wire::FrameHeader;

constexpr std::uint64_t kLargestFrame = 1 << 20;

test::BuiltCall call_of(const Op& op, std::uint8_t seed) {
  test::Random random(seed);
  return test::random_call(op, random);
}

bool same(std::span<const vac_arg> a, std::span<const vac_arg> b) {
  return std::ranges::equal(
      a, b, [](const vac_arg& x, const vac_arg& y) { return std::memcmp(&x, &y, sizeof x) == 0; });
}

void require_part(const wire::ReplyPart& part, std::span<const std::byte> head,
                  std::uint64_t& offset) {
  if (part.in_head != nullptr) {
    const auto at = static_cast<std::uint64_t>(part.in_head - head.data());
    require(at <= head.size() && part.bytes <= head.size() - at, "a result lies outside the head");
  } else {
    require(part.offset == offset, "a result does not begin where the one before it ends");
    offset += wire::align_up(part.bytes);
  }
  require(part.rank <= VAC_MAX_RANK, "a result has too many dimensions");
  if (part.form != VAC_TENSOR) return;
  const auto count = element_count({part.dims, part.rank});
  require(count && element_bytes_fit(part.type, *count, part.bytes),
          "a tensor's size does not fit its shape");
}

}  // namespace

/// The operation's number in the table, the seed of the call that is answered, and the reply.
void fuzz_one(std::span<const std::byte> input) {
  Input in(input);
  const Op& op = op_of(in.take<std::uint8_t>());
  test::BuiltCall built = call_of(op, in.take<std::uint8_t>());
  vac_call& call = built.call();
  const AlignedBytes frame(in.rest());
  const std::span<const std::byte> bytes = frame;
  if (bytes.size() < sizeof(FrameHeader)) return;
  const FrameHeader header = wire::read_header(bytes.data());
  if (const Status good = wire::check_header(header, kLargestFrame); !good) {
    return require_text(good.error());
  }
  const std::uint64_t head_size = std::min<std::uint64_t>(wire::head_bytes(header), bytes.size());
  // Of exactly its size, so that a sanitizer sees every access beside it.
  const AlignedBytes head_copy(bytes.first(static_cast<std::size_t>(head_size)));
  const std::span<const std::byte> head = head_copy;
  const std::string text = wire::failure_text(head);
  if (!text.empty()) require_text(text);

  const std::vector<vac_arg> before = built.records();
  std::vector<wire::ReplyPart> parts;
  std::vector<wire::ListCount> counts;
  if (const Status read = wire::decode_reply(op, head, call, parts, counts); !read) {
    require_text(read.error());
    require(read.error().code() == Errc::protocol, "a bad reply is no breach of the protocol");
    require(same(built.records(), before), "a reply that is refused has changed the call");
    return;
  }
  std::uint64_t offset = 0;
  for (const wire::ReplyPart& part : parts) {
    require(part.arg < op.args.size(), "a result is of no argument");
    require(part.record == UINT32_MAX || part.record < call.arg_count, "a result is of no record");
    require_part(part, head, offset);
  }
  require(offset == header.payload_bytes, "results and payload differ in size");
  for (const wire::ListCount& list : counts) {
    require(list.arg < op.args.size() && list.count <= VAC_MAX_RECORDS, "a list has no end");
  }
}

std::size_t mutate(std::span<std::byte> room, std::size_t size, test::Random& random) {
  constexpr std::size_t kBefore = 2;
  if (size < kBefore + sizeof(FrameHeader) || random.one_in(8)) {
    const auto number = static_cast<std::uint8_t>(all_ops()[random.below(all_ops().size())].id);
    const auto seed = static_cast<std::uint8_t>(random.next());
    test::Codec codec;
    test::Exchange exchange = test::random_exchange(op_of(number), seed, codec);
    if (exchange.reply.size() + kBefore > room.size()) return size;
    room[0] = std::byte{number};
    room[1] = std::byte{seed};
    std::ranges::copy(exchange.reply.bytes(), room.subspan(kBefore).begin());
    return kBefore + exchange.reply.size();
  }
  if (random.one_in(16)) return mutate_bytes(room, size);
  const auto frame = room.subspan(kBefore);
  const std::size_t changed =
      sizeof(FrameHeader) +
      mutate_bytes(frame.subspan(sizeof(FrameHeader)), size - kBefore - sizeof(FrameHeader));
  FrameHeader header = wire::read_header(frame.data());
  header.magic = wire::kMagic;
  header.kind = wire::Kind::reply;
  header.flags = 0;
  header.request = 1;
  header.meta_bytes &= ~7U;
  const std::uint64_t head = std::min<std::uint64_t>(wire::head_bytes(header), changed);
  header.payload_bytes = (changed - head) & ~std::uint64_t{wire::kAlignment - 1};
  std::memcpy(frame.data(), &header, sizeof header);
  return kBefore + static_cast<std::size_t>(head + header.payload_bytes);
}

}  // namespace vac::fuzz
