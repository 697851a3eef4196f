// SPDX-License-Identifier: Apache-2.0
// Who may use a listener.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <optional>

#include "agent/config.hpp"

namespace vac::agent {

/// Of the socket file: what the system checks before the agent is asked.
std::uint32_t socket_mode(const ListenerConfig& listener) noexcept;

/// Whether a user may stay; `peer` is nothing where the transport knows no users. VAC_EACCES says
/// who could change that; the client reads it, so it does not tell where the socket lies.
Status check_access(const ListenerConfig& listener, std::optional<std::uint32_t> peer,
                    std::uint32_t own_uid);

}  // namespace vac::agent
