// SPDX-License-Identifier: Apache-2.0
// What a model says about itself, and what the user says in its place.
#pragma once

#include <vac/result.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preprocess.hpp"

namespace vac::cli {

/// A value. What is not known is absent.
struct ImageNeeds {
  struct Size {
    int width, height;
  };
  std::optional<Size> size;
  std::optional<std::array<double, 3>> mean, scale;
  std::optional<Layout> layout;
  bool bgr = false;
  double crop = 1.0;

  /// What `over` knows counts, what it does not know stays as it is here.
  ImageNeeds overridden_by(const ImageNeeds& over) const;
  /// The options that would complete this: "--size, --mean and --layout"; empty when nothing is
  /// missing.
  std::string missing() const;
  /// Only where nothing is missing.
  ImageSpec spec() const;
};

/// "224" or "320x240".
Result<ImageNeeds::Size> parse_picture_size(std::string_view text);
/// "NCHW" or "NHWC".
Result<Layout> parse_layout(std::string_view text);
/// "127.5" for every channel, or one number for each: "123.7,116.3,103.5".
Result<std::array<double, 3>> parse_channels(std::string_view text);
/// The same, none of them 0.
Result<std::array<double, 3>> parse_scale(std::string_view text);

struct ModelDescription {
  ImageNeeds image;
  bool softmax = false;  ///< its scores are to be made probabilities
  std::vector<std::string> labels;
  std::size_t input_count = 1;
  std::string input_type = "f32";
  std::vector<std::int64_t>
      input_shape;  ///< of the first input; empty where it is not known; -1 is any size
};

/// Reads the JSON of model_describe. Parts that are not there are unknown; parts of a wrong form
/// are an error that names them.
Result<ModelDescription> parse_description(std::string_view json, const std::string& model);

}  // namespace vac::cli
