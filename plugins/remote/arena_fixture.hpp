// SPDX-License-Identifier: Apache-2.0
// Regions for tests of Arena: memory that nobody else has mapped.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "arena.hpp"
#include "base/fd.hpp"
#include "buddy.hpp"

namespace vac::remote {

inline constexpr std::uint64_t kPage = Buddy::kSmallestBlock;
inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

inline constexpr const char* kMemfdName = "arena_test_region";

/// No page of it is touched: the size costs nothing.
inline std::unique_ptr<MappedRegion> map_region(std::uint32_t id, std::uint64_t bytes) {
  const Fd memory(::memfd_create(kMemfdName, MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(memory.get(), static_cast<off_t>(bytes)), 0);
  void* const base = ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE,
                            MAP_SHARED, memory.get(), 0);
  EXPECT_NE(base, MAP_FAILED);
  return std::make_unique<MappedRegion>(static_cast<std::byte*>(base), bytes, id);
}

/// How many regions of map_region() the kernel knows of in this process.
inline std::size_t mapped_regions() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(kMemfdName) != std::string::npos) ++count;
  }
  return count;
}

/// An arena with regions of these sizes, whose ids are 1, 2 and so on.
inline std::shared_ptr<Arena> arena_of(std::initializer_list<std::uint64_t> sizes) {
  std::shared_ptr<Arena> arena = Arena::create();
  std::uint32_t id = 0;
  for (const std::uint64_t bytes : sizes) EXPECT_TRUE(arena->add(map_region(++id, bytes)));
  return arena;
}

}  // namespace vac::remote
