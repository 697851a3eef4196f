// SPDX-License-Identifier: Apache-2.0
// What the decoders refuse, one rule of docs/protocol.md after the other. Round trips and random
// changes are in tests/conformance.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "support/built_call.hpp"
#include "support/frame_bytes.hpp"
#include "wire/codec.hpp"

namespace vac::wire {
namespace {

using test::AlignedBytes;
using test::BuiltCall;

constexpr std::uint64_t kLargest = 1ULL << 30;

AlignedBytes frame_of(BuiltCall& call) {
  FrameEncoder encoder;
  const Status status = encoder.encode_call(call.call(), 1, 0, kLargest);
  EXPECT_TRUE(status) << status.error().text();
  return test::whole_frame(encoder);
}

FrameHeader& header_in(AlignedBytes& frame) {
  return *reinterpret_cast<FrameHeader*>(frame.data());
}

vac_arg* records_in(AlignedBytes& frame) {
  return reinterpret_cast<vac_arg*>(frame.data() + sizeof(FrameHeader));
}

BuiltCall arrays() {  // two inputs of 12 bytes
  BuiltCall call(find_op("fpga_vadd")->id);
  call.array(VAC_F32, std::vector<float>{1, 2, 3}).array(VAC_F32, std::vector<float>{4, 5, 6});
  call.out_array(VAC_F32, 12);
  return call;
}

BuiltCall names(std::string_view text) {
  BuiltCall call(find_op("model_run")->id);
  call.resource(1).list(VAC_IN, 1).string(text).list(VAC_IN, 0).list(VAC_IN, 0);
  call.absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
  return call;
}

using Change = std::function<void(AlignedBytes&)>;

std::string fault(BuiltCall call, const Change& change = [](AlignedBytes&) {}) {
  const Op& op = *find_op(call.call().op);
  AlignedBytes frame = frame_of(call);
  change(frame);
  vac_call received{};
  const Status status = decode_call(op, frame.bytes(), received);
  if (status) return "";
  EXPECT_EQ(received.args, nullptr) << "a call that is refused is not touched";
  return status.error().text();
}

TEST(DecodeCall, PointsIntoTheFrame) {
  BuiltCall call = arrays();
  AlignedBytes frame = frame_of(call);
  vac_call received{};
  received.session_state = &call;
  ASSERT_TRUE(decode_call(*find_op("fpga_vadd"), frame.bytes(), received));
  EXPECT_EQ(received.args, records_in(frame));
  EXPECT_EQ(received.arg_count, 3U);
  const auto payload = reinterpret_cast<std::uintptr_t>(frame.data()) + 192;
  EXPECT_EQ(received.args[0].value, payload);
  EXPECT_EQ(received.args[1].value, payload + 64);
  EXPECT_EQ(received.args[0].value % kAlignment, 0U);
  EXPECT_EQ(received.args[2].where, VAC_WHERE_NOWHERE);
  EXPECT_EQ(received.args[2].bytes, 12U);
  EXPECT_EQ(received.session_state, &call) << "what is not the frame's stays";
}

TEST(DecodeCall, RefusesAFrameOfAnotherLength) {
  EXPECT_NE(fault(arrays(), [](auto& frame) { header_in(frame).payload_bytes += 64; }), "");
  EXPECT_NE(fault(arrays(), [](auto& frame) { header_in(frame).payload_bytes -= 64; }), "");
  EXPECT_NE(fault(arrays(), [](auto& frame) { header_in(frame).meta_bytes = 65536; }), "");
  EXPECT_NE(fault(arrays(), [](auto& frame) { header_in(frame).record_count = 65535; }), "");
  EXPECT_NE(fault(arrays(), [](auto& frame) { header_in(frame).kind = Kind::reply; }), "");
  EXPECT_NE(fault(arrays(), [](auto& frame) { header_in(frame).code = 32; }), "");
}

TEST(DecodeCall, DataFollowsData) {
  EXPECT_EQ(fault(arrays(), [](auto& frame) { records_in(frame)[1].value = 0; }),
            "fpga_vadd: argument 'b' does not begin where the data before it ends");
  EXPECT_EQ(fault(arrays(), [](auto& frame) { records_in(frame)[0].value = 64; }),
            "fpga_vadd: argument 'a' does not begin where the data before it ends");
  EXPECT_EQ(fault(arrays(), [](auto& frame) { records_in(frame)[1].bytes = 68; }),
            "fpga_vadd: argument 'b' ends outside the frame");
  EXPECT_EQ(fault(arrays(), [](auto& frame) { records_in(frame)[1].bytes = UINT64_MAX - 3; }),
            "fpga_vadd: argument 'b' ends outside the frame");
  EXPECT_EQ(fault(arrays(), [](auto& frame) { records_in(frame)[1].bytes = 0; }),
            "fpga_vadd: the call has data that belongs to no argument");
}

TEST(DecodeCall, PaddingIsZero) {
  EXPECT_EQ(fault(arrays(), [](auto& frame) { frame.data()[192 + 12] = std::byte{1}; }),
            "fpga_vadd: argument 'a' is followed by padding that is not zero");
  EXPECT_EQ(fault(arrays(), [](auto& frame) { frame.data()[192 + 127] = std::byte{1}; }),
            "fpga_vadd: argument 'b' is followed by padding that is not zero");
  EXPECT_NE(fault(arrays(), [](auto& frame) { frame.data()[191] = std::byte{1}; }), "");
}

TEST(DecodeCall, NoRegionIsOpen) {
  EXPECT_EQ(fault(arrays(), [](auto& frame) { records_in(frame)[0].where = 3; }),
            "fpga_vadd: argument 'a': region 3 is not open");
  EXPECT_EQ(fault(arrays(), [](auto& frame) { records_in(frame)[2].where = 15; }),
            "fpga_vadd: argument 'c': region 15 is not open");
  for (const std::uint32_t where : {16U, 0xffff'fffdU, VAC_WHERE_NOWHERE}) {
    EXPECT_EQ(fault(arrays(), [&](auto& frame) { records_in(frame)[0].where = where; }),
              "fpga_vadd: argument 'a' says nowhere that the peer knows of");
  }
}

TEST(DecodeCall, AnOutputHasNoPlaceInTheFrame) {
  for (const std::uint32_t where : {VAC_WHERE_INLINE, VAC_WHERE_META, 99U}) {
    EXPECT_EQ(fault(arrays(), [&](auto& frame) { records_in(frame)[2].where = where; }),
              "fpga_vadd: argument 'c' asks for its result in a place that is not open");
  }
  EXPECT_NE(fault(arrays(), [](auto& frame) { records_in(frame)[2].value = 64; }), "");
}

/// A noop call whose data of `bytes` lies in the meta bytes at `offset`.
std::string fault_in_meta(std::uint64_t offset, std::uint64_t bytes,
                          std::string* content = nullptr) {
  constexpr std::uint32_t kMeta = 320;
  FrameHeader header;
  header.kind = Kind::call;
  header.record_count = 1;
  header.request = 1;
  header.code = find_op("noop")->id;
  header.meta_bytes = kMeta;
  AlignedBytes frame(head_bytes(header));
  std::memset(frame.data(), 0, frame.size());
  header_in(frame) = header;
  records_in(frame)[0] = {VAC_BYTE, VAC_ARRAY, VAC_IN, 0, VAC_WHERE_META, offset, bytes, 0, 0};
  for (std::uint32_t i = 0; i < kMeta; ++i)
    frame.data()[96 + i] = static_cast<std::byte>('a' + i % 26);
  vac_call received{};
  const Status status = decode_call(*find_op("noop"), frame.bytes(), received);
  if (!status) return status.error().text();
  if (content != nullptr) {
    content->assign(reinterpret_cast<const char*>(received.args[0].value), received.args[0].bytes);
  }
  return "";
}

TEST(DecodeCall, SmallDataMayLieInTheMeta) {
  std::string content;
  EXPECT_EQ(fault_in_meta(8, 5, &content), "");
  EXPECT_EQ(content, "ijklm");
  EXPECT_EQ(fault_in_meta(64, 256), "");
  EXPECT_EQ(fault_in_meta(320, 0), "");
  const std::string refused =
      "noop: argument 'data' says that its data is in the meta bytes, and it does not fit there";
  EXPECT_EQ(fault_in_meta(0, 257), refused);
  EXPECT_EQ(fault_in_meta(4, 8), refused);
  EXPECT_EQ(fault_in_meta(312, 9), refused);
  EXPECT_EQ(fault_in_meta(UINT64_MAX - 7, 16), refused);
  EXPECT_EQ(fault_in_meta(328, 0), refused);
}

TEST(DecodeCall, StringsAreUtf8WithoutZero) {
  EXPECT_EQ(fault(names("näme")), "");
  EXPECT_EQ(fault(names("")), "");
  EXPECT_EQ(fault(names(std::string_view("a\0b", 3))),
            "model_run: argument 'in_names' item 0 is a string with a zero byte in it");
  EXPECT_EQ(fault(names("\xc3")),
            "model_run: argument 'in_names' item 0 is a string that is not UTF-8");
}

TEST(DecodeCall, TensorsOfStringsAreSound) {
  const auto with_ends = [](std::uint64_t first, std::uint64_t second) {
    std::vector<std::byte> data(16 + 5);
    std::memcpy(data.data(), &first, 8);
    std::memcpy(data.data() + 8, &second, 8);
    BuiltCall call(find_op("model_run")->id);
    call.resource(1).list(VAC_IN, 0).list(VAC_IN, 1).tensor(VAC_STRING, {2}, data);
    call.list(VAC_IN, 0).absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
    return fault(std::move(call));
  };
  EXPECT_EQ(with_ends(2, 5), "");
  EXPECT_EQ(with_ends(2, 500),
            "model_run: argument 'inputs' item 0 is a tensor of strings whose end offsets do not "
            "fit its text");
}

TEST(DecodeCall, AResourceHasAnId) {
  EXPECT_EQ(fault(names("x"), [](auto& frame) { records_in(frame)[0].value = 0; }),
            "model_run: argument 'model' has the resource id 0, which no resource has");
}

TEST(DecodeCall, AListHasACountAlone) {
  EXPECT_NE(fault(names("x"), [](auto& frame) { records_in(frame)[1].value = 8; }), "");
  EXPECT_NE(fault(names("x"), [](auto& frame) { records_in(frame)[1].where = 1; }), "");
}

/// A reply to a call with one inout tensor in a list, one scalar beside it.
class ReplyHead : public testing::Test {
 protected:
  ReplyHead() : call_(find_op("exec")->id) {
    call_.resource(1).string("f").list(VAC_IN, 0).list(VAC_INOUT, 2);
    call_.tensor(VAC_F32, {2, 3}, std::vector<std::byte>(24), VAC_INOUT, 5);
    call_.scalar(VAC_U8, 7, VAC_INOUT, 6);
  }

  std::string fault(const Change& change = [](AlignedBytes&) {}) {
    const Op& op = *find_op("exec");
    BuiltCall served(op.id);
    served.resource(1).string("f").list(VAC_IN, 0).list(VAC_INOUT, 2);
    served.tensor(VAC_F32, {2, 3}, std::vector<std::byte>(24), VAC_INOUT, 5);
    served.scalar(VAC_U8, 9, VAC_INOUT, 6);
    FrameEncoder encoder;
    EXPECT_TRUE(encoder.encode_reply(op, served.call(), {}, 1, 0, kLargest));
    const AlignedBytes whole = test::whole_frame(encoder);
    AlignedBytes head(std::span<const std::byte>(whole).first(head_bytes(encoder.header())));
    change(head);
    const Status status = decode_reply(op, head, call_.call(), parts_, list_counts_);
    if (status) return "";
    EXPECT_EQ(status.error().code(), Errc::protocol);
    EXPECT_EQ(call_.records()[5].value, 7U) << "a reply that is refused changes nothing";
    return status.error().text();
  }

  BuiltCall call_;
  std::vector<ReplyPart> parts_;
  std::vector<ListCount> list_counts_;
};

TEST_F(ReplyHead, ListsPartsAndStoresScalars) {
  EXPECT_EQ(fault(), "");
  ASSERT_EQ(parts_.size(), 1U);
  EXPECT_EQ(parts_[0].record, 4U);
  EXPECT_EQ(parts_[0].arg, 3U);
  EXPECT_EQ(parts_[0].bytes, 24U);
  EXPECT_EQ(call_.records()[5].value, 9U);
  EXPECT_TRUE(list_counts_.empty()) << "only of output lists";
}

TEST_F(ReplyHead, IsRefusedWhenAnythingDiffersFromTheCall) {
  const Change changes[] = {
      [](auto& head) { records_in(head)[0].count = 1; },
      [](auto& head) { records_in(head)[0].count = 3; },
      [](auto& head) { records_in(head)[0].count = UINT32_MAX; },
      [](auto& head) { records_in(head)[0].where = 1; },
      [](auto& head) { records_in(head)[0].dir = VAC_OUT; },
      [](auto& head) { records_in(head)[1].type = VAC_I32; },
      [](auto& head) { records_in(head)[1].form = VAC_ARRAY; },
      [](auto& head) { records_in(head)[1].count = 6; },
      [](auto& head) { records_in(head)[1].bytes = 20; },
      [](auto& head) { records_in(head)[1].where = 1; },
      [](auto& head) { records_in(head)[1].where = VAC_WHERE_NOWHERE; },
      [](auto& head) { records_in(head)[1].value = 64; },
      [](auto& head) { records_in(head)[1].meta = 8; },
      [](auto& head) { records_in(head)[1].rank = 1; },
      [](auto& head) { records_in(head)[1].rank = 9; },
      [](auto& head) { std::swap(head.data()[160], head.data()[168]); },  // the shape: [3,2]
      [](auto& head) { records_in(head)[2].value = 256; },
      [](auto& head) { records_in(head)[2].bytes = 1; },
      [](auto& head) { records_in(head)[2].rank = 1; },
      [](auto& head) { header_in(head).payload_bytes = 128; },
      [](auto& head) { header_in(head).payload_bytes = 0; },
      [](auto& head) { header_in(head).code = VAC_EIO; },
      [](auto& head) { header_in(head).kind = Kind::call; },
      [](auto& head) { head.data()[head.size() - 1] = std::byte{1}; },
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) EXPECT_NE(fault(changes[i]), "") << i;
}

TEST_F(ReplyHead, SmallDataMayLieInItsMeta) {
  const auto move_to_meta = [](AlignedBytes& head) {
    // The meta bytes of this reply are its shape, 16 bytes; data of 24 does not fit there.
    records_in(head)[1].where = VAC_WHERE_META;
    records_in(head)[1].value = 0;
    header_in(head).payload_bytes = 0;
  };
  EXPECT_NE(fault(move_to_meta), "");
}

TEST(DecodeReply, SmallDataMayLieInTheMeta) {
  const Op& op = *find_op("fpga_arraycopy");
  BuiltCall call(op.id);
  call.array(VAC_I32, std::vector<int>{1}).out_array(VAC_I32, 100);
  FrameHeader header;
  header.kind = Kind::reply;
  header.record_count = 1;
  header.request = 1;
  header.meta_bytes = 16;
  AlignedBytes head(head_bytes(header));
  std::memset(head.data(), 0, head.size());
  header_in(head) = header;
  records_in(head)[0] = {VAC_I32, VAC_ARRAY, VAC_OUT, 0, VAC_WHERE_META, 8, 4, 0, 0};
  std::vector<ReplyPart> parts;
  std::vector<ListCount> list_counts;
  const Status status = decode_reply(op, head, call.call(), parts, list_counts);
  ASSERT_TRUE(status) << status.error().text();
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].in_head, head.data() + 96 + 8);
  EXPECT_EQ(parts[0].record, 1U);
  EXPECT_EQ(parts[0].bytes, 4U);
}

TEST(FailureText, EndsAtTheFirstZeroAndIsPrintable) {
  FrameEncoder encoder;
  encoder.encode_failure(1, VAC_EIO, 0, "line\nnext");
  EXPECT_EQ(failure_text(test::whole_frame(encoder)), "line\\nnext");
  encoder.encode_failure(1, VAC_EIO, 0, "12345678");
  EXPECT_EQ(failure_text(test::whole_frame(encoder)), "12345678");
  EXPECT_EQ(failure_text({}), "");
}

TEST(DecodeFailure, TakesOnlyCodesThatAFailureCanHave) {
  FrameHeader header;
  header.code = VAC_ENOENT;
  EXPECT_EQ(failure_code(header, VAC_EIO), VAC_ENOENT);
  for (const std::uint32_t code : {0U, 115U, 0x8000'0000U, 0xffff'ffffU}) {
    header.code = code;
    EXPECT_EQ(failure_code(header, VAC_EIO), VAC_EIO) << code;
  }
}

}  // namespace
}  // namespace vac::wire
