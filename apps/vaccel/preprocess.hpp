// SPDX-License-Identifier: Apache-2.0
// From a photo to the numbers that a model takes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "photo.hpp"

namespace vac::cli {

enum class Layout : std::uint8_t { nchw, nhwc };

/// How a model wants its image. A value.
struct ImageSpec {
  Layout layout = Layout::nchw;
  bool bgr = false;
  int width = 0;
  int height = 0;
  double crop = 1.0;  ///< part of the largest centred area of the model's aspect ratio
  std::array<double, 3>
      mean{};  ///< of red, green, blue (bgr: of blue, green, red), for pixels 0..255
  std::array<double, 3> scale{1, 1, 1};

  std::size_t value_count() const {
    return std::size_t{3} * static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  }
};

/// An area of a photo in pixels; edges may lie between pixels.
struct Area {
  double left, top, width, height;
};

/// The centred area that `spec` looks at.
Area central_area(const Photo& photo, const ImageSpec& spec);

/// The area resized to width x height, three values a pixel, 0..255: bilinear, and where it shrinks
/// each pixel is the weighted mean of all that it covers (a triangle as wide as two target pixels),
/// so that fine detail does not turn into noise.
std::vector<float> resize(const Photo& photo, const Area& area, int width, int height);

/// (pixel - mean) / scale for each value, in the order of the layout. `values` has
/// spec.value_count() elements.
void preprocess(const Photo& photo, const ImageSpec& spec, std::span<float> values);

}  // namespace vac::cli
