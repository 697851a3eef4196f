// SPDX-License-Identifier: Apache-2.0
#include "agent/frame_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "support/random.hpp"

namespace vac::agent {
namespace {

using test::Random;
using wire::FrameHeader;
using wire::Kind;

/// A frame of that kind whose bytes behind the header follow from its number.
std::vector<std::byte> make_frame(Kind kind, std::uint64_t request, std::size_t payload) {
  FrameHeader header;
  header.kind = kind;
  header.request = request;
  header.code = kind == Kind::call ? 32 : 0;
  header.payload_bytes = payload;
  std::vector<std::byte> frame(static_cast<std::size_t>(wire::frame_bytes(header)));
  for (std::size_t i = 0; i < frame.size(); ++i) {
    frame[i] = static_cast<std::byte>(request * 31 + i + i / 256);
  }
  std::memcpy(frame.data(), &header, sizeof header);
  return frame;
}

/// Writes down what it is told, and checks every byte. Refuses memory for some frames.
class Recorder final : public FrameHandler {
 public:
  explicit Recorder(std::uint64_t seed) : random_(seed) {}

  Status on_frame(const FrameHeader& header, std::span<std::byte> frame) override {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame.data()) % wire::kAlignment, 0U);
    check(header, frame);
    done.push_back(header.request);
    return {};
  }
  Result<std::span<std::byte>> on_begin(const FrameHeader& header) override {
    if (random_.one_in(5)) {
      done.push_back(header.request);
      return std::span<std::byte>();
    }
    memory_.assign(static_cast<std::size_t>(wire::frame_bytes(header)) - before(header), {});
    return std::span<std::byte>(memory_);
  }
  Status on_complete(const FrameHeader& header) override {
    check(header, memory_);
    done.push_back(header.request);
    return {};
  }
  Status on_oversized(const FrameHeader& header, const Error& /*why*/) override {
    done.push_back(header.request);
    return {};
  }

  std::vector<std::uint64_t> done;

 private:
  static std::size_t before(const FrameHeader& header) {
    return header.kind == Kind::data ? sizeof header : 0;
  }
  static void check(const FrameHeader& header, std::span<const std::byte> bytes) {
    const auto wanted =
        make_frame(header.kind, header.request, static_cast<std::size_t>(header.payload_bytes));
    EXPECT_TRUE(std::ranges::equal(std::span(wanted).subspan(before(header)), bytes))
        << "frame " << header.request;
  }

  Random random_;
  std::vector<std::byte> memory_;
};

struct alignas(64) Staging {
  std::array<std::byte, kStagingBytes> bytes;
};

Status feed(FrameReader& reader, Staging& staging, std::span<const std::byte> stream, Recorder& to,
            Random& random) {
  while (!stream.empty()) {
    const std::span<std::byte> buffer = reader.buffer(staging.bytes);
    const std::size_t most = std::min(buffer.size(), stream.size());
    const std::size_t count = random.one_in(3) ? 1 + random.below(most) : most;
    std::memcpy(buffer.data(), stream.data(), count);
    stream = stream.subspan(count);
    if (Status read = reader.received(staging.bytes, count, to); !read) return read;
  }
  return {};
}

TEST(FrameReader, FindsTheSameFramesHoweverTheStreamIsCut) {
  constexpr std::uint64_t kLimit = 300'000;
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    Random random(seed);
    std::vector<std::byte> stream;
    std::vector<std::uint64_t> wanted;
    for (std::uint64_t request = 1; request <= 25; ++request) {
      const bool data = random.one_in(4);
      const std::size_t most =
          data ? wire::kMaxDataPayload / 64 : random.pick({2UL, 300UL, 4000UL});
      std::size_t payload = (1 + random.below(most)) * 64;
      if (!data && random.one_in(10)) payload = 400'000 / 64 * 64;  // over the limit
      const auto frame = make_frame(data ? Kind::data : Kind::call, request, payload);
      stream.insert(stream.end(), frame.begin(), frame.end());
      wanted.push_back(request);
    }
    FrameReader reader(kLimit);
    Staging staging;
    Recorder recorder(seed);
    const Status fed = feed(reader, staging, stream, recorder, random);
    ASSERT_TRUE(fed) << fed.error().message();
    EXPECT_EQ(recorder.done, wanted) << "seed " << seed;
    EXPECT_EQ(reader.rest(), 0U);
  }
}

TEST(FrameReader, KnowsAnotherProtocolByItsFirstBytes) {
  FrameReader reader(wire::kMaxHelloBytes);
  Staging staging;
  Recorder recorder(1);
  Random random(1);
  const std::string text = "GE";
  const Status fed = feed(reader, staging, std::as_bytes(std::span(text)), recorder, random);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code(), Errc::protocol);
  EXPECT_EQ(reader.foreign_bytes().size(), 2U);
}

TEST(FrameReader, StopsAtAHeaderThatBreaksTheRules) {
  FrameReader reader(1 << 20);
  Staging staging;
  Recorder recorder(1);
  Random random(1);
  auto stream = make_frame(Kind::call, 1, 64);
  auto bad = make_frame(Kind::call, 2, 64);
  bad[5] = std::byte{0x80};  // flags
  stream.insert(stream.end(), bad.begin(), bad.end());
  const Status fed = feed(reader, staging, stream, recorder, random);
  ASSERT_FALSE(fed);
  EXPECT_THAT(fed.error().text(), testing::HasSubstr("flags"));
  EXPECT_THAT(recorder.done, testing::ElementsAre(1));
}

}  // namespace
}  // namespace vac::agent
