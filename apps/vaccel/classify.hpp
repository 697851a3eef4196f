// SPDX-License-Identifier: Apache-2.0
// From a model's output to the classes it names.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace vac::cli {

struct ClassScore {
  std::size_t index;
  double score;
};

/// Scores that add up to 1, of values of any size.
std::vector<double> softmax(std::span<const float> values);

/// The `count` highest, highest first; of equal ones the lower index first.
std::vector<ClassScore> highest(std::span<const double> scores, std::size_t count);

/// One label a line; empty lines and lines that begin with '#' do not count.
Result<std::vector<std::string>> read_labels(const std::string& path);

}  // namespace vac::cli
