// SPDX-License-Identifier: Apache-2.0
#include "agent/refusal_log.hpp"

#include <utility>

namespace vac::agent {

void RefusalLog::write(std::int64_t now_ns, LogLevel level, std::string_view text) {
  unsigned left_out = 0;
  {
    const MutexLock lock(mutex_);
    if (written_ == 0 || now_ns - begin_ns_ >= kPeriodNs) {
      begin_ns_ = now_ns;
      written_ = 0;
      left_out = std::exchange(left_out_, 0);
    }
    if (written_ == kMostLines) {
      ++left_out_;
      return;
    }
    ++written_;
  }
  if (left_out != 0) {
    log_.write(LogLevel::warning, "refused ", left_out, " more clients, not told one by one");
  }
  log_.write(level, text);
}

}  // namespace vac::agent
