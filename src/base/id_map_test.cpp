// SPDX-License-Identifier: Apache-2.0
#include "base/id_map.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace vac {
namespace {

TEST(IdMap, NumbersFromOneOn) {
  IdMap<std::string> map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.insert("a"), 1u);
  EXPECT_EQ(map.insert("b"), 2u);
  EXPECT_EQ(*map.find(1), "a");
  EXPECT_EQ(*map.find(2), "b");
  EXPECT_EQ(map.size(), 2u);
}

TEST(IdMap, FindsNothingForStaleAndUnknownIds) {
  IdMap<int> map;
  const std::uint64_t id = map.insert(5);
  EXPECT_TRUE(map.erase(id));
  EXPECT_FALSE(map.erase(id));
  EXPECT_EQ(map.find(id), nullptr);
  EXPECT_EQ(map.find(0), nullptr);
  EXPECT_EQ(map.find(UINT64_MAX), nullptr);
}

TEST(IdMap, NeverGivesAnIdTwice) {
  IdMap<int> map;
  const std::uint64_t first = map.insert(1);
  map.erase(first);
  EXPECT_GT(map.insert(2), first);
  map.clear();
  EXPECT_EQ(map.insert(3), 3u);
}

TEST(IdMap, ValuesStayAtTheirAddress) {
  IdMap<int> map;
  const std::uint64_t id = map.insert(42);
  const int* const address = map.find(id);
  for (int i = 0; i < 10000; ++i) map.insert(i);
  for (std::uint64_t other = 2; other <= 5000; ++other) map.erase(other);
  EXPECT_EQ(map.find(id), address);
  EXPECT_EQ(*address, 42);
}

TEST(IdMap, HoldsAndReturnsValuesThatOnlyMove) {
  IdMap<std::unique_ptr<int>> map;
  const std::uint64_t id = map.insert(std::make_unique<int>(9));
  auto taken = map.take(id);
  ASSERT_TRUE(taken);
  EXPECT_EQ(**taken, 9);
  EXPECT_FALSE(map.take(id));
  EXPECT_TRUE(map.empty());
}

TEST(IdMap, IterationSeesAllValues) {
  IdMap<int> map;
  for (int i = 0; i < 10; ++i) map.insert(i);
  map.erase(4);
  std::uint64_t ids = 0;
  for (const auto& [id, value] : map) {
    EXPECT_EQ(static_cast<std::uint64_t>(value) + 1, id);
    ids += id;
  }
  EXPECT_EQ(ids, 55u - 4u);
}

}  // namespace
}  // namespace vac
