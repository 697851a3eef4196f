// SPDX-License-Identifier: Apache-2.0
#include "scatter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace vac::remote {
namespace {

std::vector<std::byte> numbered(std::size_t bytes) {
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i % 251);
  return data;
}

std::uint64_t size_of(std::span<const iovec> pieces) {
  std::uint64_t bytes = 0;
  for (const iovec& piece : pieces) bytes += piece.iov_len;
  return bytes;
}

TEST(Scatter, DropsWhatPadsAPiece) {
  std::array<std::byte, 70> first{};
  std::array<std::byte, 64> second{};
  Scatter scatter;
  scatter.add(first.data(), first.size());
  scatter.add(nullptr, 0);
  scatter.add(second.data(), second.size());
  const auto stream = numbered(192);
  scatter.copy(stream);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), stream.begin()));
  EXPECT_TRUE(std::equal(second.begin(), second.end(), stream.begin() + 128));
}

TEST(Scatter, GivesTheSameMemoryHoweverTheStreamIsCut) {
  const auto stream = numbered(320);
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    std::array<std::byte, 130> first{};
    std::array<std::byte, 100> second{};
    Scatter scatter;
    scatter.add(first.data(), first.size());
    scatter.add(second.data(), second.size());
    std::size_t at = 0;
    while (at < stream.size()) {
      const std::size_t want = std::min(cut, stream.size() - at);
      const auto window = scatter.window(want);
      ASSERT_EQ(size_of(window), want);
      for (const iovec& piece : window) {
        std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), piece.iov_len,
                    static_cast<std::byte*>(piece.iov_base));
        at += piece.iov_len;
      }
      scatter.advance(want);
    }
    ASSERT_TRUE(std::equal(first.begin(), first.end(), stream.begin())) << cut;
    ASSERT_TRUE(std::equal(second.begin(), second.end(), stream.begin() + 192)) << cut;
    ASSERT_TRUE(scatter.window(1).empty());
  }
}

TEST(Scatter, IsEmptyAfterClear) {
  std::array<std::byte, 64> memory{};
  Scatter scatter;
  scatter.add(memory.data(), memory.size());
  scatter.clear();
  EXPECT_TRUE(scatter.window(64).empty());
}

}  // namespace
}  // namespace vac::remote
