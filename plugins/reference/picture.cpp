// SPDX-License-Identifier: Apache-2.0
#include "picture.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "overlap.hpp"

namespace vac::reference {
namespace {

using Pixel = std::uint8_t;

struct Picture {
  std::vector<std::int64_t> shape;
  std::span<Pixel> pixels;

  bool colour() const { return shape.size() == 3; }
  std::size_t height() const { return static_cast<std::size_t>(shape[0]); }
  std::size_t width() const { return static_cast<std::size_t>(shape[1]); }
};

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t dim : shape) text += (text.empty() ? "" : ",") + std::to_string(dim);
  return "[" + text + "]";
}

Result<Picture> read_picture(const char* name, const vac_value& value) {
  Picture picture;
  if (value.form == VAC_TENSOR) picture.shape.assign(value.dims, value.dims + value.rank);
  const bool grey = picture.shape.size() == 2;
  const bool colour = picture.shape.size() == 3 && picture.shape[2] == 3;
  if (value.type != VAC_U8 || !(grey || colour)) {
    return Error{Errc::invalid,
                 std::string(name) +
                     (value.form == VAC_TENSOR ? " has shape " + shape_text(picture.shape)
                                               : " is no tensor") +
                     ", must be a tensor of u8, [height,width] or [height,width,3]"};
  }
  picture.pixels = {static_cast<Pixel*>(value.data), value.bytes};
  return picture;
}

/// What a function works on.
struct Work {
  Picture from, to;
  Pixel limit;  // threshold's
};

void gray(const Work& work) {
  // In 16 bits behind the point; the three add up to one, so that white stays white.
  constexpr std::uint32_t kRed = 19595, kGreen = 38470, kBlue = 7471, kHalf = 32768;
  for (std::size_t i = 0; i < work.to.pixels.size(); ++i) {
    const std::span<const Pixel> rgb = work.from.pixels.subspan(3 * i, 3);
    work.to.pixels[i] =
        static_cast<Pixel>((kRed * rgb[0] + kGreen * rgb[1] + kBlue * rgb[2] + kHalf) >> 16U);
  }
}

void invert(const Work& work) {
  for (std::size_t i = 0; i < work.to.pixels.size(); ++i) {
    work.to.pixels[i] = static_cast<Pixel>(255 - work.from.pixels[i]);
  }
}

void threshold(const Work& work) {
  for (std::size_t i = 0; i < work.to.pixels.size(); ++i) {
    work.to.pixels[i] = work.from.pixels[i] > work.limit ? 255 : 0;
  }
}

void sobel(const Work& work) {
  const std::size_t width = work.from.width();
  const std::size_t height = work.from.height();
  for (std::size_t y = 0; y < height; ++y) {
    const auto row = [&](std::size_t at) { return work.from.pixels.subspan(at * width, width); };
    const std::array rows = {row(y == 0 ? 0 : y - 1), row(y), row(std::min(y + 1, height - 1))};
    for (std::size_t x = 0; x < width; ++x) {
      const std::size_t left = x == 0 ? 0 : x - 1;
      const std::size_t right = std::min(x + 1, width - 1);
      const auto across = [&](std::size_t i) { return rows[i][right] - rows[i][left]; };
      const auto down = [&](std::size_t column) { return rows[2][column] - rows[0][column]; };
      const int dx = across(0) + 2 * across(1) + across(2);
      const int dy = down(left) + 2 * down(x) + down(right);
      work.to.pixels[y * width + x] =
          static_cast<Pixel>(std::min(std::abs(dx) + std::abs(dy), 255));
    }
  }
}

struct Function {
  std::string_view name;
  void (*run)(const Work&);
  bool takes_colour, takes_grey;
  std::size_t inputs;  // the name included
  Same in_place;
};
// Grey is written behind where colour is read, so that gray works in place; no two shapes do.
constexpr std::array kFunctions = {Function{"gray", gray, true, false, 2, Same::allowed},
                                   Function{"invert", invert, true, true, 2, Same::allowed},
                                   Function{"sobel", sobel, false, true, 2, Same::refused},
                                   Function{"threshold", threshold, true, true, 3, Same::allowed}};

Result<const Function*> find_function(const ValueList& read) {
  constexpr const char* kRemedy = "there are gray, invert, sobel and threshold";
  if (read.empty() || read[0].form != VAC_ARRAY || read[0].type != VAC_CHAR) {
    return Error{Errc::invalid,
                 std::string("read[0] is no string, must be the function's name: ") + kRemedy};
  }
  const std::string_view name(static_cast<const char*>(read[0].data), read[0].bytes);
  const auto* const found =
      std::find_if(kFunctions.begin(), kFunctions.end(),
                   [&](const Function& function) { return function.name == name; });
  if (found != kFunctions.end()) return found;
  return Error{Errc::not_supported, "function '" + std::string(name.substr(0, 64)) +
                                        "' is not known to reference: " + kRemedy};
}

Status check_counts(const Function& function, std::size_t read, std::size_t write) {
  if (read == function.inputs && write == 1) return {};
  return Error{Errc::invalid, std::string(function.name) + " was given " + std::to_string(read) +
                                  " values to read and " + std::to_string(write) +
                                  " to write, must be " + std::to_string(function.inputs) +
                                  " and 1"};
}

Status check_shapes(const Function& function, const Picture& from, const Picture& to) {
  if (!(from.colour() ? function.takes_colour : function.takes_grey)) {
    return Error{Errc::invalid, std::string(function.name) + " takes a picture of shape " +
                                    (from.colour() ? "[height,width]" : "[height,width,3]") +
                                    ", read[1] has " + shape_text(from.shape)};
  }
  std::vector<std::int64_t> wanted = from.shape;
  if (!function.takes_grey) wanted.resize(2);
  if (to.shape == wanted) return {};
  return Error{Errc::invalid, "write[0] has shape " + shape_text(to.shape) + ", " +
                                  std::string(function.name) + " makes " + shape_text(wanted)};
}

Result<Pixel> read_limit(const vac_value& value) {
  if (value.form == VAC_SCALAR && value.type == VAC_U8) return *static_cast<Pixel*>(value.data);
  return Error{Errc::invalid, "read[2] is no u8, must be the limit of the threshold"};
}

}  // namespace

Status picture_function(Call& /*call*/, const ops::Opencv::Args& in) {
  VAC_TRY(const Function* function, find_function(in.read));
  VAC_CHECK(check_counts(*function, in.read.size(), in.write.size()));
  Work work{};
  VAC_TRY(work.from, read_picture("read[1]", in.read[1]));
  VAC_TRY(work.to, read_picture("write[0]", in.write[0]));
  VAC_CHECK(check_shapes(*function, work.from, work.to));
  VAC_CHECK(refuse_overlap({"write[0]", "read[1]"}, work.to.pixels, work.from.pixels,
                           function->in_place));
  if (function->inputs == 3) {
    VAC_TRY(work.limit, read_limit(in.read[2]));
  }
  // A picture of no width may have any height.
  if (!work.to.pixels.empty()) function->run(work);
  return {};
}

}  // namespace vac::reference
