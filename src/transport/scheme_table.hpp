// SPDX-License-Identifier: Apache-2.0
// The table of transports. A new one is a line here, and is then known to every address, listener
// and conformance test.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <memory>
#include <span>
#include <string_view>

#include "transport/channel.hpp"

namespace vac::transport {

struct Scheme {
  std::string_view name;     ///< "unix"
  std::string_view example;  ///< "unix:///run/vaccel.sock"
  std::string_view doc;      ///< one line for people
  bool suggested;            ///< whether errors and help name it; what serves tests alone is not
  /// Whether the part behind "scheme://" can be one; the error says what it must be.
  Status (*check_target)(std::string_view target);
  Result<std::unique_ptr<Channel>> (*connect)(const Address&, std::chrono::milliseconds timeout);
  Result<std::unique_ptr<Listener>> (*listen)(const Address&, const ListenOptions&);
};

std::span<const Scheme> schemes() noexcept;
/// nullptr where there is none.
const Scheme* find_scheme(std::string_view name) noexcept;

}  // namespace vac::transport
