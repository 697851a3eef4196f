// SPDX-License-Identifier: Apache-2.0
// A client that does something of everything, and knows what each answer must be.
#pragma once

#include <vac/vac.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/random.hpp"

namespace vac::test {

/// One session after the other at an address, and calls of all sizes in it. Confined to one thread.
/// The environment must have VAC_PLUGINS=noop.
class RandomWork {
 public:
  RandomWork(std::string address, std::uint64_t seed);

  /// A session, if there is none.
  Status open();
  bool is_open() const { return session_.has_value(); }
  void close() { session_.reset(); }
  /// One step: a small call, megabytes there or back, a call in buffers, an upload, another
  /// session. VAC_EBADMSG: an answer that is not the right one; else what the session said. Only
  /// with a session.
  Status step();

 private:
  Status small_call();
  Status large_input();
  Status large_output();
  Status in_buffers();
  Status upload();
  std::vector<std::int32_t> expected(std::span<const std::int32_t> input, std::size_t count);

  std::string address_;
  Random random_;
  Session local_;  ///< the same plugin in this process: its answers are right
  std::optional<Session> session_;
  std::vector<Buffer> kept_;  ///< of this session and earlier ones
};

}  // namespace vac::test
