// SPDX-License-Identifier: Apache-2.0
// The functions of `opencv` through the plugin's ABI.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "support/fake_host.hpp"

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

using Shape = std::vector<std::int64_t>;
using Pixels = std::vector<std::uint8_t>;

class Opencv : public testing::Test {
 protected:
  /// One picture to read, one to write; no limit below 0.
  int run(const char* function, const Shape& from_shape, const Pixels& from, const Shape& to_shape,
          Pixels& to, int limit = -1) {
    FakeCall call(host_, vac::ops::Opencv::id);
    call.list(limit < 0 ? 2 : 3).text(function);
    call.tensor(VAC_U8, from_shape, from.data(), from.size());
    if (limit >= 0) call.scalar(VAC_U8, static_cast<std::uint64_t>(limit));
    call.list(1, VAC_INOUT).tensor(VAC_U8, to_shape, to.data(), to.size(), VAC_INOUT);
    return plugin_.submit(call);
  }
  FakeHost host_;
  OpenPlugin plugin_{host_, vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR)};
};

TEST_F(Opencv, MakesGreyOfColours) {
  Pixels grey(5);
  ASSERT_EQ(run("gray", {1, 5, 3}, {255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255},
                {1, 5}, grey),
            VAC_OK)
      << host_.error;
  EXPECT_THAT(grey, ElementsAre(255, 0, 76, 150, 29));
}

TEST_F(Opencv, MakesGreyInPlace) {
  Pixels pixels = {10, 10, 10, 200, 200, 200};
  FakeCall call(host_, vac::ops::Opencv::id);
  call.list(2).text("gray").tensor(VAC_U8, {1, 2, 3}, pixels.data(), 6);
  call.list(1, VAC_INOUT).tensor(VAC_U8, {1, 2}, pixels.data(), 2, VAC_INOUT);
  ASSERT_EQ(plugin_.submit(call), VAC_OK) << host_.error;
  EXPECT_EQ(pixels[0], 10);
  EXPECT_EQ(pixels[1], 200);
}

TEST_F(Opencv, InvertsPicturesOfBothKinds) {
  Pixels to(3);
  ASSERT_EQ(run("invert", {1, 1, 3}, {0, 100, 255}, {1, 1, 3}, to), VAC_OK) << host_.error;
  EXPECT_THAT(to, ElementsAre(255, 155, 0));
  ASSERT_EQ(run("invert", {3, 1}, {1, 2, 3}, {3, 1}, to), VAC_OK) << host_.error;
  EXPECT_THAT(to, ElementsAre(254, 253, 252));
}

TEST_F(Opencv, FindsEdges) {
  Pixels to(9, 1);
  ASSERT_EQ(run("sobel", {3, 3}, {0, 0, 9, 0, 0, 9, 0, 0, 9}, {3, 3}, to), VAC_OK) << host_.error;
  EXPECT_THAT(to, ElementsAre(0, 36, 36, 0, 36, 36, 0, 36, 36));
  ASSERT_EQ(run("sobel", {3, 3}, {0, 0, 0, 0, 0, 0, 200, 200, 200}, {3, 3}, to), VAC_OK);
  EXPECT_THAT(to, ElementsAre(0, 0, 0, 255, 255, 255, 255, 255, 255));
  Pixels one(1, 1);
  ASSERT_EQ(run("sobel", {1, 1}, {77}, {1, 1}, one), VAC_OK);
  EXPECT_THAT(one, ElementsAre(0));
  Pixels none;
  EXPECT_EQ(run("sobel", {0, 4}, {}, {0, 4}, none), VAC_OK) << "a picture without rows";
  const std::int64_t endless = std::int64_t{1} << 62U;
  EXPECT_EQ(run("sobel", {endless, 0}, {}, {endless, 0}, none), VAC_OK) << "and without columns";
}

TEST_F(Opencv, TellsWhatIsAboveALimit) {
  Pixels to(3);
  ASSERT_EQ(run("threshold", {1, 3}, {99, 100, 101}, {1, 3}, to, 100), VAC_OK) << host_.error;
  EXPECT_THAT(to, ElementsAre(0, 0, 255));
}

TEST_F(Opencv, RefusesFunctionsThatItDoesNotHave) {
  Pixels to(1);
  EXPECT_EQ(run("blur", {1, 1}, {1}, {1, 1}, to), VAC_ENOTSUP);
  EXPECT_EQ(host_.error,
            "function 'blur' is not known to reference: there are gray, invert, sobel and "
            "threshold");
  FakeCall nothing(host_, vac::ops::Opencv::id);
  nothing.list(0).list(0, VAC_INOUT);
  EXPECT_EQ(plugin_.submit(nothing), VAC_EINVAL);
  EXPECT_THAT(host_.error, HasSubstr("read[0] is no string, must be the function's name"));
  FakeCall number(host_, vac::ops::Opencv::id);
  number.list(1).scalar(VAC_I32, 3).list(0, VAC_INOUT);
  EXPECT_EQ(plugin_.submit(number), VAC_EINVAL);
}

TEST_F(Opencv, RefusesAnotherNumberOfValues) {
  Pixels to(1);
  EXPECT_EQ(run("threshold", {1, 1}, {1}, {1, 1}, to), VAC_EINVAL);
  EXPECT_EQ(host_.error, "threshold was given 2 values to read and 1 to write, must be 3 and 1");
  EXPECT_EQ(run("invert", {1, 1}, {1}, {1, 1}, to, 3), VAC_EINVAL);
  FakeCall call(host_, vac::ops::Opencv::id);
  call.list(2).text("invert").tensor(VAC_U8, {1, 1}, to.data(), 1).list(0, VAC_INOUT);
  EXPECT_EQ(plugin_.submit(call), VAC_EINVAL);
  EXPECT_THAT(host_.error, HasSubstr("2 values to read and 0 to write"));
}

TEST_F(Opencv, RefusesWhatIsNoPicture) {
  Pixels to(4);
  EXPECT_EQ(run("invert", {4}, {1, 2, 3, 4}, {4}, to), VAC_EINVAL);
  EXPECT_EQ(host_.error,
            "read[1] has shape [4], must be a tensor of u8, [height,width] or [height,width,3]");
  EXPECT_EQ(run("invert", {1, 1, 4}, {1, 2, 3, 4}, {1, 1, 4}, to), VAC_EINVAL);
  FakeCall call(host_, vac::ops::Opencv::id);
  call.list(2).text("invert").array(VAC_U8, to.data(), 4);
  call.list(1, VAC_INOUT).tensor(VAC_U8, {2, 2}, to.data(), 4, VAC_INOUT);
  EXPECT_EQ(plugin_.submit(call), VAC_EINVAL);
  EXPECT_THAT(host_.error, HasSubstr("read[1] is no tensor"));
  FakeCall floats(host_, vac::ops::Opencv::id);
  floats.list(2).text("invert").tensor(VAC_F32, {1, 1}, to.data(), 4);
  floats.list(1, VAC_INOUT).tensor(VAC_F32, {1, 1}, to.data(), 4, VAC_INOUT);
  EXPECT_EQ(plugin_.submit(floats), VAC_EINVAL);
}

TEST_F(Opencv, RefusesShapesThatDoNotFit) {
  Pixels to(6);
  EXPECT_EQ(run("gray", {2, 3}, {1, 2, 3, 4, 5, 6}, {2, 3}, to), VAC_EINVAL);
  EXPECT_EQ(host_.error, "gray takes a picture of shape [height,width,3], read[1] has [2,3]");
  EXPECT_EQ(run("sobel", {1, 2, 3}, {1, 2, 3, 4, 5, 6}, {1, 2}, to), VAC_EINVAL);
  EXPECT_EQ(run("invert", {2, 3}, {1, 2, 3, 4, 5, 6}, {3, 2}, to), VAC_EINVAL);
  EXPECT_EQ(host_.error, "write[0] has shape [3,2], invert makes [2,3]");
}

TEST_F(Opencv, RefusesALimitOfAnotherType) {
  Pixels to(1);
  FakeCall call(host_, vac::ops::Opencv::id);
  call.list(3).text("threshold").tensor(VAC_U8, {1, 1}, to.data(), 1).scalar(VAC_I32, 5);
  call.list(1, VAC_INOUT).tensor(VAC_U8, {1, 1}, to.data(), 1, VAC_INOUT);
  EXPECT_EQ(plugin_.submit(call), VAC_EINVAL);
  EXPECT_EQ(host_.error, "read[2] is no u8, must be the limit of the threshold");
}

TEST_F(Opencv, RefusesEdgesInPlace) {
  Pixels pixels = {1, 2, 3, 4};
  FakeCall call(host_, vac::ops::Opencv::id);
  call.list(2).text("sobel").tensor(VAC_U8, {2, 2}, pixels.data(), 4);
  call.list(1, VAC_INOUT).tensor(VAC_U8, {2, 2}, pixels.data(), 4, VAC_INOUT);
  EXPECT_EQ(plugin_.submit(call), VAC_EINVAL);
  EXPECT_EQ(host_.error, "write[0] overlaps read[1]: give it memory of its own");
}

}  // namespace
