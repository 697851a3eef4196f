// SPDX-License-Identifier: Apache-2.0
// What bench calls through an agent: no-ops, and whose agent it is.
#pragma once

#include <sys/types.h>
#include <vac/result.hpp>
#include <vac/vac.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "bench_control.hpp"
#include "bench_stages.hpp"
#include "transport/address.hpp"

namespace vac::cli {

/// One no-op of a session, which outlives it.
class NoopCall final : public Subject {
 public:
  static Result<NoopCall> make(const Session& session, std::size_t bytes, PayloadMemory memory);

  Status call() override {
    const int code = vac_noop(session_->handle(), data_.data(), data_.size());
    return code == VAC_OK ? Status{} : Status{last_error(code)};
  }
  /// The same call, submitted: the handle is the caller's to finish.
  Result<vac_call_handle*> submit() const;
  Result<AgentCounts> counts() const { return read_counts(*session_); }

 private:
  explicit NoopCall(const Session& session) : session_(&session) {}

  const Session* session_;
  std::vector<std::byte> heap_;
  Buffer buffer_;
  std::span<std::byte> data_;  // in one of them
};

/// Tells an agent that cannot serve a benchmark from one that fails.
Status first_call(NoopCall& product, const std::string& address);

/// Whose threads are to be moved: the agent, if it is one that we may move.
Result<pid_t> agent_process(const transport::Address& address);

/// The address, if there is a raw control for its kind.
Result<transport::Address> address_with_control(const std::string& address);

}  // namespace vac::cli
