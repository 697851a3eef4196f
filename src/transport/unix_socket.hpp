// SPDX-License-Identifier: Apache-2.0
// What the transports over unix sockets share, wherever such a socket has its name.
#pragma once

#include <vac/result.hpp>

#include <memory>
#include <string_view>

#include "base/fd.hpp"
#include "transport/channel.hpp"

namespace vac::transport {

/// A stream socket with the usual buffers. `flags` as of socket(2); `doing` begins the error.
Result<Fd> new_unix_socket(int flags, std::string_view doing);

/// A waiting connection; none where there is none now. `address` is for the error.
Result<Fd> accept_unix_socket(int listener, std::string_view address);

}  // namespace vac::transport
