// SPDX-License-Identifier: Apache-2.0
// One model in one session, and what it makes of photos.
#pragma once

#include <vac/vac.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "classify.hpp"
#include "model_description.hpp"

namespace vac::cli {

struct ClassifierOptions {
  std::string address;
  std::string model;   ///< a file or model://NAME
  std::string labels;  ///< a file; empty: the model's own
  ImageNeeds image;    ///< comes before what the model says
  bool softmax = false;
};

/// What a model made of one photo.
struct Classified {
  std::vector<double> scores;
  Tensors outputs;
  std::chrono::duration<double, std::milli> run_time{};
};

/// Confined to one thread.
class Classifier {
 public:
  static Result<Classifier> open(const ClassifierOptions& options);

  /// The options without which this model cannot be given a photo; empty: none.
  const std::string& missing_options() const { return missing_; }
  /// Only where no option is missing.
  Result<Classified> classify(const Photo& photo) const;
  /// "espresso", or "class 967" without labels.
  std::string label(std::size_t index) const;
  std::string_view address() const { return session_.address(); }

 private:
  Classifier(Session session, Model model)
      : session_(std::move(session)), model_(std::move(model)) {}
  Status describe(const ClassifierOptions& options);
  Result<std::vector<double>> scores_of(const Tensor& output) const;

  // In this order: the model ends before its session.
  Session session_;
  Model model_;
  std::string name_, missing_;
  std::optional<ImageSpec> spec_;
  bool softmax_ = false;
  std::vector<std::string> labels_;
  std::string labels_from_;
};

}  // namespace vac::cli
