// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace vac::agent {

/// Which bytes of a file have arrived, in any order.
class ByteRanges {
 public:
  /// Of one file: a range is memory, and who leaves gaps everywhere would have as many as bytes.
  static constexpr std::size_t kMost = 4096;

  /// Where it throws nothing has changed.
  void add(std::uint64_t begin, std::uint64_t end);
  /// Whether add() would keep to kMost ranges.
  bool takes(std::uint64_t begin, std::uint64_t end) const noexcept;
  /// Whether all of [begin, end) is there.
  bool contains(std::uint64_t begin, std::uint64_t end) const noexcept;
  /// Whether all of [0, size) is there.
  bool covers(std::uint64_t size) const noexcept { return contains(0, size); }
  /// How many bytes are there.
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin -> end; apart from each other
  std::uint64_t bytes_ = 0;
};

}  // namespace vac::agent
