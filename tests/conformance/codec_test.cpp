// SPDX-License-Identifier: Apache-2.0
// Every operation of the table through the product's codec.
#include <gtest/gtest.h>

#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "conformance/codec_suite.hpp"

namespace vac {

// NOLINTNEXTLINE(readability-identifier-naming): the name that GoogleTest looks for
void PrintTo(const Op* op, std::ostream* out) { *out << op->name; }

}  // namespace vac

namespace vac::test {
namespace {

using wire::FrameHeader;
using wire::ListCount;
using wire::ReplyPart;

constexpr CallSizes kSmall{9, 2};

class EveryOp : public testing::TestWithParam<const Op*> {
 protected:
  const Op& op() const { return *GetParam(); }
  Codec codec_;
};

std::vector<const Op*> every_op() {
  std::vector<const Op*> all;
  for (const Op& op : all_ops()) all.push_back(&op);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Codec, EveryOp, testing::ValuesIn(every_op()),
                         [](const auto& info) { return std::string(info.param->name); });

/// Whether `bytes` from `data` on are part of `frame`; reads each of them.
void expect_inside(std::span<const std::byte> frame, const void* data, std::uint64_t bytes) {
  const auto* first = static_cast<const std::byte*>(data);
  ASSERT_GE(first, frame.data());
  ASSERT_LE(first, frame.data() + frame.size());
  ASSERT_LE(bytes, static_cast<std::uint64_t>(frame.data() + frame.size() - first));
  volatile unsigned sum = 0;
  for (std::uint64_t i = 0; i < bytes; ++i) sum = sum + std::to_integer<unsigned>(first[i]);
}

/// Decodes a frame that may be anything. What it gives refers to the frame alone.
bool decodes_call(const Op& op, AlignedBytes& frame) {
  vac_call call{};
  if (!wire::decode_call(op, frame.bytes(), call)) return false;
  for (std::uint32_t i = 0; i < call.arg_count; ++i) {
    const vac_arg& record = call.args[i];
    if (record.form == VAC_TENSOR && record.rank != 0) {
      expect_inside(frame, call.meta + record.meta, sizeof(std::int64_t) * record.rank);
    }
    const bool data = record.form == VAC_ARRAY || record.form == VAC_TENSOR;
    if (data && record.dir != VAC_OUT) {
      expect_inside(frame, reinterpret_cast<const void*>(record.value), record.bytes);
    }
  }
  return true;
}

/// The same for a reply's head. A reply that is refused leaves the call as it was.
bool decodes_reply(const Op& op, std::span<const std::byte> head, BuiltCall& call) {
  const std::vector<vac_arg> before = call.records();
  std::vector<ReplyPart> parts;
  std::vector<ListCount> list_counts;
  const Status status = wire::decode_reply(op, head, call.call(), parts, list_counts);
  if (!status) {
    EXPECT_EQ(status.error().code(), Errc::protocol);
    EXPECT_TRUE(before.empty() || std::memcmp(before.data(), call.records().data(),
                                              before.size() * sizeof(vac_arg)) == 0);
    return false;
  }
  const std::uint64_t payload_bytes = wire::read_header(head.data()).payload_bytes;
  for (const ReplyPart& part : parts) {
    if (part.rank != 0) expect_inside(head, part.dims, sizeof(std::int64_t) * part.rank);
    if (part.in_head != nullptr) {
      expect_inside(head, part.in_head, part.bytes);
    } else {
      EXPECT_LE(part.offset, payload_bytes);
      EXPECT_LE(part.bytes, payload_bytes - part.offset);
    }
  }
  call.records() = before;
  return true;
}

std::span<const std::byte> head_of(const AlignedBytes& frame) {
  const std::span<const std::byte> bytes = frame;
  return bytes.first(wire::head_bytes(wire::read_header(bytes.data())));
}

TEST_P(EveryOp, CallsArriveAsTheyWereSent) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    ASSERT_EQ(call_round_trip(op(), seed, codec_), "") << "seed " << seed;
  }
}

TEST_P(EveryOp, RepliesArriveAsTheyWereMade) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    ASSERT_EQ(reply_round_trip(op(), seed, codec_), "") << "seed " << seed;
  }
}

TEST_P(EveryOp, RefusesEveryTruncationOfACall) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Random random(seed);
    BuiltCall call = random_call(op(), random, kSmall);
    const AlignedBytes whole = codec_.call_frame(call.call());
    const std::span<const std::byte> bytes = whole;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      AlignedBytes frame(bytes.first(size));
      ASSERT_FALSE(decodes_call(op(), frame)) << "seed " << seed << ", " << size << " bytes";
    }
  }
}

/// Cut off, with a header that says so: what a liar sends.
TEST_P(EveryOp, RefusesCallsWhosePayloadIsCutOff) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed);
    BuiltCall call = random_call(op(), random, kSmall);
    const AlignedBytes whole = codec_.call_frame(call.call());
    const std::span<const std::byte> bytes = whole;
    const std::size_t head = head_of(whole).size();
    for (std::size_t size = head; size < bytes.size(); ++size) {
      AlignedBytes frame(bytes.first(size));
      reinterpret_cast<FrameHeader*>(frame.data())->payload_bytes = size - head;
      ASSERT_FALSE(decodes_call(op(), frame)) << "seed " << seed << ", " << size << " bytes";
    }
  }
}

TEST_P(EveryOp, RefusesEveryTruncationOfAReply) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Exchange exchange = random_exchange(op(), seed, codec_, kSmall);
    const auto head = head_of(exchange.reply);
    for (std::size_t size = 0; size < head.size(); ++size) {
      AlignedBytes frame(head.first(size));
      ASSERT_FALSE(decodes_reply(op(), frame, exchange.call))
          << "seed " << seed << ", " << size << " bytes";
    }
  }
}

TEST_P(EveryOp, RefusesRepliesWithFewerRecords) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Exchange exchange = random_exchange(op(), seed, codec_, kSmall);
    const FrameHeader whole = wire::read_header(exchange.reply.data());
    for (std::uint16_t count = 0; count < whole.record_count; ++count) {
      AlignedBytes frame(head_of(exchange.reply));
      auto* header = reinterpret_cast<FrameHeader*>(frame.data());
      header->record_count = count;
      header->meta_bytes +=
          static_cast<std::uint32_t>((whole.record_count - count) * sizeof(vac_arg));
      ASSERT_FALSE(decodes_reply(op(), frame, exchange.call)) << "seed " << seed << ", " << count;
    }
  }
}

/// Every byte of the head takes values that tend to break things; length fields above all.
template <class Decode>
void change_each_byte(std::span<const std::byte> frame, std::size_t head, Decode decode) {
  for (std::size_t at = 0; at < head; ++at) {
    for (const int change : {0x01, 0x80, 0xff, 0x40}) {
      AlignedBytes changed(frame);
      changed.data()[at] ^= static_cast<std::byte>(change);
      decode(changed);
    }
  }
}

TEST_P(EveryOp, ChangedBytesOfACallDoNoHarm) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    Random random(seed);
    BuiltCall call = random_call(op(), random, kSmall);
    const AlignedBytes whole = codec_.call_frame(call.call());
    change_each_byte(whole, head_of(whole).size(),
                     [this](AlignedBytes& frame) { decodes_call(op(), frame); });
  }
}

TEST_P(EveryOp, ChangedBytesOfAReplyDoNoHarm) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    Exchange exchange = random_exchange(op(), seed, codec_, kSmall);
    const auto head = head_of(exchange.reply);
    change_each_byte(head, head.size(), [this, &exchange](AlignedBytes& frame) {
      decodes_reply(op(), frame, exchange.call);
    });
  }
}

TEST_P(EveryOp, RandomRecordsDoNoHarm) {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    BuiltCall call = random_call(op(), random, kSmall);
    AlignedBytes frame = codec_.call_frame(call.call());
    const std::size_t head = head_of(frame).size();
    const std::size_t records = head - sizeof(FrameHeader);
    for (int change = 0; change < 3 && records != 0; ++change) {
      const std::size_t at = sizeof(FrameHeader) + random.below(records / 8) * 8;
      const std::uint64_t value = random.pick<std::uint64_t>(
          {0, 1, 64, 0xffff'ffff, 0xffff'fffe, UINT64_MAX, UINT64_MAX - 63, 1ULL << 63,
           random.next(), random.below(4096)});
      std::memcpy(frame.data() + at, &value, sizeof value);
    }
    decodes_call(op(), frame);
  }
}

}  // namespace
}  // namespace vac::test
