// SPDX-License-Identifier: Apache-2.0
// Lines about clients that were refused.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/log.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

/// Writes so many lines a period and counts the rest: whoever may connect could fill the log
/// otherwise. Thread-safe.
class RefusalLog {
 public:
  static constexpr unsigned kMostLines = 20;
  static constexpr std::int64_t kPeriodNs = 10'000'000'000;

  explicit RefusalLog(Log& log = default_log()) : log_(log) {}

  void write(std::int64_t now_ns, LogLevel level, std::string_view text) VAC_EXCLUDES(mutex_);

 private:
  Log& log_;
  Mutex mutex_;
  std::int64_t begin_ns_ VAC_GUARDED_BY(mutex_) = 0;
  unsigned written_ VAC_GUARDED_BY(mutex_) = 0;
  unsigned left_out_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
