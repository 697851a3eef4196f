// SPDX-License-Identifier: Apache-2.0
#include "call/types.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace vac {
namespace {

using Dims = std::vector<std::int64_t>;

TEST(Types, KnowWidthAndName) {
  EXPECT_EQ(element_bytes(VAC_C128), 16U);
  EXPECT_EQ(element_bytes(VAC_BF16), 2U);
  EXPECT_EQ(element_bytes(VAC_STRING), 0U);
  EXPECT_EQ(element_bytes(255), 0U);
  EXPECT_STREQ(type_name(VAC_F32), "f32");
  EXPECT_STREQ(type_name(VAC_OPAQUE), "opaque");
  EXPECT_STREQ(type_name(21), "?");
}

TEST(ElementCount, IsTheProductOfTheSizes) {
  EXPECT_EQ(element_count({}), 1U);
  EXPECT_EQ(element_count(Dims{2, 3, 4}), 24U);
  EXPECT_EQ(element_count(Dims{2, 0, 4}), 0U);
}

TEST(ElementCount, RefusesNegativeAndOverflowingSizes) {
  EXPECT_EQ(element_count(Dims{2, -1}), std::nullopt);
  EXPECT_EQ(element_count(Dims{0, -1}), std::nullopt);
  EXPECT_EQ(element_count(Dims{INT64_MAX, INT64_MAX}), std::nullopt);
  EXPECT_EQ(element_count(Dims{0, INT64_MAX, INT64_MAX}), std::nullopt)
      << "an empty tensor's other sizes are bounded as well";
}

TEST(TensorBytes, AreElementsTimesWidth) {
  EXPECT_EQ(tensor_bytes(VAC_F32, Dims{1, 3, 224, 224}), 602112U);
  EXPECT_EQ(tensor_bytes(VAC_F32, Dims{INT64_MAX}), std::nullopt);
  EXPECT_EQ(tensor_bytes(VAC_STRING, Dims{1}), std::nullopt);
}

TEST(ElementBytesFit, KnowsEachKindOfElement) {
  EXPECT_TRUE(element_bytes_fit(VAC_I16, 3, 6));
  EXPECT_FALSE(element_bytes_fit(VAC_I16, 3, 7));
  EXPECT_FALSE(element_bytes_fit(VAC_I16, 1ULL << 63, 0));
  EXPECT_TRUE(element_bytes_fit(VAC_OPAQUE, 3, 9));
  EXPECT_FALSE(element_bytes_fit(VAC_OPAQUE, 3, 8));
  EXPECT_TRUE(element_bytes_fit(VAC_STRING, 3, 24));
  EXPECT_FALSE(element_bytes_fit(VAC_STRING, 3, 23));
  EXPECT_FALSE(element_bytes_fit(VAC_STRING, 0, 1));
  EXPECT_FALSE(element_bytes_fit(VAC_RESOURCE, 1, 8));
}

}  // namespace
}  // namespace vac
