// SPDX-License-Identifier: Apache-2.0
#include "agent/region_binding.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "agent/connection.hpp"
#include "agent/region.hpp"
#include "agent/services.hpp"
#include "agent/worker.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

/// That part of a region that the task has found.
std::byte* memory_of(const CallTask& task, const wire::RegionPart& part) noexcept {
  const auto found = std::ranges::find(task.regions, part.region, &FoundRegion::id);
  return found->region->bytes().data() + part.offset;
}

/// What a plugin may be given of a region: payloads start on a cache line everywhere else.
bool is_aligned(const wire::RegionPart& part) noexcept {
  return part.offset % wire::kAlignment == 0;
}

/// The bytes of a result of a call that has succeeded; null data: it made none.
std::span<const std::byte> made_by(const CallTask& task, const wire::RegionResult& place) {
  for (const wire::FrameEncoder::Output& output : task.outputs.outputs()) {
    if (output.arg == place.arg && output.child == place.child) {
      return {static_cast<const std::byte*>(output.data), static_cast<std::size_t>(output.bytes)};
    }
  }
  const vac_arg& record = task.call.args[place.record];
  if (record.dir != VAC_INOUT) return {};
  return {reinterpret_cast<const std::byte*>(record.value), static_cast<std::size_t>(record.bytes)};
}

/// A private copy, which is the task's.
Result<std::byte*> copy_input(Connection& connection, CallTask& task,
                              std::span<const std::byte> shared) {
  task.copies.reserve(task.copies.size() + 1);  // before the charge is made
  Block block =
      Block::get(connection.services().slabs, connection.tenant().memory(), shared.size());
  if (!block) return no_room(connection.tenant(), "an input", shared.size());
  std::byte* const copy = block.bytes().data();
  connection.services().copies.in(copy, shared);
  task.copies.push_back(std::move(block));
  return copy;
}

}  // namespace

std::uint64_t RegionBinding::size(std::uint32_t region) {
  const auto found = std::ranges::find(task_.regions, region, &FoundRegion::id);
  if (found != task_.regions.end()) return found->region->bytes().size();
  std::shared_ptr<Region> open = connection_.regions().find(region);
  if (open == nullptr || !open->is_open()) return 0;
  const std::uint64_t bytes = open->bytes().size();
  task_.regions.push_back({region, std::move(open)});
  return bytes;
}

std::byte* RegionBinding::input(const wire::RegionPart& part, std::uint64_t bytes, bool checked) {
  std::byte* const shared = memory_of(task_, part);
  if (bytes == 0 || (connection_.works_in_place() && !checked && is_aligned(part))) return shared;
  if (copy_late_ && !checked) {
    task_.late.push_back({shared, bytes});
    return shared;
  }
  text_bytes_ += checked ? bytes : 0;
  if (text_bytes_ > kHandledAtOnce) {
    refusal_.emplace(Errc::too_large, concat("more than ", format_bytes(kHandledAtOnce),
                                             " of text in shared memory: send text with the call"));
    return nullptr;
  }
  auto copied = copy_input(connection_, task_, {shared, static_cast<std::size_t>(bytes)});
  if (copied) return *copied;
  refusal_ = std::move(copied).error();
  return nullptr;
}

void RegionBinding::result(const wire::RegionResult& place) { task_.places.push_back(place); }

/// They were left behind in the order of their records, of which each has the address of its part.
Status copy_late_inputs(Connection& connection, CallTask& task) {
  vac_arg* record = task.call.args;
  for (const LateInput& input : task.late) {
    const auto address = reinterpret_cast<std::uintptr_t>(input.shared);
    while ((record->form != VAC_ARRAY && record->form != VAC_TENSOR) || record->value != address ||
           record->bytes != input.bytes || (record->dir & VAC_IN) == 0) {
      ++record;
    }
    VAC_TRY(std::byte * copy,
            copy_input(connection, task, {input.shared, static_cast<std::size_t>(input.bytes)}));
    record->value = reinterpret_cast<std::uintptr_t>(copy);
    ++record;
  }
  return {};
}

void place_results(const Connection& connection, CallTask& task) {
  if (!connection.works_in_place()) return;
  for (const wire::RegionResult& place : task.places) {
    const bool made = task.call.args[place.record].dir == VAC_OUT;
    if (made && is_aligned(place.part)) {
      task.outputs.place(place.arg, place.child,
                         {memory_of(task, place.part), static_cast<std::size_t>(place.capacity)});
    }
  }
}

void deliver_results(Connection& connection, CallTask& task) {
  for (const wire::RegionResult& place : task.places) {
    const std::span<const std::byte> made = made_by(task, place);
    if (made.data() == nullptr || made.size() > place.capacity) continue;
    std::byte* const shared = memory_of(task, place.part);
    if (made.data() != shared) connection.services().copies.out(shared, made);
    task.delivered.push_back(place);
  }
}

}  // namespace vac::agent
