// SPDX-License-Identifier: Apache-2.0
// Calls whose data lies in shared regions: what is named, and what is refused.
#include "wire/regions.hpp"

#include <gtest/gtest.h>

#include <array>
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
constexpr std::uint32_t kRegion = 3;

/// One region, as both sides see it.
class Shared final : public RegionMap, public RegionReader {
 public:
  std::optional<RegionPart> find(const void* data, std::uint64_t bytes) override {
    const auto* const at = static_cast<const std::byte*>(data);
    if (at < memory.data() || at + bytes > memory.data() + memory.size()) return std::nullopt;
    ++found;
    return RegionPart{kRegion, static_cast<std::uint64_t>(at - memory.data())};
  }
  std::uint64_t size(std::uint32_t region) override {
    return region == kRegion ? memory.size() : 0;
  }
  std::byte* input(const RegionPart& part, std::uint64_t bytes, bool checked) override {
    inputs.push_back(part.offset);
    was_checked = checked;
    if (!has_memory) return nullptr;
    if (!copies && !checked) return memory.data() + part.offset;
    std::memcpy(copy.data(), memory.data() + part.offset, bytes);
    return copy.data();
  }
  void result(const RegionResult& place) override { results.push_back(place); }

  alignas(64) std::array<std::byte, 4096> memory{};
  alignas(64) std::array<std::byte, 4096> copy{};
  bool copies = false, has_memory = true, was_checked = false;
  int found = 0;
  std::vector<std::uint64_t> inputs;
  std::vector<RegionResult> results;
};

/// fpga_vadd: two inputs of 12 bytes at 64 and 128, a result of 12 bytes at 256.
class RegionCalls : public testing::Test {
 protected:
  RegionCalls() {
    call_.array(VAC_F32, std::vector<float>{1, 2, 3}).array(VAC_F32, std::vector<float>{4, 5, 6});
    call_.out_array(VAC_F32, 12);
    for (std::size_t i = 0; i < 2; ++i) {
      vac_arg& record = call_.call().args[i];
      std::memcpy(at(64 + 64 * i), reinterpret_cast<const void*>(record.value), 12);
      record.value = reinterpret_cast<std::uintptr_t>(at(64 + 64 * i));
    }
    call_.call().args[2].value = reinterpret_cast<std::uintptr_t>(at(256));
    call_.call().args[2].where = VAC_WHERE_INLINE;
  }
  std::byte* at(std::size_t offset) { return shared_.memory.data() + offset; }
  AlignedBytes frame() {
    const Status status = encoder_.encode_call(call_.call(), 1, 0, kLargest, &shared_);
    EXPECT_TRUE(status) << status.error().text();
    return test::whole_frame(encoder_);
  }
  static vac_arg* records_in(AlignedBytes& frame) {
    return reinterpret_cast<vac_arg*>(frame.data() + sizeof(FrameHeader));
  }
  Status decode(AlignedBytes& frame, RegionReader* regions) {
    return decode_call(*find_op("fpga_vadd"), frame.bytes(), received_, regions);
  }
  std::string fault(const std::function<void(vac_arg*)>& change) {
    AlignedBytes changed = frame();
    change(records_in(changed));
    const Status status = decode(changed, &shared_);
    return status ? "" : status.error().text();
  }
  /// The reply to call_ with so many bytes in the region, as change() leaves its record.
  std::string reply_fault(const std::function<void(vac_arg&)>& change) {
    AlignedBytes sent = frame();
    EXPECT_TRUE(decode(sent, &shared_));
    received_.args[2].bytes = 0;
    const FrameEncoder::Output made{2, 0, at(256), 12, VAC_F32, 0, {}};
    FrameEncoder reply;
    EXPECT_TRUE(reply.encode_reply(*find_op("fpga_vadd"), received_, {&made, 1}, 1, 0, kLargest,
                                   shared_.results));
    AlignedBytes bytes = test::whole_frame(reply);
    change(*records_in(bytes));
    const Status status =
        decode_reply(*find_op("fpga_vadd"),
                     bytes.bytes().first(static_cast<std::size_t>(head_bytes(reply.header()))),
                     call_.call(), parts_, counts_, encoder_.placed());
    return status ? "" : status.error().text();
  }

  Shared shared_;
  BuiltCall call_{find_op("fpga_vadd")->id};
  FrameEncoder encoder_;
  vac_call received_{};
  std::vector<ReplyPart> parts_;
  std::vector<ListCount> counts_;
};

TEST_F(RegionCalls, NameTheirDataAndSendNone) {
  AlignedBytes sent = frame();
  EXPECT_EQ(encoder_.header().payload_bytes, 0U);
  EXPECT_EQ(records_in(sent)[1].where, kRegion);
  EXPECT_EQ(records_in(sent)[1].value, 128U);
  EXPECT_EQ(records_in(sent)[1].bytes, 12U);
  ASSERT_EQ(encoder_.placed().size(), 1U);
  EXPECT_EQ(encoder_.placed()[0].record, 2U);
  EXPECT_EQ(encoder_.placed()[0].part.offset, 256U);
  EXPECT_EQ(encoder_.placed()[0].capacity, 12U);
}

TEST_F(RegionCalls, AreReadWhereTheyLie) {
  AlignedBytes sent = frame();
  ASSERT_TRUE(decode(sent, &shared_));
  EXPECT_EQ(received_.args[0].where, VAC_WHERE_INLINE);
  EXPECT_EQ(received_.args[0].value, reinterpret_cast<std::uintptr_t>(at(64)));
  EXPECT_EQ(received_.args[1].value, reinterpret_cast<std::uintptr_t>(at(128)));
  EXPECT_EQ(received_.args[2].where, VAC_WHERE_NOWHERE);
  EXPECT_EQ(received_.args[2].value, 0U);
  EXPECT_EQ(received_.args[2].bytes, 12U);
  ASSERT_EQ(shared_.results.size(), 1U);
  EXPECT_EQ(shared_.results[0].arg, 2U);
  EXPECT_EQ(shared_.results[0].part.offset, 256U);
}

TEST_F(RegionCalls, MixWithWhatIsSent) {
  const std::vector<float> elsewhere{7, 8, 9};
  call_.call().args[0].value = reinterpret_cast<std::uintptr_t>(elsewhere.data());
  AlignedBytes sent = frame();
  EXPECT_EQ(encoder_.header().payload_bytes, 64U);
  ASSERT_TRUE(decode(sent, &shared_));
  EXPECT_EQ(
      std::memcmp(reinterpret_cast<const void*>(received_.args[0].value), elsewhere.data(), 12), 0);
  EXPECT_EQ(received_.args[1].value, reinterpret_cast<std::uintptr_t>(at(128)));
}

TEST_F(RegionCalls, AreRefusedWithoutRegions) {
  AlignedBytes sent = frame();
  const Status status = decode(sent, nullptr);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().text(), "fpga_vadd: argument 'a': region 3 is not open");
}

TEST_F(RegionCalls, StayInsideTheirRegion) {
  EXPECT_EQ(fault([](vac_arg* records) { records[0].where = 4; }),
            "fpga_vadd: argument 'a': region 4 is not open");
  for (const std::size_t i : {0U, 2U}) {
    const std::string name = i == 0 ? "a" : "c";
    const std::string outside = "fpga_vadd: argument '" + name + "' ends outside its region";
    EXPECT_EQ(fault([&](vac_arg* records) { records[i].value = 4096 - 11; }), outside);
    EXPECT_EQ(fault([&](vac_arg* records) { records[i].value = 4097; }), outside);
    EXPECT_EQ(fault([&](vac_arg* records) { records[i].value = UINT64_MAX - 7; }), outside);
    EXPECT_EQ(fault([&](vac_arg* records) { records[i].bytes = UINT64_MAX - 3; }), outside);
    EXPECT_EQ(fault([&](vac_arg* records) { records[i].value = 4096 - 12; }), "");
  }
  EXPECT_EQ(fault([](vac_arg* records) { records[2].where = 16; }),
            "fpga_vadd: argument 'c' asks for its result in a place that is not open");
}

TEST_F(RegionCalls, SayWhenThereIsNoMemoryForACopy) {
  shared_.has_memory = false;
  AlignedBytes sent = frame();
  const Status status = decode(sent, &shared_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Errc::no_memory);
}

TEST_F(RegionCalls, HaveTextCopiedBeforeItIsChecked) {
  BuiltCall names(find_op("model_run")->id);
  names.resource(1).list(VAC_IN, 1).string("").list(VAC_IN, 0).list(VAC_IN, 0);
  names.absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
  std::memcpy(at(512), "name", 4);
  FrameEncoder encoder;
  ASSERT_TRUE(encoder.encode_call(names.call(), 1, 0, kLargest, &shared_));
  AlignedBytes sent = test::whole_frame(encoder);
  // Our own encoder sends text.
  vac_arg& name = records_in(sent)[2];
  name.where = kRegion;
  name.value = 512;
  name.bytes = 4;
  ASSERT_TRUE(decode_call(*find_op("model_run"), sent.bytes(), received_, &shared_));
  EXPECT_TRUE(shared_.was_checked);
  EXPECT_EQ(received_.args[2].value, reinterpret_cast<std::uintptr_t>(shared_.copy.data()));
}

TEST_F(RegionCalls, FindTheirResultWhereTheyAskedForIt) {
  EXPECT_EQ(reply_fault([](vac_arg& record) { EXPECT_EQ(record.where, kRegion); }), "");
  ASSERT_EQ(parts_.size(), 1U);
  EXPECT_TRUE(parts_[0].in_region);
  EXPECT_EQ(parts_[0].bytes, 12U);
  EXPECT_EQ(parts_[0].record, 2U);
}

TEST_F(RegionCalls, TakeNoResultElsewhere) {
  const std::string elsewhere =
      "fpga_vadd: the reply is malformed: output 'c' is not in the region's part that its call has "
      "named";
  EXPECT_EQ(reply_fault([](vac_arg& record) { record.value = 0; }), elsewhere);
  EXPECT_EQ(reply_fault([](vac_arg& record) { record.where = 4; }), elsewhere);
  EXPECT_EQ(reply_fault([](vac_arg& record) { record.bytes = 16; }), elsewhere);
  EXPECT_EQ(reply_fault([](vac_arg& record) { record.bytes = 8; }), "")
      << "less than there is room";
}

TEST_F(RegionCalls, TakeNoResultInARegionThatTheyDidNotName) {
  const std::vector<float> room(3);
  call_.call().args[2].value = reinterpret_cast<std::uintptr_t>(room.data());
  AlignedBytes sent = frame();
  ASSERT_TRUE(decode(sent, &shared_));
  const FrameEncoder::Output made{2, 0, at(256), 12, VAC_F32, 0, {}};
  const RegionResult invented{2, 2, 0, 12, {kRegion, 256}};
  FrameEncoder reply;
  ASSERT_TRUE(reply.encode_reply(*find_op("fpga_vadd"), received_, {&made, 1}, 1, 0, kLargest,
                                 {&invented, 1}));
  AlignedBytes bytes = test::whole_frame(reply);
  const Status status = decode_reply(*find_op("fpga_vadd"), bytes.bytes(), call_.call(), parts_,
                                     counts_, encoder_.placed());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().text(),
            "fpga_vadd: the reply is malformed: output 'c' is in a region that its call has not "
            "named");
}

/// The children of a list are named by their place in it.
TEST(RegionResults, KnowTheirArgument) {
  Shared shared;
  BuiltCall call(find_op("opencv")->id);
  call.list(VAC_IN, 1).array(VAC_F32, std::vector<float>{1}).list(VAC_INOUT, 2);
  for (int i = 0; i < 2; ++i) call.array(VAC_F32, std::vector<float>{2, 3}, VAC_INOUT);
  call.call().args[4].value = reinterpret_cast<std::uintptr_t>(shared.memory.data() + 1024);
  FrameEncoder encoder;
  ASSERT_TRUE(encoder.encode_call(call.call(), 1, 0, kLargest, &shared));
  AlignedBytes sent = test::whole_frame(encoder);
  vac_call received{};
  const Status decoded = decode_call(*find_op("opencv"), sent.bytes(), received, &shared);
  ASSERT_TRUE(decoded) << decoded.error().text();
  ASSERT_EQ(shared.results.size(), 1U);
  EXPECT_EQ(shared.results[0].record, 4U);
  EXPECT_EQ(shared.results[0].arg, 1U);
  EXPECT_EQ(shared.results[0].child, 1U);

  // The list itself is in no region, whatever its children are.
  const RegionResult first{3, 1, 0, 8, {kRegion, 512}};
  FrameEncoder reply;
  ASSERT_TRUE(reply.encode_reply(*find_op("opencv"), received, {}, 1, 0, kLargest, {&first, 1}));
  AlignedBytes bytes = test::whole_frame(reply);
  const auto* const records = reinterpret_cast<const vac_arg*>(bytes.data() + sizeof(FrameHeader));
  EXPECT_EQ(records[0].form, VAC_LIST);
  EXPECT_EQ(records[0].where, 0U);
  EXPECT_EQ(records[1].where, kRegion);
  EXPECT_EQ(records[2].where, VAC_WHERE_INLINE);
}

}  // namespace
}  // namespace vac::wire
