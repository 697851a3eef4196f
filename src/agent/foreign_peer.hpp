// SPDX-License-Identifier: Apache-2.0
// Peers that meant somebody else.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace vac::agent {

/// What to tell a peer whose first bytes are no frame, in its own protocol where that is known.
std::string answer_to_foreign_peer(std::span<const std::byte> first_bytes);

}  // namespace vac::agent
