// SPDX-License-Identifier: Apache-2.0
// How one call uses the regions that its frame names.
#pragma once

#include <vac/result.hpp>

#include <cstdint>

#include "agent/call_task.hpp"
#include "wire/regions.hpp"

namespace vac::agent {

class Connection;
struct Worker;

/// While a call is decoded: finds regions, and copies what a client must not change under the call.
/// What it finds and makes belongs to the task. `worker` is this thread's: it steps aside for much
/// data, which is copied here or read by a plugin that is quick with little.
class RegionBinding final : public wire::RegionReader {
 public:
  RegionBinding(Connection& connection, Worker& worker, CallTask& task) noexcept
      : connection_(connection), worker_(worker), task_(task) {}

  std::uint64_t size(std::uint32_t region) override;
  std::byte* input(const wire::RegionPart& part, std::uint64_t bytes, bool checked) override;
  void result(const wire::RegionResult& place) override;

  /// The size of the input for which there was no memory; 0: there was.
  std::uint64_t refused_bytes() const noexcept { return refused_bytes_; }

 private:
  Connection& connection_;
  Worker& worker_;
  CallTask& task_;
  std::uint64_t input_bytes_ = 0;
  std::uint64_t refused_bytes_ = 0;
};

/// Where a call works on shared memory itself: its results are made where the client wants them.
/// After the plugin's outputs have begun for the call.
void place_results(const Connection& connection, CallTask& task);

/// After success: leaves in the client's regions what has room there, and notes it in
/// task.delivered.
void deliver_results(Connection& connection, CallTask& task);

}  // namespace vac::agent
