// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace vac {
namespace {

constexpr std::array<std::string_view, 4> kNames{"error", "warning", "info", "debug"};

/// PIPE_BUF of Linux: a write of that size to a pipe is never mixed with another's.
constexpr std::size_t kLongestLine = 4096;

void write_to_stderr(LogLevel level, std::string_view text) {
  using std::chrono::milliseconds;
  const auto now =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::string line = format_log_line(now.count(), level, text);
  ssize_t written;
  do {
    written = ::write(STDERR_FILENO, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
}

}  // namespace

std::string_view log_level_name(LogLevel level) noexcept {
  const auto index = static_cast<std::size_t>(level);
  return index < kNames.size() ? kNames[index] : kNames.back();
}

std::optional<LogLevel> find_log_level(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

std::string format_log_line(std::int64_t milliseconds, LogLevel level, std::string_view text) {
  using namespace std::chrono;
  const sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(milliseconds)};
  const sys_days day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char stamp[64];
  std::snprintf(
      stamp, sizeof stamp, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  std::string line = concat(stamp, log_level_name(level), " ");
  if (line.size() + text.size() + 1 > kLongestLine) {
    constexpr std::size_t kRoomForNote = 64;
    std::size_t kept = kLongestLine - kRoomForNote - line.size();
    while (kept > 0 && (static_cast<unsigned char>(text[kept]) & 0xc0) == 0x80) --kept;
    line += text.substr(0, kept);
    line += concat(" ... (", text.size() - kept, " bytes more)");
  } else {
    line += text;
  }
  line += '\n';
  return line;
}

void Log::set_level_from_environment(LogLevel otherwise) {
  const char* const value = std::getenv("VAC_LOG_LEVEL");
  const std::string_view name = value == nullptr ? "" : value;
  const std::optional<LogLevel> chosen = find_log_level(name);
  set_level(chosen.value_or(otherwise));
  if (name.empty() || chosen || warned_.exchange(true)) return;
  // Past the filter: `otherwise` may be error, and then nobody would learn of the mistake. The text
  // does not name `otherwise`: a program may come with another one later.
  emit(LogLevel::warning, concat("VAC_LOG_LEVEL is '", name,
                                 "', which is no level and has no effect: set it to error, "
                                 "warning, info or debug"));
}

void Log::set_sink(LogSink sink) {
  auto shared = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  MutexLock lock(mutex_);
  std::swap(sink_, shared);
  lock.unlock();  // the old sink is destroyed without the lock: it may log
}

void Log::emit(LogLevel level, std::string_view text) {
  const int saved = errno;
  try {
    std::shared_ptr<const LogSink> sink;
    {
      MutexLock lock(mutex_);
      sink = sink_;
    }
    const std::string line = printable(text);
    if (sink) {
      (*sink)(level, line);
    } else {
      write_to_stderr(level, line);
    }
  } catch (...) {  // from the sink, or no memory: a log line is never worth a failure
  }
  errno = saved;
}

Log& default_log() {
  static Log& log = *[] {
    auto made = std::make_unique<Log>();
    made->set_level_from_environment(LogLevel::warning);
    return made.release();  // never destroyed: see the header
  }();
  return log;
}

}  // namespace vac
