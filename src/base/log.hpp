// SPDX-License-Identifier: Apache-2.0
// The log: lines of text with a level, to stderr or wherever the program sends them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/mutex.hpp"
#include "base/text.hpp"

namespace vac {

/// The numbers are those of the plugin ABI's log function.
enum class LogLevel : std::uint8_t { error = 0, warning = 1, info = 2, debug = 3 };

/// "error", "warning", "info", "debug".
std::string_view log_level_name(LogLevel level) noexcept;
std::optional<LogLevel> find_log_level(std::string_view name) noexcept;

/// Receives one line without time, level and line end, its control characters escaped. Called from
/// any thread, also by several at once, with no lock held.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// A level filter and a sink. Logging never fails and never throws: a line that cannot be written
/// is dropped, and errno stays. Thread-safe.
class Log {
 public:
  explicit Log(LogLevel level = LogLevel::warning) : level_(level) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// The least important level that is written.
  LogLevel level() const noexcept { return level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) noexcept { level_.store(level, std::memory_order_relaxed); }
  bool enabled(LogLevel level) const noexcept { return level <= this->level(); }

  /// Takes the level from VAC_LOG_LEVEL; if that is unset, empty or unknown, `otherwise`. The first
  /// unknown value is answered with a warning that names the valid ones.
  void set_level_from_environment(LogLevel otherwise);

  /// Sends lines to `sink` from now on; an empty one brings stderr back. A thread that is in the
  /// middle of a line may call the old sink once more after this returns.
  void set_sink(LogSink sink) VAC_EXCLUDES(mutex_);

  /// Writes the parts, joined as concat() does, if the level is enabled.
  template <class... Parts>
  void write(LogLevel level, const Parts&... parts) noexcept {
    if (!enabled(level)) return;
    try {
      emit(level, concat(parts...));
    } catch (...) {  // no memory for the line: there is nobody to tell
    }
  }

 private:
  void emit(LogLevel level, std::string_view text) VAC_EXCLUDES(mutex_);

  std::atomic<LogLevel> level_;
  std::atomic<bool> warned_{false};
  Mutex mutex_;
  // Shared by this object and the threads that are calling it at the moment.
  std::shared_ptr<const LogSink> sink_ VAC_GUARDED_BY(mutex_);
};

/// The process's log. Made at its first use with VAC_LOG_LEVEL or `warning`, never destroyed: it
/// works in destructors of globals and in threads that outlive main().
Log& default_log();

template <class... Parts>
void log_error(const Parts&... parts) {
  default_log().write(LogLevel::error, parts...);
}
template <class... Parts>
void log_warning(const Parts&... parts) {
  default_log().write(LogLevel::warning, parts...);
}
template <class... Parts>
void log_info(const Parts&... parts) {
  default_log().write(LogLevel::info, parts...);
}
template <class... Parts>
void log_debug(const Parts&... parts) {
  default_log().write(LogLevel::debug, parts...);
}

/// One line of the default sink: "2026-11-22T12:00:00.123Z warning text\n", at most 4,096 bytes;
/// a longer text is cut and says by how many bytes. `milliseconds` counts from 1970, UTC.
std::string format_log_line(std::int64_t milliseconds, LogLevel level, std::string_view text);

}  // namespace vac
