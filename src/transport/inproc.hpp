// SPDX-License-Identifier: Apache-2.0
// inproc://name: two ends in one process, for tests and simulation. The functions of its line in
// the scheme table.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <memory>
#include <string_view>

#include "transport/channel.hpp"

namespace vac::transport {

Status check_inproc_target(std::string_view target);
Result<std::unique_ptr<Channel>> connect_inproc(const Address& address,
                                                std::chrono::milliseconds timeout);
/// The options say who may open a socket's file; here is none, and both ends are one process.
Result<std::unique_ptr<Listener>> listen_inproc(const Address& address,
                                                const ListenOptions& options);

}  // namespace vac::transport
