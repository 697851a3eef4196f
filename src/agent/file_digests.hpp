// SPDX-License-Identifier: Apache-2.0
// Digests of files on disk, computed once.
#pragma once

#include <vac/result.hpp>

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/mutex.hpp"

namespace vac::agent {

/// Whether the text is a SHA-256 as it is written here: 64 lower-case hex digits.
inline bool is_digest(std::string_view text) noexcept {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// SHA-256 of regular files, kept by (device, inode, size, time of change): a file that was
/// replaced or rewritten is read again. Thread-safe; two threads that ask for one file at once may
/// both read it.
class FileDigests {
 public:
  struct Known {
    std::string digest;
    std::uint64_t size = 0;
  };
  /// `name` stands for the file in an error's text.
  Result<Known> digest(const std::string& path, const std::string& name) VAC_EXCLUDES(mutex_);

 private:
  struct Identity {
    std::uint64_t device, inode, size;
    std::int64_t seconds, nanoseconds;
    auto operator<=>(const Identity&) const = default;
  };

  Mutex mutex_;
  std::map<Identity, std::string> known_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::agent
