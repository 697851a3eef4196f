// SPDX-License-Identifier: Apache-2.0
#include "preprocess.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vac::cli {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::FloatNear;

/// A photo whose three channels are the grey value given, plus 0, 1 and 2.
Photo photo_of(int width, int height, const std::vector<int>& values) {
  Photo photo{width, height, {}};
  for (const int value : values) {
    for (int c = 0; c < 3; ++c) photo.rgb.push_back(static_cast<std::uint8_t>(value + c));
  }
  return photo;
}

/// The first channel alone.
std::vector<float> red(const std::vector<float>& pixels) {
  std::vector<float> out;
  for (std::size_t i = 0; i < pixels.size(); i += 3) out.push_back(pixels[i]);
  return out;
}

TEST(Preprocess, TakesTheCentreInTheModelsAspectRatio) {
  const Photo photo{600, 400, {}};
  ImageSpec spec;
  spec.width = spec.height = 224;
  const Area whole = central_area(photo, spec);
  EXPECT_DOUBLE_EQ(whole.left, 100);
  EXPECT_DOUBLE_EQ(whole.top, 0);
  EXPECT_DOUBLE_EQ(whole.width, 400);
  EXPECT_DOUBLE_EQ(whole.height, 400);
  spec.crop = 0.875;
  const Area part = central_area(photo, spec);
  EXPECT_DOUBLE_EQ(part.left, 125);
  EXPECT_DOUBLE_EQ(part.top, 25);
  EXPECT_DOUBLE_EQ(part.width, 350);
  spec = {};
  spec.width = 100;
  spec.height = 200;
  const Area tall = central_area(photo, spec);
  EXPECT_DOUBLE_EQ(tall.left, 200);
  EXPECT_DOUBLE_EQ(tall.width, 200);
  EXPECT_DOUBLE_EQ(tall.height, 400);
}

TEST(Preprocess, LeavesAPhotoOfTheRightSizeAsItIs) {
  const Photo photo = photo_of(2, 2, {0, 100, 200, 50});
  EXPECT_THAT(red(resize(photo, {0, 0, 2, 2}, 2, 2)), ElementsAre(0, 100, 200, 50));
}

TEST(Preprocess, EnlargesByBilinearInterpolation) {
  // Target centres at -0.25, 0.25, 0.75, 1.25 between source centres 0 and 1.
  const Photo photo = photo_of(2, 1, {0, 100});
  EXPECT_THAT(red(resize(photo, {0, 0, 2, 1}, 4, 1)), ElementsAre(0, 25, 75, 100));
}

TEST(Preprocess, ShrinksByTheTriangleOverAllThatIsCovered) {
  // Step 2, so the triangle of radius 2 around 1 and 3. Around 1: pixel centres 0.5, 1.5, 2.5 weigh
  // 0.75, 0.75, 0.25.
  const Photo photo = photo_of(4, 1, {10, 20, 40, 80});
  EXPECT_THAT(red(resize(photo, {0, 0, 4, 1}, 2, 1)),
              ElementsAre(FloatEq((0.75F * 10 + 0.75F * 20 + 0.25F * 40) / 1.75F),
                          FloatEq((0.25F * 20 + 0.75F * 40 + 0.75F * 80) / 1.75F)));
}

TEST(Preprocess, ResizesRowsAsColumns) {
  const Photo lying = photo_of(4, 1, {10, 20, 40, 80});
  const Photo standing = photo_of(1, 4, {10, 20, 40, 80});
  EXPECT_EQ(resize(lying, {0, 0, 4, 1}, 2, 1), resize(standing, {0, 0, 1, 4}, 1, 2));
}

TEST(Preprocess, LooksBeyondTheAreaButNotBeyondThePhoto) {
  // The one target pixel covers 1..3 and its triangle 0..4: weights 0.25, 0.75, 0.75, 0.25.
  const Photo photo = photo_of(4, 1, {10, 20, 40, 80});
  EXPECT_THAT(
      red(resize(photo, {1, 0, 2, 1}, 1, 1)),
      ElementsAre(FloatNear((0.25F * 10 + 0.75F * 20 + 0.75F * 40 + 0.25F * 80) / 2, 1e-5F)));
}

TEST(Preprocess, SubtractsTheMeanAndDividesByTheScale) {
  const Photo photo = photo_of(1, 1, {100});  // 100, 101, 102
  ImageSpec spec;
  spec.width = spec.height = 1;
  spec.mean = {100, 100, 100};
  spec.scale = {1, 2, 4};
  std::vector<float> values(spec.value_count());
  preprocess(photo, spec, values);
  EXPECT_THAT(values, ElementsAre(0, 0.5, 0.5));
}

TEST(Preprocess, OrdersValuesByTheLayout) {
  const Photo photo = photo_of(2, 1, {10, 20});
  ImageSpec spec;
  spec.width = 2;
  spec.height = 1;
  std::vector<float> values(spec.value_count());
  preprocess(photo, spec, values);
  EXPECT_THAT(values, ElementsAre(10, 20, 11, 21, 12, 22));
  spec.layout = Layout::nhwc;
  preprocess(photo, spec, values);
  EXPECT_THAT(values, ElementsAre(10, 11, 12, 20, 21, 22));
}

TEST(Preprocess, PutsBlueFirstWhereTheModelWantsThat) {
  const Photo photo = photo_of(1, 1, {100});
  ImageSpec spec;
  spec.width = spec.height = 1;
  spec.bgr = true;
  spec.mean = {2, 1, 0};  // of blue, green, red
  std::vector<float> values(spec.value_count());
  preprocess(photo, spec, values);
  EXPECT_THAT(values, ElementsAre(100, 100, 100));
}

}  // namespace
}  // namespace vac::cli
