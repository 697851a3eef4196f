// SPDX-License-Identifier: Apache-2.0
// unix:///path: stream sockets with a name in the file system. The functions of its line in the
// scheme table.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <memory>
#include <string_view>

#include "transport/channel.hpp"

namespace vac::transport {

Status check_unix_target(std::string_view target);
Result<std::unique_ptr<Channel>> connect_unix(const Address& address,
                                              std::chrono::milliseconds timeout);
Result<std::unique_ptr<Listener>> listen_unix(const Address& address, const ListenOptions& options);

}  // namespace vac::transport
