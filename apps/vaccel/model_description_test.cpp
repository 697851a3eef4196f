// SPDX-License-Identifier: Apache-2.0
#include "model_description.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vac::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kWhole = R"({
  "inputs": [{"name": "image", "type": "f32", "shape": [-1, 3, 224, 192]}],
  "outputs": [{"name": "logits", "type": "f32", "shape": [-1, 3], "activation": "softmax"}],
  "image": {"layout": "NHWC", "channels": "BGR", "size": [192, 224], "crop": 0.875, "resize": "bilinear",
            "mean": [1, 2, 3], "scale": [4, 5, 6.5]},
  "labels": ["a", "b", "c"], "licence": "Apache-2.0"})";

TEST(ModelDescription, ReadsAllThatAModelSays) {
  const auto description = parse_description(kWhole, "m.pt");
  ASSERT_TRUE(description) << description.error().message();
  EXPECT_TRUE(description->softmax);
  EXPECT_THAT(description->labels, ElementsAre("a", "b", "c"));
  EXPECT_EQ(description->input_count, 1U);
  EXPECT_EQ(description->input_type, "f32");
  EXPECT_THAT(description->input_shape, ElementsAre(-1, 3, 224, 192));
  ASSERT_EQ(description->image.missing(), "");
  const ImageSpec spec = description->image.spec();
  EXPECT_EQ(spec.layout, Layout::nhwc);
  EXPECT_TRUE(spec.bgr);
  EXPECT_EQ(spec.width, 192);
  EXPECT_EQ(spec.height, 224);
  EXPECT_DOUBLE_EQ(spec.crop, 0.875);
  EXPECT_THAT(spec.mean, ElementsAre(1, 2, 3));
  EXPECT_THAT(spec.scale, ElementsAre(4, 5, 6.5));
}

TEST(ModelDescription, KnowsNothingOfAModelThatSaysNothing) {
  const auto description =
      parse_description(R"({"inputs": [{"name": "x", "type": null, "shape": null}]})", "m");
  ASSERT_TRUE(description) << description.error().message();
  EXPECT_FALSE(description->softmax);
  EXPECT_TRUE(description->input_shape.empty());
  EXPECT_EQ(description->image.missing(),
            "--size WxH, --mean A[,B,C], --scale A[,B,C] and --layout NCHW|NHWC");
}

TEST(ModelDescription, OptionsComeBeforeWhatTheModelSays) {
  const auto description = parse_description(kWhole, "m.pt");
  ASSERT_TRUE(description);
  ImageNeeds options;
  options.size = ImageNeeds::Size{10, 20};
  const ImageSpec spec = description->image.overridden_by(options).spec();
  EXPECT_EQ(spec.width, 10);
  EXPECT_EQ(spec.height, 20);
  EXPECT_EQ(spec.layout, Layout::nhwc);
  options.layout = Layout::nchw;
  EXPECT_EQ(options.missing(), "--mean A[,B,C] and --scale A[,B,C]");
}

TEST(ModelDescription, NamesThePartOfAWrongForm) {
  struct Case {
    const char* json;
    const char* text;
  };
  for (const Case& wrong : {
           Case{"nonsense", "not JSON"},
           Case{"[]", "the description must be an object"},
           Case{R"({"image": {"size": [224]}})", "'image.size' must be width and height"},
           Case{R"({"image": {"size": [224, 0]}})", "'image.size[1]' must be 1 to 16384"},
           Case{R"({"image": {"mean": [1, 2]}})", "'image.mean' must be three numbers"},
           Case{R"({"image": {"scale": [1, 0, 1]}})", "'image.scale' must be other than 0"},
           Case{R"({"image": {"layout": "HWC"}})", "'image.layout' must be NCHW or NHWC"},
           Case{R"({"image": {"channels": "YUV"}})", "'image.channels' must be RGB or BGR"},
           Case{R"({"image": {"crop": 1.5}})", "'image.crop' must be more than 0"},
           Case{R"({"image": {"resize": "bicubic"}})", "'image.resize' must be bilinear"},
           Case{R"({"outputs": [{"activation": "relu"}]})", "'outputs[0].activation' must be"},
           Case{R"({"labels": ["a", 1]})", "'labels[1]' must be a text"},
       }) {
    const auto description = parse_description(wrong.json, "m.pt");
    ASSERT_FALSE(description) << wrong.json;
    EXPECT_THAT(description.error().text(), HasSubstr(wrong.text));
    EXPECT_THAT(description.error().text(), HasSubstr("'m.pt'"));
  }
}

TEST(ModelDescription, ReadsSizes) {
  ASSERT_TRUE(parse_picture_size("224"));
  EXPECT_EQ(parse_picture_size("224")->height, 224);
  ASSERT_TRUE(parse_picture_size("320x240"));
  EXPECT_EQ(parse_picture_size("320x240")->width, 320);
  EXPECT_EQ(parse_picture_size("320x240")->height, 240);
  for (const char* wrong : {"", "x", "224x", "x224", "-1", "0", "224x0", "1e3", "20000", "3x4x5"}) {
    EXPECT_FALSE(parse_picture_size(wrong)) << wrong;
  }
}

TEST(ModelDescription, ReadsOneNumberForAllChannelsOrThree) {
  EXPECT_THAT(*parse_channels("127.5"), ElementsAre(127.5, 127.5, 127.5));
  EXPECT_THAT(*parse_channels("1,2.5,-3"), ElementsAre(1, 2.5, -3));
  for (const char* wrong : {"", "1,2", "1,2,3,4", "a", "1,,3", "1,2,3,", "nan", "inf"}) {
    EXPECT_FALSE(parse_channels(wrong)) << wrong;
  }
  EXPECT_FALSE(parse_scale("1,0,1"));
  EXPECT_TRUE(parse_scale("58.4"));
}

}  // namespace
}  // namespace vac::cli
