// SPDX-License-Identifier: Apache-2.0
#include "classify.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "read_file.hpp"

namespace vac::cli {

std::vector<double> softmax(std::span<const float> values) {
  std::vector<double> scores(values.begin(), values.end());
  if (scores.empty()) return scores;
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - most);
  for (double& score : scores) score /= sum;
  return scores;
}

std::vector<ClassScore> highest(std::span<const double> scores, std::size_t count) {
  std::vector<ClassScore> all;
  all.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) all.push_back({i, scores[i]});
  count = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    [](const ClassScore& a, const ClassScore& b) {
                      return a.score != b.score ? a.score > b.score : a.index < b.index;
                    });
  all.resize(count);
  return all;
}

Result<std::vector<std::string>> read_labels(const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
  VAC_TRY(const std::vector<std::byte> bytes, read_file("labels", path, kMaxBytes));
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> labels;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with('#')) labels.emplace_back(line);
  }
  return labels;
}

}  // namespace vac::cli
