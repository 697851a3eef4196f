// SPDX-License-Identifier: Apache-2.0
// Telling whoever started the agent how far it is.
#pragma once

#include <string_view>

namespace vac::agent {

/// Sends a state such as "READY=1" to systemd, as sd_notify(3) does; without effect where
/// NOTIFY_SOCKET is not set.
void notify_service_manager(std::string_view state);

/// Writes the line "ready" to a descriptor that the starter waits on, and closes it. -1: none.
void notify_starter(int fd);

}  // namespace vac::agent
