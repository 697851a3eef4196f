// SPDX-License-Identifier: Apache-2.0
// The first exchange on a connection.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <string_view>

#include "transport/channel.hpp"
#include "wire/hello.hpp"

namespace vac::remote {

/// Says hello and reads the agent's answer; returns what both keep to. All of it takes `timeout` at
/// most. `address` is for messages, which name what went wrong and what to do. The channel is left
/// without a receive time-out.
Result<wire::Hello> shake_hands(transport::Channel& channel, const wire::Hello& ours,
                                std::string_view address, std::chrono::milliseconds timeout);

}  // namespace vac::remote
