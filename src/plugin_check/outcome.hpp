// SPDX-License-Identifier: Apache-2.0
// What a check of a plugin came to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace vac::plugin_check {

enum class Verdict : std::uint8_t {
  ok,
  note,     // neither good nor bad: a figure
  warning,  // works, and should be different
  skipped,  // could not be checked; the text says what is missing
  failed,
};

/// One line of the report. A value.
struct Outcome {
  Verdict verdict = Verdict::ok;
  std::string check;  ///< "minmax: inputs stay"
  std::string text;   ///< what was seen; of a failure: what, why, and what to do
};

using Listener = std::function<void(const Outcome&)>;

}  // namespace vac::plugin_check
