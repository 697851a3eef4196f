// SPDX-License-Identifier: Apache-2.0
// What the rivals have in common: a server in a process of its own and one client, over a unix
// socket. Bytes there, 64 back; the server reads every byte of a page or more, as the plugin noop
// does.
#pragma once

#include <vac/result.hpp>

#include <functional>
#include <memory>
#include <string>

#include "vaccel/bench_block.hpp"
#include "vaccel/bench_control.hpp"

namespace vac::bench {

struct RivalOptions {
  std::size_t bytes = 64;
  bool callback = false;  ///< where the rival has more than one programming interface
};

inline constexpr std::size_t kReplyBytes = cli::kControlReplyBytes;

struct Rival {
  /// Serves at that path, and does not return; in a process of its own.
  std::function<void(const std::string& path, const RivalOptions&)> serve;
  /// The one client.
  std::function<Result<std::unique_ptr<cli::Subject>>(const std::string& path, const RivalOptions&)>
      connect;
};

/// The program of a rival: --bytes N, --callback, and --tuned, which gives both processes the
/// malloc policy of the agent; then what it is told on standard input (driver.hpp).
int run_rival(int argc, char** argv, const Rival& rival);

}  // namespace vac::bench
