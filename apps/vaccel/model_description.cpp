// SPDX-License-Identifier: Apache-2.0
#include "model_description.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace vac::cli {
namespace {

using Json = nlohmann::json;

constexpr int kMaxSide = 16384;

/// The whole text as a number.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Thrown inside parse_description() alone: a part of the description has a wrong form.
struct WrongForm {
  std::string path, must_be;
};

/// A part of the JSON and the way to it, for messages.
class Part {
 public:
  Part(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  /// The member, where it is there and not null.
  std::optional<Part> find(const char* key) const {
    if (!json_.is_object()) fail("an object");
    const auto member = json_.find(key);
    if (member == json_.end() || member->is_null()) return std::nullopt;
    return Part(*member, path_.empty() ? key : path_ + "." + key);
  }
  std::vector<Part> elements() const {
    if (!json_.is_array()) fail("an array");
    std::vector<Part> parts;
    parts.reserve(json_.size());
    for (std::size_t i = 0; i < json_.size(); ++i) {
      parts.emplace_back(json_[i], path_ + "[" + std::to_string(i) + "]");
    }
    return parts;
  }
  std::string text() const {
    if (!json_.is_string()) fail("a text");
    return json_.get<std::string>();
  }
  double number() const {
    if (!json_.is_number()) fail("a number");
    return json_.get<double>();
  }
  std::int64_t integer() const {
    if (!json_.is_number_integer()) fail("a whole number");
    return json_.get<std::int64_t>();
  }
  std::array<double, 3> channels() const {
    const std::vector<Part> parts = elements();
    if (parts.size() != 3) fail("three numbers");
    return {parts[0].number(), parts[1].number(), parts[2].number()};
  }
  [[noreturn]] void fail(std::string must_be) const {
    throw WrongForm{path_.empty() ? "the description" : "'" + path_ + "'", std::move(must_be)};
  }

 private:
  const Json& json_;
  std::string path_;
};

ImageNeeds::Size parse_side_lengths(const Part& part) {
  const std::vector<Part> sides = part.elements();
  if (sides.size() != 2) part.fail("width and height");
  for (const Part& side : sides) {
    if (side.integer() < 1 || side.integer() > kMaxSide) side.fail("1 to 16384");
  }
  return {static_cast<int>(sides[0].integer()), static_cast<int>(sides[1].integer())};
}

ImageNeeds parse_image(const Part& image) {
  ImageNeeds needs;
  if (const auto part = image.find("size")) needs.size = parse_side_lengths(*part);
  if (const auto part = image.find("mean")) needs.mean = part->channels();
  if (const auto part = image.find("scale")) {
    needs.scale = part->channels();
    for (const double scale : *needs.scale) {
      if (scale == 0) part->fail("other than 0");
    }
  }
  if (const auto part = image.find("layout")) {
    const Result<Layout> layout = parse_layout(part->text());
    if (!layout) part->fail("NCHW or NHWC");
    needs.layout = *layout;
  }
  if (const auto part = image.find("channels")) {
    if (part->text() != "RGB" && part->text() != "BGR") part->fail("RGB or BGR");
    needs.bgr = part->text() == "BGR";
  }
  if (const auto part = image.find("crop")) {
    needs.crop = part->number();
    if (!(needs.crop > 0 && needs.crop <= 1)) part->fail("more than 0 and at most 1");
  }
  if (const auto part = image.find("resize")) {
    if (part->text() != "bilinear") part->fail("bilinear");
  }
  return needs;
}

void parse_inputs(const Part& inputs, ModelDescription& description) {
  const std::vector<Part> all = inputs.elements();
  if (all.empty()) return;  // any number of them
  description.input_count = all.size();
  if (const auto part = all.front().find("type")) description.input_type = part->text();
  if (const auto part = all.front().find("shape")) {
    for (const Part& side : part->elements()) description.input_shape.push_back(side.integer());
  }
}

ModelDescription parse_whole(const Part& whole) {
  ModelDescription description;
  if (const auto image = whole.find("image")) description.image = parse_image(*image);
  if (const auto inputs = whole.find("inputs")) parse_inputs(*inputs, description);
  if (const auto outputs = whole.find("outputs")) {
    const std::vector<Part> all = outputs->elements();
    if (!all.empty()) {
      if (const auto activation = all.front().find("activation")) {
        const std::string name = activation->text();
        if (name != "softmax" && name != "none") activation->fail("softmax or none");
        description.softmax = name == "softmax";
      }
    }
  }
  if (const auto labels = whole.find("labels")) {
    for (const Part& label : labels->elements()) description.labels.push_back(label.text());
  }
  return description;
}

}  // namespace

ImageNeeds ImageNeeds::overridden_by(const ImageNeeds& over) const {
  ImageNeeds result = *this;
  if (over.size) result.size = over.size;
  if (over.mean) result.mean = over.mean;
  if (over.scale) result.scale = over.scale;
  if (over.layout) result.layout = over.layout;
  return result;
}

std::string ImageNeeds::missing() const {
  std::vector<std::string> options;
  if (!size) options.emplace_back("--size WxH");
  if (!mean) options.emplace_back("--mean A[,B,C]");
  if (!scale) options.emplace_back("--scale A[,B,C]");
  if (!layout) options.emplace_back("--layout NCHW|NHWC");
  std::string text;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (i > 0) text += i + 1 == options.size() ? " and " : ", ";
    text += options[i];
  }
  return text;
}

ImageSpec ImageNeeds::spec() const {
  return {*layout, bgr, size->width, size->height, crop, *mean, *scale};
}

Result<ImageNeeds::Size> parse_picture_size(std::string_view text) {
  const std::size_t cross = text.find('x');
  const auto width = parse_number<int>(text.substr(0, cross));
  const auto height =
      cross == std::string_view::npos ? width : parse_number<int>(text.substr(cross + 1));
  if (!width || !height || *width < 1 || *height < 1 || *width > kMaxSide || *height > kMaxSide) {
    return Error{Errc::invalid,
                 "size '" + std::string(text) +
                     "' is not a size in pixels: write 224 or 320x240, at most 16384"};
  }
  return ImageNeeds::Size{*width, *height};
}

Result<Layout> parse_layout(std::string_view text) {
  if (text == "NCHW") return Layout::nchw;
  if (text == "NHWC") return Layout::nhwc;
  return Error{Errc::invalid, "layout '" + std::string(text) + "' is not known: NCHW or NHWC"};
}

Result<std::array<double, 3>> parse_channels(std::string_view text) {
  std::vector<double> values;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    const auto value = parse_number<double>(rest.substr(0, comma));
    if (!value || !std::isfinite(*value)) break;
    values.push_back(*value);
    if (comma == std::string_view::npos) {
      if (values.size() == 1) values.resize(3, values.front());
      if (values.size() == 3) return std::array<double, 3>{values[0], values[1], values[2]};
      break;
    }
    rest.remove_prefix(comma + 1);
  }
  return Error{Errc::invalid,
               "'" + std::string(text) +
                   "' is neither one number nor three with commas between: write 127.5 "
                   "or 123.7,116.3,103.5"};
}

Result<std::array<double, 3>> parse_scale(std::string_view text) {
  VAC_TRY(const auto scale, parse_channels(text));
  if (std::find(scale.begin(), scale.end(), 0.0) != scale.end()) {
    return Error{Errc::invalid,
                 "scale '" + std::string(text) + "' has a 0 in it: pixels are divided by it"};
  }
  return scale;
}

Result<ModelDescription> parse_description(std::string_view json, const std::string& model) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (parsed.is_discarded()) {
    return Error{Errc::failed,
                 "model '" + model + "' describes itself by something that is not JSON"};
  }
  try {
    return parse_whole(Part(parsed, ""));
  } catch (const WrongForm& wrong) {
    return Error{Errc::invalid, "model '" + model + "' describes itself wrongly: " + wrong.path +
                                    " must be " + wrong.must_be + ": export it again"};
  }
}

}  // namespace vac::cli
