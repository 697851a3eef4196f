// SPDX-License-Identifier: Apache-2.0
// The answer to `info`.
#pragma once

#include <string>

namespace vac::agent {

class Connection;

/// The agent as one of its clients sees it, a JSON object: agent, tenant, limits, models, shared
/// memory, the times of the client's calls, sessions, and what the runtime says of itself: version,
/// plugins.
std::string describe_agent(const Connection& connection);

}  // namespace vac::agent
