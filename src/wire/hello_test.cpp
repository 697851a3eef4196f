// SPDX-License-Identifier: Apache-2.0
#include "wire/hello.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace vac::wire {
namespace {

/// A hello frame made of raw entries.
class RawHello {
 public:
  RawHello& add(std::uint32_t tag, std::string_view data) {
    const std::uint32_t head[2] = {tag, static_cast<std::uint32_t>(data.size())};
    append(std::string_view(reinterpret_cast<const char*>(head), sizeof head));
    append(data);
    meta_.resize((meta_.size() + 7) / 8 * 8);
    return *this;
  }
  RawHello& add_u32(std::uint32_t tag, std::uint32_t value) {
    return add(tag, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  RawHello& add_u64(std::uint32_t tag, std::uint64_t value) {
    return add(tag, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  RawHello& append(std::string_view raw) {
    meta_ += raw;
    return *this;
  }
  std::vector<std::byte> frame() const {
    FrameHeader header;
    header.kind = Kind::hello;
    header.meta_bytes = static_cast<std::uint32_t>(meta_.size());
    std::vector<std::byte> out(head_bytes(header));
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, meta_.data(), meta_.size());
    return out;
  }

 private:
  std::string meta_;
};

RawHello versions() { return RawHello().add_u32(1, 1).add_u32(2, 1); }

std::string refusal(const RawHello& hello) {
  const auto decoded = decode_hello(hello.frame());
  if (decoded) return "";
  EXPECT_EQ(decoded.error().code(), Errc::protocol);
  return decoded.error().text();
}

TEST(Hello, ArrivesAsItWasSent) {
  Hello sent;
  sent.version_min = 2;
  sent.version_max = 5;
  sent.features = 0x8000'0000'0000'0001;
  sent.calls_in_flight = 16;
  sent.client_name = "räksmörgås";
  sent.token = std::string("sec\0ret", 7);
  sent.region_kinds = 3;
  sent.largest_frame = 1ULL << 40;
  const std::vector<std::byte> frame = encode_hello(sent);
  EXPECT_EQ(frame.size() % kAlignment, 0U);
  const auto received = decode_hello(frame);
  ASSERT_TRUE(received) << received.error().text();
  EXPECT_EQ(received->version_min, sent.version_min);
  EXPECT_EQ(received->version_max, sent.version_max);
  EXPECT_EQ(received->features, sent.features);
  EXPECT_EQ(received->calls_in_flight, sent.calls_in_flight);
  EXPECT_EQ(received->client_name, sent.client_name);
  EXPECT_EQ(received->token, sent.token);
  EXPECT_EQ(received->region_kinds, sent.region_kinds);
  EXPECT_EQ(received->largest_frame, sent.largest_frame);
}

TEST(Hello, StaysSmallWhateverItIsGiven) {
  Hello hello;
  hello.client_name = std::string(60, 'a') + "äöüß" + std::string(10'000, 'x');
  hello.token = std::string(10'000, 't');
  const std::vector<std::byte> frame = encode_hello(hello);
  EXPECT_LE(frame.size(), kMaxHelloBytes);
  const auto received = decode_hello(frame);
  ASSERT_TRUE(received) << received.error().text();
  EXPECT_EQ(received->client_name, std::string(60, 'a') + "äö");
  EXPECT_EQ(received->token.size(), kMaxTokenBytes);
}

TEST(Hello, MendsAnUnprintableName) {
  Hello hello;
  hello.client_name = "a\nb\xff";
  const auto received = decode_hello(encode_hello(hello));
  ASSERT_TRUE(received) << received.error().text();
  EXPECT_EQ(received->client_name, "a\\nb\\xff");
}

TEST(Hello, NeedsVersionsOnly) {
  const auto decoded = decode_hello(versions().frame());
  ASSERT_TRUE(decoded) << decoded.error().text();
  EXPECT_EQ(decoded->calls_in_flight, kMaxCallsInFlight);
  EXPECT_EQ(decoded->largest_frame, 4ULL << 30);
  EXPECT_NE(refusal(RawHello()), "");
  EXPECT_NE(refusal(RawHello().add_u32(2, 1)), "");
}

TEST(Hello, IgnoresUnknownTags) {
  EXPECT_EQ(refusal(versions().add(999, "whatever").add(999, "again").add_u32(0, 3)), "");
}

TEST(Hello, RefusesATagTwiceOrOfAnotherSize) {
  EXPECT_EQ(refusal(versions().add_u32(1, 1)),
            "the peer's hello is malformed: 'version_min' is given twice");
  EXPECT_EQ(refusal(versions().add_u32(8, 1)),
            "the peer's hello is malformed: 'largest frame' has a wrong size of 4 bytes");
  EXPECT_NE(refusal(versions().add(5, std::string(65, 'n'))), "");
  EXPECT_NE(refusal(versions().add(6, std::string(2049, 't'))), "");
}

TEST(Hello, RefusesSenselessValues) {
  EXPECT_NE(refusal(RawHello().add_u32(1, 2).add_u32(2, 1)), "");
  EXPECT_NE(refusal(versions().add_u32(4, 0)), "");
  EXPECT_NE(refusal(versions().add_u64(8, 1000)), "");
  EXPECT_NE(refusal(versions().add(5, "new\nline")), "");
  EXPECT_NE(refusal(versions().add(5, "\xff")), "");
}

TEST(Hello, RefusesEntriesThatDoNotFit) {
  const std::uint32_t lie[2] = {6, 0xffff'fff9};
  EXPECT_EQ(refusal(versions().append({reinterpret_cast<const char*>(lie), sizeof lie})),
            "the peer's hello is malformed: an entry is longer than the frame");
  const std::uint32_t padded[4] = {6, 1, 0x0000'0141, 0};  // "A", then a byte that is not zero
  EXPECT_EQ(refusal(versions().append({reinterpret_cast<const char*>(padded), sizeof padded})),
            "the peer's hello is malformed: padding is not zero");
}

TEST(Hello, RefusesEveryTruncation) {
  Hello hello;
  hello.client_name = "name";
  const std::vector<std::byte> frame = encode_hello(hello);
  const FrameHeader header = read_header(frame.data());
  for (std::size_t size = 0; size < sizeof header + header.meta_bytes; ++size) {
    const std::vector<std::byte> cut(frame.begin(), frame.begin() + static_cast<long>(size));
    EXPECT_FALSE(decode_hello(cut)) << size;
  }
}

TEST(Negotiate, KeepsToWhatBothCan) {
  Hello ours;
  ours.version_max = 3;
  ours.features = 6;
  ours.calls_in_flight = 64;
  ours.largest_frame = 1 << 20;
  Hello theirs;
  theirs.version_max = 2;
  theirs.features = 3;
  theirs.calls_in_flight = 8;
  theirs.client_name = "them";
  const auto agreed = negotiate(ours, theirs);
  ASSERT_TRUE(agreed);
  EXPECT_EQ(agreed->version_max, 2U);
  EXPECT_EQ(agreed->features, 2U);
  EXPECT_EQ(agreed->calls_in_flight, 8U);
  EXPECT_EQ(agreed->largest_frame, 1U << 20);
  EXPECT_EQ(agreed->client_name, "them");
}

TEST(Negotiate, SaysWhichSideIsOlder) {
  Hello ours;
  ours.version_min = ours.version_max = 3;
  const auto agreed = negotiate(ours, Hello{});
  ASSERT_FALSE(agreed);
  EXPECT_EQ(
      agreed.error().text(),
      "no common version of the protocol: here 3 to 3, the peer speaks 1 to 1: update the peer");
}

}  // namespace
}  // namespace vac::wire
