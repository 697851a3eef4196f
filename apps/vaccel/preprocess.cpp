// SPDX-License-Identifier: Apache-2.0
#include "preprocess.hpp"

#include <algorithm>
#include <cmath>

namespace vac::cli {
namespace {

/// Which source pixels make one target pixel, and how much each counts; the weights add up to 1.
struct Tap {
  int first;
  std::vector<double> weights;
};

/// `target` taps over `begin`..`begin + length` of a line of `source` pixels. Pixels just outside
/// the area count too, as when the whole photo is resized first and cropped then.
std::vector<Tap> make_taps(int source, double begin, double length, int target) {
  const double step = length / target;
  const double radius = std::max(step, 1.0);
  std::vector<Tap> taps(static_cast<std::size_t>(target));
  for (int i = 0; i < target; ++i) {
    const double centre = begin + (i + 0.5) * step;
    const int first = std::clamp(static_cast<int>(std::floor(centre - radius)), 0, source - 1);
    const int last = std::clamp(static_cast<int>(std::ceil(centre + radius)), first + 1, source);
    Tap& tap = taps[static_cast<std::size_t>(i)];
    tap.first = first;
    double sum = 0;
    for (int x = first; x < last; ++x) {
      const double weight = std::max(0.0, 1.0 - std::abs(x + 0.5 - centre) / radius);
      tap.weights.push_back(weight);
      sum += weight;
    }
    for (double& weight : tap.weights) weight /= sum;
  }
  return taps;
}

/// One row of the photo, resized to the taps' width.
void resize_row(const std::uint8_t* row, const std::vector<Tap>& taps, double* out) {
  for (const Tap& tap : taps) {
    double sum[3] = {};
    const std::uint8_t* pixel = row + std::size_t{3} * static_cast<std::size_t>(tap.first);
    for (const double weight : tap.weights) {
      for (int c = 0; c < 3; ++c) sum[c] += weight * pixel[c];
      pixel += 3;
    }
    out = std::copy(sum, sum + 3, out);
  }
}

}  // namespace

Area central_area(const Photo& photo, const ImageSpec& spec) {
  const double fit = std::min(static_cast<double>(photo.width) / spec.width,
                              static_cast<double>(photo.height) / spec.height) *
                     spec.crop;
  const double width = spec.width * fit;
  const double height = spec.height * fit;
  return {(photo.width - width) / 2, (photo.height - height) / 2, width, height};
}

std::vector<float> resize(const Photo& photo, const Area& area, int width, int height) {
  const std::vector<Tap> columns = make_taps(photo.width, area.left, area.width, width);
  const std::vector<Tap> rows = make_taps(photo.height, area.top, area.height, height);
  const std::size_t row_values = std::size_t{3} * static_cast<std::size_t>(width);
  const std::size_t photo_row = std::size_t{3} * static_cast<std::size_t>(photo.width);

  const int first = rows.front().first;
  const int last = rows.back().first + static_cast<int>(rows.back().weights.size());
  std::vector<double> narrow(static_cast<std::size_t>(last - first) * row_values);
  for (int y = first; y < last; ++y) {
    resize_row(photo.rgb.data() + static_cast<std::size_t>(y) * photo_row, columns,
               narrow.data() + static_cast<std::size_t>(y - first) * row_values);
  }

  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(height) * row_values);
  std::vector<double> sums(row_values);
  for (const Tap& tap : rows) {
    std::fill(sums.begin(), sums.end(), 0.0);
    const double* row = narrow.data() + static_cast<std::size_t>(tap.first - first) * row_values;
    for (const double weight : tap.weights) {
      for (std::size_t x = 0; x < row_values; ++x) sums[x] += weight * row[x];
      row += row_values;
    }
    out.insert(out.end(), sums.begin(), sums.end());
  }
  return out;
}

void preprocess(const Photo& photo, const ImageSpec& spec, std::span<float> values) {
  const std::vector<float> pixels =
      resize(photo, central_area(photo, spec), spec.width, spec.height);
  const std::size_t count = pixels.size() / 3;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      const double pixel = pixels[3 * i + (spec.bgr ? 2 - c : c)];
      const std::size_t place = spec.layout == Layout::nchw ? c * count + i : 3 * i + c;
      values[place] = static_cast<float>((pixel - spec.mean[c]) / spec.scale[c]);
    }
  }
}

}  // namespace vac::cli
