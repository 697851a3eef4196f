// SPDX-License-Identifier: Apache-2.0
#include "agent/assemblies.hpp"

#include <algorithm>
#include <utility>

#include "agent/connection.hpp"
#include "base/text.hpp"

namespace vac::agent {

std::vector<Assemblies::Growing>::iterator Assemblies::find(std::uint64_t request) {
  return std::ranges::find_if(
      growing_, [&](const Growing& growing) { return growing.task->request == request; });
}

void Assemblies::begin(TaskPtr task, std::size_t filled) {
  growing_.push_back({std::move(task), filled});
}

void Assemblies::discard(std::uint64_t request, std::uint64_t bytes) {
  if (bytes == 0) return;
  if (discarded_.size() == kMostDiscarded) discarded_.pop_front();
  discarded_.push_back({request, bytes});
}

Result<std::span<std::byte>> Assemblies::place(std::uint64_t request, std::uint64_t bytes) {
  const auto too_much = [&] {
    return Error{Errc::protocol,
                 concat("the peer sent more data for call ", request, " than it announced")};
  };
  if (const auto growing = find(request); growing != growing_.end()) {
    const std::span<std::byte> frame = growing->task->frame.bytes();
    if (bytes > frame.size() - growing->filled) return too_much();
    return frame.subspan(static_cast<std::size_t>(growing->filled),
                         static_cast<std::size_t>(bytes));
  }
  const auto discarded = std::ranges::find(discarded_, request, &Discarded::request);
  if (discarded == discarded_.end()) {
    return Error{Errc::protocol,
                 concat("the peer sent data for call ", request, ", which announced none")};
  }
  if (bytes > discarded->rest) return too_much();
  discarded->rest -= bytes;
  if (discarded->rest == 0) discarded_.erase(discarded);
  return std::span<std::byte>();
}

TaskPtr Assemblies::filled(std::uint64_t request, std::uint64_t bytes) {
  const auto growing = find(request);
  growing->filled += bytes;
  if (growing->filled < growing->task->frame.bytes().size()) return {};
  TaskPtr task = std::move(growing->task);
  growing_.erase(growing);
  return task;
}

TaskPtr Assemblies::cancel(std::uint64_t request) {
  const auto growing = find(request);
  if (growing == growing_.end()) return {};
  TaskPtr task = std::move(growing->task);
  const std::uint64_t rest = task->frame.bytes().size() - growing->filled;
  growing_.erase(growing);
  discard(request, rest);
  return task;
}

TaskPtr Assemblies::abandon(std::uint64_t request) {
  std::erase_if(discarded_, [&](const Discarded& gone) { return gone.request == request; });
  const auto growing = find(request);
  if (growing == growing_.end()) return {};
  TaskPtr task = std::move(growing->task);
  growing_.erase(growing);
  return task;
}

}  // namespace vac::agent
