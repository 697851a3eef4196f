// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace vac::fuzz {

/// Bytes on their way through a fake channel. Confined to one thread.
class ByteQueue {
 public:
  bool empty() const noexcept { return taken_ == bytes_.size(); }

  void add(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  /// As many as fit, at most `most`; how many that are.
  std::size_t take(std::span<std::byte> to, std::size_t most) noexcept {
    const std::size_t count = std::min({to.size(), most, bytes_.size() - taken_});
    if (count != 0) std::memcpy(to.data(), bytes_.data() + taken_, count);
    taken_ += count;
    if (empty()) {
      bytes_.clear();
      taken_ = 0;
    }
    return count;
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t taken_ = 0;
};

}  // namespace vac::fuzz
