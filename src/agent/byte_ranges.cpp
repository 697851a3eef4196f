// SPDX-License-Identifier: Apache-2.0
#include "agent/byte_ranges.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vac::agent {

void ByteRanges::add(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  // The memory first: without it nothing has changed.
  std::map<std::uint64_t, std::uint64_t> made{{begin, end}};
  auto node = made.extract(made.begin());
  auto next = ranges_.upper_bound(begin);
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->second >= begin) {
      begin = before->first;
      end = std::max(end, before->second);
      bytes_ -= before->second - before->first;
      next = ranges_.erase(before);
    }
  }
  while (next != ranges_.end() && next->first <= end) {
    end = std::max(end, next->second);
    bytes_ -= next->second - next->first;
    next = ranges_.erase(next);
  }
  node.key() = begin;
  node.mapped() = end;
  ranges_.insert(std::move(node));
  bytes_ += end - begin;
}

bool ByteRanges::takes(std::uint64_t begin, std::uint64_t end) const noexcept {
  if (ranges_.size() < kMost) return true;
  const auto next = ranges_.upper_bound(begin);
  return (next != ranges_.end() && next->first <= end) ||
         (next != ranges_.begin() && std::prev(next)->second >= begin);
}

bool ByteRanges::contains(std::uint64_t begin, std::uint64_t end) const noexcept {
  if (begin == end) return true;
  const auto next = ranges_.upper_bound(begin);
  return next != ranges_.begin() && std::prev(next)->second >= end;
}

}  // namespace vac::agent
