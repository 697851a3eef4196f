// SPDX-License-Identifier: Apache-2.0
// Digests of files on disk, computed once.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

/// Whether the text is a SHA-256 as it is written here: 64 lower-case hex digits.
inline bool is_digest(std::string_view text) noexcept {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Opens a regular file for reading; VAC_EINVAL for anything else. `name` stands for the file in an
/// error's text.
Result<Fd> open_regular(const std::string& path, const std::string& name);

/// SHA-256 of regular files, kept by device and inode as long as size, time of modification and
/// time of change stay: a file that was replaced or rewritten is read again. Thread-safe; two
/// threads that ask for one file at once may both read it.
class FileDigests {
 public:
  struct Known {
    std::string digest;
    std::uint64_t size = 0;
  };
  /// `name` stands for the file in an error's text.
  Result<Known> digest(const std::string& path, const std::string& name) VAC_EXCLUDES(mutex_);
  /// Of an open regular file. VAC_EAGAIN where it is written to meanwhile.
  Result<Known> digest(int fd, const std::string& name) VAC_EXCLUDES(mutex_);
  /// Sets the file's time of access to now, without forgetting what is known of it. This process
  /// may have renamed it since. Without effect where it may not be done.
  void note_use(int fd) noexcept VAC_EXCLUDES(mutex_);

 private:
  struct Time {
    std::int64_t seconds = 0, nanoseconds = 0;
    auto operator<=>(const Time&) const = default;
  };
  struct Entry {
    std::uint64_t size = 0;
    Time modified, changed;
    /// Not modified at the very time when it was read: the clock that files are stamped with moves
    /// in steps of milliseconds, and a second change within one cannot be told.
    bool settled = false;
    std::string digest;

    bool has_content_of(const Entry& other) const noexcept {
      return size == other.size && modified == other.modified;
    }
  };
  using Identity = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
  struct Found {
    Identity identity;
    Entry entry;
  };

  void note_new_time(int fd) VAC_EXCLUDES(mutex_);
  static Result<Found> look_at(int fd, const std::string& name);

  Mutex mutex_;
  std::map<Identity, Entry> known_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::agent
