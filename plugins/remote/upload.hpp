// SPDX-License-Identifier: Apache-2.0
// Announcing a resource to the agent, and sending what the agent lacks of it.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <cstdint>
#include <string>

#include "connection.hpp"

namespace vac::remote {

/// Most bytes of a file in one call, where frames may be that large, and such calls in flight.
inline constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
inline constexpr std::size_t kPiecesInFlight = 4;

/// What the agent is told of the files of a resource: a line each, "sha256 size name"; for a
/// directory the line "directory" before them.
std::string manifest_of(const vac_resource_view& view);

/// How messages call a resource.
std::string title_of(const vac_resource_view& view);

/// Opens the resource at the agent, or announces it and sends the files that the agent lacks;
/// returns the agent's id. After an error nothing of it is left on the connection. `parent` is the
/// call that needs it, see RemoteResource::id_for().
Result<std::uint64_t> open_at_agent(Connection& connection, const vac_resource_view& view,
                                    vac_call& parent, const vac_host& host);

}  // namespace vac::remote
