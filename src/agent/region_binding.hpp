// SPDX-License-Identifier: Apache-2.0
// How one call uses the regions that its frame names.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <optional>

#include "agent/call_task.hpp"
#include "wire/regions.hpp"

namespace vac::agent {

class Connection;

/// While a call is decoded: finds regions, and copies what a client must not change under the call,
/// or leaves that to copy_late_inputs(): text, whose content is checked, is copied at once, and is
/// refused where it is much. What it finds and makes belongs to the task.
class RegionBinding final : public wire::RegionReader {
 public:
  RegionBinding(Connection& connection, CallTask& task, bool copy_late) noexcept
      : connection_(connection), task_(task), copy_late_(copy_late) {}

  std::uint64_t size(std::uint32_t region) override;
  std::byte* input(const wire::RegionPart& part, std::uint64_t bytes, bool checked) override;
  void result(const wire::RegionResult& place) override;

  /// Why an input was refused; nothing: none was.
  const std::optional<Error>& refusal() const noexcept { return refusal_; }

 private:
  Connection& connection_;
  CallTask& task_;
  const bool copy_late_;
  std::uint64_t text_bytes_ = 0;
  std::optional<Error> refusal_;
};

/// Before a call that was bound so is run: makes the private copies of its inputs. VAC_ENOSPC:
/// there is no room for one.
Status copy_late_inputs(Connection& connection, CallTask& task);

/// Where a call works on shared memory itself: its results are made where the client wants them.
/// After the plugin's outputs have begun for the call.
void place_results(const Connection& connection, CallTask& task);

/// After success: leaves in the client's regions what has room there, and notes it in
/// task.delivered.
void deliver_results(Connection& connection, CallTask& task);

}  // namespace vac::agent
