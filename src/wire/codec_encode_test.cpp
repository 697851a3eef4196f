// SPDX-License-Identifier: Apache-2.0
// What FrameEncoder promises beside the bytes, which tests/conformance compares.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "support/built_call.hpp"
#include "support/frame_bytes.hpp"
#include "wire/codec.hpp"

namespace vac::wire {
namespace {

using test::BuiltCall;
using Output = FrameEncoder::Output;

constexpr std::uint64_t kLargest = 1ULL << 30;

/// Different at every place that a mistake could confuse with it.
std::vector<std::byte> some_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i ^ i >> 8 ^ i >> 16);
  return bytes;
}

BuiltCall noop(std::size_t size) {
  BuiltCall call(find_op("noop")->id);
  call.array(VAC_BYTE, some_bytes(size));
  return call;
}

BuiltCall model_run(const std::vector<std::size_t>& tensors) {
  BuiltCall call(find_op("model_run")->id);
  const auto count = static_cast<std::uint32_t>(tensors.size());
  call.resource(1).list(VAC_IN, count);
  for (std::size_t i = 0; i < tensors.size(); ++i) call.string("input");
  call.list(VAC_IN, count);
  for (const std::size_t size : tensors) {
    call.tensor(VAC_U8, {static_cast<std::int64_t>(size)}, some_bytes(size));
  }
  call.list(VAC_IN, 0).absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
  return call;
}

FrameHeader encode(FrameEncoder& encoder, BuiltCall& call) {
  const Status status = encoder.encode_call(call.call(), 1, 0, kLargest);
  EXPECT_TRUE(status) << status.error().text();
  const std::span<const iovec> pieces = encoder.frame();
  std::size_t sum = 0;
  for (const iovec& piece : pieces) sum += piece.iov_len;
  EXPECT_EQ(sum, encoder.frame_size());
  EXPECT_LE(pieces.size(), 2 * std::size_t{call.call().arg_count} + 2);
  return encoder.header();
}

TEST(FrameEncoder, ASmallFrameIsOnePiece) {
  FrameEncoder encoder;
  for (const std::size_t size : {0, 1, 64, 1000, 4096}) {
    BuiltCall call = noop(size);
    encode(encoder, call);
    EXPECT_EQ(encoder.frame().size(), 1U) << size;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(encoder.frame()[0].iov_base) % kAlignment, 0U);
  }
}

TEST(FrameEncoder, LargePayloadStaysWhereItIs) {
  FrameEncoder encoder;
  BuiltCall call = noop(100'000);
  encode(encoder, call);
  const auto pieces = encoder.frame();
  ASSERT_EQ(pieces.size(), 3U);  // head, payload, padding
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pieces[1].iov_base), call.records()[0].value);
  EXPECT_EQ(pieces[1].iov_len, 100'000U);
  EXPECT_EQ(pieces[2].iov_len, align_up(100'000) - 100'000);
}

TEST(FrameEncoder, SmallPartsAroundLargeOnesAreGatheredTogether) {
  FrameEncoder encoder;
  BuiltCall call = model_run({10'000, 3, 5, 20'000, 64});
  encode(encoder, call);
  // Head and names; tensor; padding and two small tensors; tensor; padding and the last one.
  EXPECT_EQ(encoder.frame().size(), 5U);
}

TEST(FrameEncoder, AllocatesNothingInTheSteadyState) {
  FrameEncoder encoder;
  BuiltCall small = noop(64);
  BuiltCall large = model_run({10'000, 3, 5 << 20});
  const auto round = [&] {
    for (BuiltCall* call : {&small, &large}) {
      ASSERT_TRUE(encoder.encode_call(call->call(), 1, 0, kLargest));
      while (encoder.payload_follows() && !encoder.next_data_frame().empty()) {
      }
    }
    encoder.encode_failure(1, VAC_EIO, 0, "short text");
  };
  round();
  const std::size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 100; ++i) round();
  EXPECT_EQ(mallinfo2().uordblks, before);
}

TEST(FrameEncoder, PayloadUpTo4MiBStaysInItsFrame) {
  FrameEncoder encoder;
  BuiltCall call = noop(4 << 20);
  const FrameHeader header = encode(encoder, call);
  EXPECT_FALSE(encoder.payload_follows());
  EXPECT_EQ(header.flags, 0);
  EXPECT_TRUE(check_header(header, kLargest));
  EXPECT_TRUE(encoder.next_data_frame().empty());
}

TEST(FrameEncoder, LargerPayloadFollowsInDataFrames) {
  FrameEncoder encoder;
  BuiltCall call = model_run({3, (4 << 20) + 100, 7, 300'000});
  const FrameHeader header = encode(encoder, call);
  ASSERT_TRUE(encoder.payload_follows());
  EXPECT_TRUE(check_header(header, kLargest));
  EXPECT_EQ(encoder.frame_size(), head_bytes(header));

  std::vector<std::byte> payload;
  for (auto pieces = encoder.next_data_frame(); !pieces.empty();
       pieces = encoder.next_data_frame()) {
    ASSERT_EQ(pieces[0].iov_len, sizeof(FrameHeader));
    const FrameHeader data = read_header(static_cast<const std::byte*>(pieces[0].iov_base));
    EXPECT_TRUE(check_header(data, kLargest));
    EXPECT_EQ(data.kind, Kind::data);
    EXPECT_EQ(data.request, header.request);
    const std::size_t before = payload.size();
    test::append(payload, pieces.subspan(1));
    EXPECT_EQ(payload.size() - before, data.payload_bytes);
    if (payload.size() < header.payload_bytes) {
      EXPECT_EQ(data.payload_bytes, kMaxDataPayload);
    }
  }
  ASSERT_EQ(payload.size(), header.payload_bytes);
  const vac_arg& tensor = call.records()[8];
  ASSERT_EQ(tensor.bytes, (4U << 20) + 100);
  // Four names and the first tensor of 3 bytes come before it, each in 64 bytes.
  EXPECT_EQ(std::memcmp(payload.data() + 5 * kAlignment,
                        reinterpret_cast<const void*>(tensor.value), tensor.bytes),
            0);
}

TEST(FrameEncoder, RefusesWhatThePeerDoesNotTake) {
  FrameEncoder encoder;
  BuiltCall call = noop(1000);
  EXPECT_TRUE(encoder.encode_call(call.call(), 1, 0, 128 + 1024));
  const Status status = encoder.encode_call(call.call(), 1, 0, 128 + 1023);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Errc::message_size);
  call.records()[0].bytes = UINT64_MAX - 1;
  EXPECT_FALSE(encoder.encode_call(call.call(), 1, 0, kLargest));
}

TEST(FrameEncoder, RefusesTooManyShapes) {
  FrameEncoder encoder;
  BuiltCall call = noop(1);
  call.call().meta_bytes = 0;
  vac_call& made = call.call();
  std::vector<char> meta(65544);
  made.meta = meta.data();
  made.meta_bytes = 65544;
  const Status status = encoder.encode_call(made, 1, 0, kLargest);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Errc::invalid);
  made.meta_bytes = 65536;
  EXPECT_TRUE(encoder.encode_call(made, 1, 0, kLargest));
}

TEST(FrameEncoder, LeavesNoPointerInAFrame) {
  FrameEncoder encoder;
  BuiltCall call(find_op("fpga_arraycopy")->id);
  call.array(VAC_I32, some_bytes(40)).out_array_in_place(VAC_I32, 40);
  encode(encoder, call);
  const auto frame = test::whole_frame(encoder);
  const std::span<const std::byte> bytes = frame;
  for (const vac_arg& record : call.records()) {
    const auto pointer = std::as_bytes(std::span(&record.value, 1));
    EXPECT_TRUE(std::ranges::search(bytes, pointer).empty());
  }
}

/// A region in which everything lies.
class Everywhere final : public RegionMap {
 public:
  std::optional<RegionPart> find(const void* /*data*/, std::uint64_t /*bytes*/) override {
    return RegionPart{3, 64};
  }
};

/// The callee copies and checks it in any case.
TEST(FrameEncoder, SendsTextThatLiesInARegion) {
  BuiltCall call(find_op("noop")->id);
  const std::vector<std::byte> strings = some_bytes(17);
  call.string("text").tensor(VAC_STRING, {1}, strings).array(VAC_CHAR, some_bytes(40), VAC_INOUT);
  call.bytes("bytes").tensor(VAC_U8, {17}, strings).out_array_in_place(VAC_CHAR, 40);
  FrameEncoder encoder;
  Everywhere regions;
  ASSERT_TRUE(encoder.encode_call(call.call(), 1, 0, kLargest, &regions));
  EXPECT_EQ(encoder.header().payload_bytes, 3 * 64U);
  test::AlignedBytes frame = test::whole_frame(encoder);
  const auto* const records = reinterpret_cast<const vac_arg*>(frame.data() + sizeof(FrameHeader));
  for (const std::size_t sent : {0, 1, 2}) {
    EXPECT_EQ(records[sent].where, VAC_WHERE_INLINE) << sent;
    EXPECT_EQ(records[sent].value, 64 * sent);
  }
  for (const std::size_t named : {3, 4, 5}) EXPECT_EQ(records[named].where, 3U) << named;
  ASSERT_EQ(encoder.placed().size(), 1U);
  EXPECT_EQ(encoder.placed()[0].record, 5U);
}

/// Replies of an operation with one output list, one of each kind of output, and their faults.
class ReplyTest : public testing::Test {
 protected:
  static Output output(std::uint32_t arg, std::uint32_t child, std::vector<std::byte>& data,
                       std::uint8_t type, const std::vector<std::int64_t>& dims) {
    Output made{arg, child, data.data(), data.size(), type, static_cast<std::uint8_t>(dims.size()),
                {}};
    std::ranges::copy(dims, made.dims);
    return made;
  }

  std::string fault(const char* name, BuiltCall& call, std::vector<Output> outputs) {
    const Status status =
        encoder_.encode_reply(*find_op(name), call.call(), outputs, 1, 0, kLargest);
    if (status) return "";
    EXPECT_EQ(status.error().code(), Errc::failed);
    return status.error().text();
  }

  const vac_arg& record(std::size_t index) {
    frame_ = std::make_unique<test::AlignedBytes>(test::whole_frame(encoder_));
    return reinterpret_cast<const vac_arg*>(frame_->data() + sizeof(FrameHeader))[index];
  }

  FrameEncoder encoder_;
  std::unique_ptr<test::AlignedBytes> frame_;
  std::vector<std::byte> data_ = some_bytes(24);
};

TEST_F(ReplyTest, TensorsAreDescribedByThePlugin) {
  BuiltCall call = model_run({4});
  EXPECT_EQ(fault("model_run", call, {output(5, 0, data_, VAC_F32, {2, 3})}), "");
  EXPECT_EQ(record(0).count, 1U);
  EXPECT_EQ(record(1).type, VAC_F32);
  EXPECT_EQ(record(1).rank, 2);
}

TEST_F(ReplyTest, AListWithAGapIsAFault) {
  BuiltCall call = model_run({4});
  EXPECT_EQ(fault("model_run", call, {output(5, 1, data_, VAC_F32, {2, 3})}),
            "the plugin failed: it made 2 items of output 'outputs' and left out item 0");
}

TEST_F(ReplyTest, ASizeThatDoesNotFitTheShapeIsAFault) {
  BuiltCall call = model_run({4});
  for (const auto& dims : std::vector<std::vector<std::int64_t>>{{2, 2}, {-2, -3}, {7}}) {
    EXPECT_EQ(fault("model_run", call, {output(5, 0, data_, VAC_F32, dims)}),
              "the plugin failed: output 'outputs' item 0 has a size that does not fit its shape");
  }
  EXPECT_EQ(fault("model_run", call, {output(5, 0, data_, VAC_RESOURCE, {3})}),
            "the plugin failed: output 'outputs' item 0 is no tensor");
}

TEST_F(ReplyTest, TooManyOutputsAreAFault) {
  BuiltCall call = model_run({4});
  EXPECT_EQ(fault("model_run", call, {output(5, 4'000'000'000, data_, VAC_F32, {2, 3})}),
            "the plugin failed: it made more than 256 outputs in one call");
}

TEST_F(ReplyTest, AnArrayIsWholeElements) {
  BuiltCall call(find_op("fpga_arraycopy")->id);
  call.array(VAC_I32, some_bytes(8)).out_array(VAC_I32, VAC_ANY_BYTES);
  std::vector<std::byte> odd(7);
  EXPECT_EQ(fault("fpga_arraycopy", call, {output(1, 0, odd, VAC_I32, {})}),
            "the plugin failed: output 'out_a' ends in the middle of an element");
}

TEST_F(ReplyTest, AnArrayThatWasNotMadeIsEmpty) {
  BuiltCall call(find_op("fpga_arraycopy")->id);
  call.array(VAC_I32, some_bytes(8)).out_array(VAC_I32, VAC_ANY_BYTES);
  EXPECT_EQ(fault("fpga_arraycopy", call, {}), "");
  EXPECT_EQ(record(0).bytes, 0U);
}

TEST_F(ReplyTest, TheLastOutputWins) {
  BuiltCall call(find_op("fpga_arraycopy")->id);
  call.array(VAC_I32, some_bytes(8)).out_array_in_place(VAC_I32, 8);
  std::vector<std::byte> first(4);
  EXPECT_EQ(fault("fpga_arraycopy", call,
                  {output(1, 0, first, VAC_I32, {}), output(1, 0, data_, VAC_I32, {})}),
            "");
  EXPECT_EQ(record(0).bytes, data_.size());
}

TEST_F(ReplyTest, ScalarsAreCutToTheirType) {
  BuiltCall call(find_op("region_open")->id);
  call.scalar(VAC_U64, 1).scalar(VAC_U32, 1);
  call.out_scalar(VAC_U32).out_scalar(VAC_U32).out_scalar(VAC_U64).out_scalar(VAC_U64);
  for (std::size_t i = 2; i < 6; ++i) call.records()[i].value = 0xffff'ffff'0000'0005;
  EXPECT_EQ(fault("region_open", call, {}), "");
  EXPECT_EQ(record(0).value, 5U);
  EXPECT_EQ(record(2).value, 0xffff'ffff'0000'0005);
}

TEST_F(ReplyTest, AnInoutTensorKeepsItsShape) {
  BuiltCall call(find_op("exec")->id);
  call.resource(1).string("f").list(VAC_IN, 0).list(VAC_INOUT, 1);
  call.tensor(VAC_F32, {2, 3}, data_, VAC_INOUT, 9);
  EXPECT_EQ(fault("exec", call, {output(3, 0, data_, VAC_F32, {3, 2})}),
            "the plugin failed: output 'write' has another shape than the caller's");
  EXPECT_EQ(fault("exec", call, {output(3, 0, data_, VAC_F32, {2, 3})}), "");
  EXPECT_EQ(fault("exec", call, {}), "");
  EXPECT_EQ(record(1).count, 9U);
}

TEST_F(ReplyTest, CarriesTheTimes) {
  BuiltCall call(find_op("ping")->id);
  call.call().queue_us = 3;
  call.call().plugin_us = 4;
  EXPECT_TRUE(encoder_.encode_reply(*find_op("ping"), call.call(), {}, 77, 5, kLargest));
  const FrameHeader& header = encoder_.header();
  EXPECT_EQ(header.request, 77U);
  EXPECT_EQ(header.queue_us, 3U);
  EXPECT_EQ(header.plugin_us, 4U);
  EXPECT_EQ(header.agent_us, 5U);
}

TEST_F(ReplyTest, RefusesWhatTheClientDoesNotTake) {
  BuiltCall call = model_run({4});
  const std::vector<Output> outputs{output(5, 0, data_, VAC_F32, {2, 3})};
  const Status status =
      encoder_.encode_reply(*find_op("model_run"), call.call(), outputs, 1, 0, 200);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Errc::message_size);
}

std::string text_of(FrameEncoder& encoder) {
  const auto frame = test::whole_frame(encoder);
  EXPECT_TRUE(check_header(read_header(std::span<const std::byte>(frame).data()), kLargest));
  return failure_text(frame);
}

TEST(FrameEncoder, FailuresHaveACodeAndAText) {
  FrameEncoder encoder;
  encoder.encode_failure(8, VAC_EINVAL, 42, "shape [1,2] is wrong");
  EXPECT_EQ(encoder.header().kind, Kind::reply);
  EXPECT_EQ(encoder.header().request, 8U);
  EXPECT_EQ(encoder.header().code, static_cast<std::uint32_t>(VAC_EINVAL));
  EXPECT_EQ(encoder.header().detail, 42U);
  EXPECT_EQ(text_of(encoder), "shape [1,2] is wrong");
  encoder.encode_failure(8, VAC_OK, 0, "");
  EXPECT_EQ(encoder.header().code, static_cast<std::uint32_t>(VAC_EIO));
  EXPECT_EQ(text_of(encoder), "");
}

TEST(FrameEncoder, LongTextsEndAtAWholeCharacter) {
  FrameEncoder encoder;
  encoder.encode_failure(8, VAC_EIO, 0, std::string(1022, 'a') + "€€");
  EXPECT_EQ(text_of(encoder), std::string(1022, 'a'));
  encoder.encode_failure(8, VAC_EIO, 0, std::string(1021, 'a') + "€€");
  EXPECT_EQ(text_of(encoder), std::string(1021, 'a') + "€");
}

TEST(FrameEncoder, TextsThatAreNotUtf8AreMended) {
  FrameEncoder encoder;
  encoder.encode_goodbye(VAC_EPROTO, "bad \xff");
  EXPECT_EQ(encoder.header().kind, Kind::goodbye);
  EXPECT_EQ(text_of(encoder), "bad \\xff");
}

TEST(FrameEncoder, CancelIsAHeaderAlone) {
  FrameEncoder encoder;
  encoder.encode_cancel(12);
  EXPECT_EQ(encoder.frame_size(), 64U);
  EXPECT_EQ(encoder.header().kind, Kind::cancel);
  EXPECT_EQ(encoder.header().request, 12U);
  EXPECT_TRUE(check_header(encoder.header(), kLargest));
}

}  // namespace
}  // namespace vac::wire
