// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "wire/regions.hpp"

namespace vac::wire {
namespace {

constexpr std::uint64_t kLargest = 1ULL << 30;

FrameHeader call_header() {
  FrameHeader header;
  header.kind = Kind::call;
  header.record_count = 3;
  header.request = 9;
  header.code = 32;
  header.meta_bytes = 16;
  header.payload_bytes = 128;
  return header;
}

FrameHeader header_of(Kind kind) {
  FrameHeader header;
  header.kind = kind;
  if (kind != Kind::hello && kind != Kind::goodbye) header.request = 9;
  if (kind == Kind::call) header.code = 32;
  if (kind == Kind::data) header.payload_bytes = 64;
  return header;
}

constexpr Kind kEveryKind[] = {Kind::hello,  Kind::call, Kind::reply,
                               Kind::cancel, Kind::data, Kind::goodbye};

/// VAC_OK, or the code of the refusal.
int verdict(const FrameHeader& header, std::uint64_t largest = kLargest) {
  const Status status = check_header(header, largest);
  return status ? VAC_OK : status.error().value();
}

TEST(FrameHeader, SumsItsParts) {
  FrameHeader header = call_header();
  EXPECT_EQ(head_bytes(header), 192U);  // 64 + 3 * 32 + 16 = 176
  EXPECT_EQ(frame_bytes(header), 320U);
  header.flags = kFlagPayloadFollows;
  EXPECT_EQ(frame_bytes(header), 192U);
}

TEST(RegionInputs, AreSummedBeforeAnythingIsChecked) {
  struct {
    FrameHeader header = call_header();
    vac_arg records[3] = {};
  } frame;
  const auto sum = [&] { return region_input_bytes(std::as_bytes(std::span(&frame, 1))); };
  EXPECT_EQ(sum(), 0U);
  frame.records[0] = {VAC_F32, VAC_ARRAY, VAC_IN, 0, 1, 64, 1000, 0, 0};
  frame.records[1] = {VAC_F32, VAC_ARRAY, VAC_OUT, 0, 1, 64, 10'000, 0, 0};
  frame.records[2] = {VAC_F32, VAC_ARRAY, VAC_INOUT, 0, kMostRegions, 0, 100, 0, 0};
  EXPECT_EQ(sum(), 1100U);
  frame.records[1].where = VAC_WHERE_INLINE;
  frame.records[0].dir = 0xff;
  EXPECT_EQ(sum(), 1100U) << "also of a direction that is none";
  frame.records[2].bytes = UINT64_MAX;
  EXPECT_EQ(sum(), UINT64_MAX);
}

TEST(CheckHeader, AcceptsEachKind) {
  for (const Kind kind : kEveryKind) EXPECT_EQ(verdict(header_of(kind)), VAC_OK);
  EXPECT_EQ(verdict(call_header()), VAC_OK);
}

TEST(CheckHeader, SaysWhatAStrangerIsToldApartBy) {
  FrameHeader header = call_header();
  header.magic = 0x20544547;  // "GET "
  const Status status = check_header(header, kLargest);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Errc::protocol);
  EXPECT_NE(status.error().text().find("does not speak vAccel's protocol"), std::string::npos);
}

TEST(CheckHeader, RefusesUnknownKinds) {
  for (const int kind : {0, 7, 255}) {
    FrameHeader header = call_header();
    header.kind = static_cast<Kind>(kind);
    EXPECT_EQ(verdict(header), VAC_EPROTO);
  }
}

TEST(CheckHeader, RefusesWhatAKindDoesNotUse) {
  using Change = std::function<void(FrameHeader&)>;
  struct Rule {
    Change change;
    std::vector<Kind> allowed;
  };
  const Rule rules[] = {
      {[](FrameHeader& h) { h.flags |= 2; }, {}},
      {[](FrameHeader& h) { h.flags |= 0x80; }, {}},
      {[](FrameHeader& h) { h.record_count = 1; }, {Kind::call, Kind::reply}},
      {[](FrameHeader& h) { h.request = 0; }, {Kind::hello, Kind::goodbye}},
      {[](FrameHeader& h) { h.request = 1; }, {Kind::call, Kind::reply, Kind::cancel, Kind::data}},
      {[](FrameHeader& h) { h.code = 5; }, {Kind::call, Kind::reply, Kind::goodbye}},
      {[](FrameHeader& h) { h.meta_bytes = 8; },
       {Kind::hello, Kind::call, Kind::reply, Kind::goodbye}},
      {[](FrameHeader& h) { h.meta_bytes = 4; }, {}},
      {[](FrameHeader& h) { h.payload_bytes = 128; }, {Kind::call, Kind::reply, Kind::data}},
      {[](FrameHeader& h) { h.payload_bytes = 100; }, {}},
      {[](FrameHeader& h) { h.detail = 1; }, {Kind::call, Kind::reply}},
      {[](FrameHeader& h) { h.queue_us = 1; }, {Kind::reply}},
      {[](FrameHeader& h) { h.plugin_us = 1; }, {Kind::reply}},
      {[](FrameHeader& h) { h.agent_us = 1; }, {Kind::reply}},
      {[](FrameHeader& h) { h.trace[15] = 1; }, {Kind::call, Kind::reply}},
  };
  for (std::size_t i = 0; i < std::size(rules); ++i) {
    for (const Kind kind : kEveryKind) {
      FrameHeader header = header_of(kind);
      rules[i].change(header);
      const bool allowed = std::find(rules[i].allowed.begin(), rules[i].allowed.end(), kind) !=
                           rules[i].allowed.end();
      EXPECT_EQ(verdict(header), allowed ? VAC_OK : VAC_EPROTO)
          << "rule " << i << ", kind " << static_cast<int>(kind);
    }
  }
}

TEST(CheckHeader, BoundsRecordsAndMeta) {
  FrameHeader header = call_header();
  header.record_count = 256;
  header.meta_bytes = 65536;
  EXPECT_EQ(verdict(header), VAC_OK);
  header.record_count = 257;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
  header = call_header();
  header.meta_bytes = 65544;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
  header = header_of(Kind::hello);
  header.meta_bytes = 4096 - 64;
  EXPECT_EQ(verdict(header), VAC_OK);
  header.meta_bytes += 8;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
  header = header_of(Kind::goodbye);
  header.meta_bytes = 1032;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
}

TEST(CheckHeader, AFailureHasATextAlone) {
  FrameHeader header = header_of(Kind::reply);
  header.code = VAC_EINVAL;
  header.meta_bytes = 1024;
  EXPECT_EQ(verdict(header), VAC_OK);
  header.meta_bytes = 1032;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
  header.meta_bytes = 0;
  header.record_count = 1;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
  header.record_count = 0;
  header.payload_bytes = 64;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
}

TEST(CheckHeader, ACallNamesAnOperation) {
  FrameHeader header = call_header();
  header.code = 0;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
}

TEST(CheckHeader, PayloadFollowsExactlyWhenItIsLarge) {
  for (const Kind kind : {Kind::call, Kind::reply}) {
    FrameHeader header = header_of(kind);
    header.payload_bytes = kMaxInlinePayload;
    EXPECT_EQ(verdict(header), VAC_OK);
    header.flags = kFlagPayloadFollows;
    EXPECT_EQ(verdict(header), VAC_EPROTO);
    header.payload_bytes += 64;
    EXPECT_EQ(verdict(header), VAC_OK);
    header.flags = 0;
    EXPECT_EQ(verdict(header), VAC_EPROTO);
  }
}

TEST(CheckHeader, DataIsBytesOrAnError) {
  FrameHeader header = header_of(Kind::data);
  header.payload_bytes = kMaxDataPayload;
  EXPECT_EQ(verdict(header), VAC_OK);
  header.payload_bytes += 64;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
  header.payload_bytes = 0;
  EXPECT_EQ(verdict(header), VAC_EPROTO);
  header.code = VAC_ECANCELED;
  EXPECT_EQ(verdict(header), VAC_OK);
}

TEST(CheckHeader, AWellFormedFrameCanBeTooLarge) {
  FrameHeader header = call_header();
  EXPECT_EQ(verdict(header, 320), VAC_OK);
  EXPECT_EQ(verdict(header, 319), VAC_EMSGSIZE);
  header.flags = kFlagPayloadFollows;
  header.payload_bytes = UINT64_MAX - 63;
  EXPECT_EQ(verdict(header), VAC_EMSGSIZE);
  header.payload_bytes = kLargest;
  EXPECT_EQ(verdict(header), VAC_EMSGSIZE) << "the announced payload counts, and the head as well";
}

}  // namespace
}  // namespace vac::wire
