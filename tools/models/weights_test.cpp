// SPDX-License-Identifier: Apache-2.0
#include "weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>

#include "efficientnet_lite0.hpp"

namespace vac::models {
namespace {

using ::testing::HasSubstr;

// One tensor of shape [2,2] and one of [3], all ones.
std::string small_file() {
  const float ones[7] = {1, 1, 1, 1, 1, 1, 1};
  return "vac-weights 1\na 2 2 2\nb 1 3\n\n" +
         std::string(reinterpret_cast<const char*>(ones), sizeof(ones));
}

Weights read(const std::string& content) {
  const std::string path = ::testing::TempDir() + "weights_test." +
                           ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::ofstream(path, std::ios::binary) << content;
  return Weights::read(path);
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Weights, ReadsTensorsByName) {
  const Weights weights = read(small_file());
  EXPECT_TRUE(at::equal(weights.get("a", {2, 2}), at::ones({2, 2})));
  EXPECT_TRUE(at::equal(weights.get("b", {3}), at::ones({3})));
}

TEST(Weights, RefusesEveryTruncationAndAnythingBehind) {
  const std::string whole = small_file();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(error_of([&] { read(whole.substr(0, size)); }), HasSubstr("cannot read weights"))
        << size;
  }
  EXPECT_THAT(error_of([&] { read(whole + "x"); }), HasSubstr("it is too long"));
}

TEST(Weights, RefusesShapesThatAreMalformedOrHuge) {
  for (const char* line : {"a", "a x", "a 1", "a 1 -1", "a 1 0", "a 9 1 1 1 1 1 1 1 1 1",
                           "a 2 4294967296 4294967296"}) {
    EXPECT_THAT(error_of([&] { read("vac-weights 1\n" + std::string(line) + "\n\n"); }),
                HasSubstr("malformed line"))
        << line;
  }
}

TEST(Weights, NamesAFileThatIsNotThere) {
  EXPECT_THAT(error_of([] { Weights::read("/nonexistent/weights"); }),
              HasSubstr("/nonexistent/weights: it cannot be opened"));
}

TEST(Weights, RefusesATensorOfAnotherShape) {
  const Weights weights = read(small_file());
  EXPECT_THAT(error_of([&] { weights.get("a", {4}); }),
              HasSubstr("tensor a has shape [2, 2], the network needs [4]"));
}

TEST(EfficientNetLite0, RefusesWeightsOfAnotherNetwork) {
  const Weights weights = read(small_file());
  EXPECT_THAT(error_of([&] { efficientnet_lite0(weights); }),
              HasSubstr("the weights lack tensor _conv_stem.weight"));
}

}  // namespace
}  // namespace vac::models
