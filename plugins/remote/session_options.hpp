// SPDX-License-Identifier: Apache-2.0
// The options of a session, as the application gives them.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace vac::remote {

struct SessionOptions {
  std::chrono::milliseconds timeout{0};  ///< of each call, which the host sees to; 0: none
  std::string name;                      ///< what the agent calls the client; empty: the program's
};

/// Reads {"timeout_ms": N, "name": "...", "reconnect_ms": N}, each of them optional. A key that is
/// none of these or a value that does not fit is VAC_EINVAL.
Result<SessionOptions> parse_session_options(std::string_view json);

}  // namespace vac::remote
