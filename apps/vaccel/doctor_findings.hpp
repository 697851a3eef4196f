// SPDX-License-Identifier: Apache-2.0
// What a doctor finds, step by step.
#pragma once

#include <vac/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace vac::cli {

enum class Health { good, note, broken };

struct Finding {
  std::string subject;  ///< "socket"
  Health health;
  std::string text;     ///< "srw-rw---- root:vaccel, you are in group vaccel"
  std::string verdict;  ///< "ok, 21 us away"; of what is broken: what to do
};

/// In the order in which they were found. A value.
class Findings {
 public:
  void good(std::string subject, std::string text, std::string verdict = "ok") {
    all_.push_back({std::move(subject), Health::good, std::move(text), std::move(verdict)});
  }
  /// Neither good nor bad.
  void note(std::string subject, std::string text, std::string verdict = {}) {
    all_.push_back({std::move(subject), Health::note, std::move(text), std::move(verdict)});
  }
  void broken(std::string subject, std::string text, std::string remedy) {
    all_.push_back({std::move(subject), Health::broken, std::move(text), std::move(remedy)});
  }
  void broken(std::string subject, const Error& error, std::string remedy) {
    broken(std::move(subject), error.message(), std::move(remedy));
  }

  bool healthy() const;
  const std::vector<Finding>& all() const { return all_; }
  /// A table; the subject is named once where several rows in a row have the same.
  std::string table() const;
  /// {"ok": true, "findings": [{"subject", "health", "text", "verdict"}]}
  std::string json() const;

 private:
  std::vector<Finding> all_;
};

}  // namespace vac::cli
