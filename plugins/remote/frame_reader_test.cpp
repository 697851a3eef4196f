// SPDX-License-Identifier: Apache-2.0
#include "frame_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace vac::remote {
namespace {

constexpr std::uint64_t kLargest = std::uint64_t{64} << 20;

std::vector<std::byte> make_frame(std::uint64_t request, std::uint32_t meta_bytes,
                                  std::uint64_t payload_bytes) {
  wire::FrameHeader header;
  header.kind = wire::Kind::reply;
  header.request = request;
  header.meta_bytes = meta_bytes;
  header.payload_bytes = payload_bytes;
  std::vector<std::byte> frame(static_cast<std::size_t>(wire::frame_bytes(header)));
  for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<std::byte>(i * request);
  std::memcpy(frame.data(), &header, sizeof header);
  return frame;
}

/// Feeds a reader and keeps what it makes of the stream.
struct Receiver {
  FrameReader reader{kLargest};
  std::vector<std::vector<std::byte>> heads, payloads;
  Scatter scatter;
  bool drop = false;

  Status feed(std::span<const std::byte> stream, std::size_t most_at_once) {
    while (!stream.empty()) {
      std::size_t room = most_at_once;
      for (const iovec& piece : reader.want()) {
        const std::size_t bytes = std::min({piece.iov_len, stream.size(), room});
        std::memcpy(piece.iov_base, stream.data(), bytes);
        room -= bytes;
        stream = stream.subspan(bytes);
        if (bytes < piece.iov_len) break;
      }
      reader.received(most_at_once - room);
      VAC_CHECK(take_frames());
    }
    return {};
  }

  Status take_frames() {
    for (;;) {
      VAC_TRY(const FrameReader::Step step, reader.next());
      if (step == FrameReader::Step::more) return {};
      if (step == FrameReader::Step::end) continue;
      const auto head = reader.head();
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(head.data()) % wire::kAlignment, 0u);
      heads.emplace_back(head.begin(), head.end());
      payloads.emplace_back(static_cast<std::size_t>(reader.header().payload_bytes));
      if (drop) continue;
      scatter.clear();
      scatter.add(payloads.back().data(), payloads.back().size());
      reader.scatter_to(scatter);
    }
  }
};

TEST(FrameReader, FindsFramesHoweverTheStreamIsCut) {
  std::vector<std::vector<std::byte>> frames;
  std::vector<std::byte> stream;
  std::uint64_t request = 0;
  for (const auto& [meta, payload] :
       std::vector<std::pair<std::uint32_t, std::uint64_t>>{{0, 0},
                                                            {8, 64},
                                                            {65536, 128},
                                                            {24, 40000 / 64 * 64},
                                                            {0, 16320},
                                                            {16376, 0},
                                                            {1000, 64}}) {
    frames.push_back(make_frame(++request, meta, payload));
    stream.insert(stream.end(), frames.back().begin(), frames.back().end());
  }
  for (std::size_t most : {1UL, 63UL, 64UL, 65UL, 127UL, 1000UL, 16384UL, 1UL << 20}) {
    SCOPED_TRACE(most);
    Receiver receiver;
    ASSERT_TRUE(receiver.feed(stream, most));
    ASSERT_EQ(receiver.heads.size(), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
      std::vector<std::byte> whole = receiver.heads[i];
      whole.insert(whole.end(), receiver.payloads[i].begin(), receiver.payloads[i].end());
      EXPECT_EQ(whole, frames[i]) << i;
    }
  }
}

TEST(FrameReader, DropsAPayloadThatNobodyWants) {
  std::vector<std::byte> stream = make_frame(1, 0, 1 << 20);
  const auto second = make_frame(2, 0, 64);
  stream.insert(stream.end(), second.begin(), second.end());
  Receiver receiver;
  receiver.drop = true;
  ASSERT_TRUE(receiver.feed(stream, 5000));
  EXPECT_EQ(receiver.heads.size(), 2u);
}

TEST(FrameReader, RefusesAFrameThatIsTooLarge) {
  wire::FrameHeader header;
  header.kind = wire::Kind::reply;
  header.request = 1;
  header.flags = wire::kFlagPayloadFollows;
  header.payload_bytes = kLargest + 64;
  Receiver receiver;
  EXPECT_FALSE(receiver.feed(std::as_bytes(std::span(&header, 1)), 64));
}

TEST(FrameReader, RefusesBytesThatAreNoFrame) {
  std::vector<std::byte> noise(64, std::byte{'H'});
  Receiver receiver;
  EXPECT_FALSE(receiver.feed(noise, 64));
}

}  // namespace
}  // namespace vac::remote
