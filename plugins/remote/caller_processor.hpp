// SPDX-License-Identifier: Apache-2.0
// When to tell the agent on which processor a connection's calls are made.
#pragma once

#include <optional>

#include "base/processor.hpp"

namespace vac::remote {

/// Looks now and then, and tells of a processor that was the same twice: a thread that moves about
/// is not worth following. Not thread-safe.
class CallerProcessor {
 public:
  static constexpr int kCallsBetweenLooks = 16;

  /// After each call that was alone on its connection: where the calls come from now, if the agent
  /// is to be told.
  std::optional<int> news() noexcept {
    if (++calls_ < kCallsBetweenLooks) return std::nullopt;
    calls_ = 0;
    const int here = current_processor();
    const bool stayed = here == seen_;
    seen_ = here;
    if (!stayed || here < 0 || here == told_) return std::nullopt;
    told_ = here;
    return here;
  }
  /// The agent has not been told after all.
  void forget() noexcept { told_ = -1; }

 private:
  int calls_ = 0;
  int seen_ = -1;
  int told_ = -1;
};

}  // namespace vac::remote
