// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/guarded_memory.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <utility>

namespace vac::plugin_check {
namespace {

TEST(GuardedMemory, IsWholeWhileItsOwnBytesAreWritten) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{4096}}) {
    const GuardedMemory memory(size, 4);
    for (std::size_t i = 0; i < size; ++i) memory.data()[i] = std::byte{0xff};
    EXPECT_FALSE(memory.breach()) << size;
  }
}

TEST(GuardedMemory, TellsTheFirstByteWrittenBesideIt) {
  const GuardedMemory behind(10, 1);
  behind.data()[10] ^= std::byte{1};
  EXPECT_EQ(behind.breach(), 10);
  const GuardedMemory far(10, 1);
  far.data()[10 + GuardedMemory::kGuardBytes - 1] ^= std::byte{1};
  EXPECT_EQ(far.breach(), 10 + static_cast<std::ptrdiff_t>(GuardedMemory::kGuardBytes) - 1);
  const GuardedMemory before(10, 1);
  before.data()[-1] ^= std::byte{1};
  EXPECT_EQ(before.breach(), -1);
}

TEST(GuardedMemory, IsAlignedAsAskedForAndNoMore) {
  for (const std::size_t alignment : {1U, 2U, 4U, 8U, 16U, 32U}) {
    const GuardedMemory memory(1, alignment);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % (2 * alignment), alignment);
  }
  const GuardedMemory output(1, 64);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(output.data()) % 64, 0U);
}

TEST(GuardedMemory, KeepsItsContentAndPlaceWhenMoved) {
  const std::array<std::byte, 3> content = {std::byte{1}, std::byte{2}, std::byte{3}};
  GuardedMemory first(content, 1);
  const std::byte* place = first.data();
  const GuardedMemory second = std::move(first);
  EXPECT_EQ(second.data(), place);
  EXPECT_EQ(second.content()[2], std::byte{3});
}

}  // namespace
}  // namespace vac::plugin_check
