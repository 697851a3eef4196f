// SPDX-License-Identifier: Apache-2.0
#include "classifier.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "open_model.hpp"

namespace vac::cli {
namespace {

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t side : shape) text += (text.size() > 1 ? "," : "") + std::to_string(side);
  return text + "]";
}

std::array<std::int64_t, 4> input_shape(const ImageSpec& spec) {
  if (spec.layout == Layout::nchw) return {1, 3, spec.height, spec.width};
  return {1, spec.height, spec.width, 3};
}

}  // namespace

Result<Classifier> Classifier::open(const ClassifierOptions& options) {
  VAC_TRY(Session session, Session::open(options.address, {.name = "vaccel run"}));
  VAC_TRY(Model model, open_model(session, options.model));
  Classifier classifier(std::move(session), std::move(model));
  classifier.name_ = options.model;
  VAC_CHECK(classifier.describe(options));
  return classifier;
}

Status Classifier::describe(const ClassifierOptions& options) {
  VAC_TRY(const std::string json, model_.describe());
  VAC_TRY(ModelDescription description, parse_description(json, name_));
  if (description.input_count != 1) {
    return Error{Errc::not_supported, "model '" + name_ + "' takes " +
                                          std::to_string(description.input_count) +
                                          " inputs, a photo is one: run it by the API"};
  }
  if (description.input_type != "f32") {
    return Error{Errc::not_supported, "model '" + name_ + "' takes " + description.input_type +
                                          ", photos are given as f32: run it by the API"};
  }
  const ImageNeeds needs = description.image.overridden_by(options.image);
  missing_ = needs.missing();
  if (missing_.empty()) spec_ = needs.spec();
  softmax_ = description.softmax || options.softmax;
  labels_ = std::move(description.labels);
  labels_from_ = "the model";
  if (!options.labels.empty()) {
    VAC_TRY(labels_, read_labels(options.labels));
    labels_from_ = "'" + options.labels + "'";
    if (labels_.empty()) {
      return Error{Errc::invalid, labels_from_ + " has no labels in it: write one a line"};
    }
  }
  return {};
}

Result<std::vector<double>> Classifier::scores_of(const Tensor& output) const {
  const std::span<const float> values = output.span<const float>();
  const std::span<const std::int64_t> shape = output.shape();
  const auto wide = std::count_if(shape.begin(), shape.end(), [](auto side) { return side != 1; });
  if (output.type() != Type::f32 || values.empty() || wide > 1) {
    return Error{Errc::not_supported, "model '" + name_ + "' gives " +
                                          vac_type_name(static_cast<std::uint8_t>(output.type())) +
                                          shape_text(shape) +
                                          ", classes are f32[1,N]: run it by the API"};
  }
  if (!labels_.empty() && labels_.size() != values.size()) {
    return Error{Errc::invalid, labels_from_ + " has " + std::to_string(labels_.size()) +
                                    " labels, the model gives " + std::to_string(values.size()) +
                                    " classes: take the labels it was trained with"};
  }
  if (std::any_of(values.begin(), values.end(), [](float value) { return std::isnan(value); })) {
    return Error{Errc::failed, "model '" + name_ +
                                   "' gives a score that is not a number: check "
                                   "--mean and --scale"};
  }
  if (softmax_) return softmax(values);
  return std::vector<double>(values.begin(), values.end());
}

Result<Classified> Classifier::classify(const Photo& photo) const {
  VAC_TRY(Tensor input, session_.new_tensor(Type::f32, input_shape(*spec_)));
  preprocess(photo, *spec_, input.span<float>());
  const auto start = std::chrono::steady_clock::now();
  VAC_TRY(Tensors outputs, model_.run({input}));
  const auto end = std::chrono::steady_clock::now();
  if (outputs.empty()) {
    return Error{Errc::failed, "model '" + name_ + "' gives no output: is it a classifier?"};
  }
  VAC_TRY(std::vector<double> scores, scores_of(outputs.front()));
  return Classified{std::move(scores), std::move(outputs), end - start};
}

std::string Classifier::label(std::size_t index) const {
  return index < labels_.size() ? labels_[index] : "class " + std::to_string(index);
}

}  // namespace vac::cli
