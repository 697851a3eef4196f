// SPDX-License-Identifier: Apache-2.0
#include "agent/access.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace vac::agent {

std::uint32_t socket_mode(const ListenerConfig& listener) noexcept {
  if (!listener.uids.empty()) return 0666;  // each user is asked for
  return listener.group.empty() ? 0600 : 0660;
}

Status check_access(const ListenerConfig& listener, std::optional<std::uint32_t> peer,
                    std::uint32_t own_uid) {
  if (!peer || *peer == own_uid) return {};
  // With a group alone the file's mode has decided.
  const bool allowed = listener.uids.empty()
                           ? !listener.group.empty()
                           : std::ranges::find(listener.uids, *peer) != listener.uids.end();
  if (allowed) return {};
  return Error{Errc::access_denied,
               concat("uid ", *peer,
                      " may not use this agent: ask who runs it to name the user or a group in "
                      "[[listen]]")};
}

}  // namespace vac::agent
