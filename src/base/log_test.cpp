// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"

namespace vac {
namespace {

struct Line {
  LogLevel level;
  std::string text;
};

/// Sets VAC_LOG_LEVEL for a scope.
class LevelVariable {
 public:
  explicit LevelVariable(const char* value) {
    if (const char* const before = ::getenv("VAC_LOG_LEVEL")) before_ = before;
    ::setenv("VAC_LOG_LEVEL", value, 1);
  }
  ~LevelVariable() {
    if (before_) {
      ::setenv("VAC_LOG_LEVEL", before_->c_str(), 1);
    } else {
      ::unsetenv("VAC_LOG_LEVEL");
    }
  }

 private:
  std::optional<std::string> before_;
};

/// What `work` writes to stderr. One datagram a write(2), so that writes can be counted.
template <class Work>
std::vector<std::string> writes_to_stderr(const Work& work) {
  int pair[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  const Fd reader(pair[0]);
  Fd writer(pair[1]);
  const Fd before(::dup(STDERR_FILENO));
  ::dup2(writer.get(), STDERR_FILENO);
  work();
  ::dup2(before.get(), STDERR_FILENO);
  writer.reset();
  std::vector<std::string> writes;
  std::string packet(8192, '\0');
  for (;;) {
    const ssize_t got = ::read(reader.get(), packet.data(), packet.size());
    if (got <= 0) return writes;
    writes.emplace_back(packet.data(), static_cast<std::size_t>(got));
  }
}

TEST(Log, WritesOnlyEnabledLevels) {
  std::vector<Line> lines;
  Log log(LogLevel::info);
  log.set_sink([&lines](LogLevel level, std::string_view text) {
    lines.push_back({level, std::string(text)});
  });
  log.write(LogLevel::error, "a ", 1);
  log.write(LogLevel::info, "b ", true);
  log.write(LogLevel::debug, "c");
  log.set_level(LogLevel::error);
  log.write(LogLevel::warning, "d");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].level, LogLevel::error);
  EXPECT_EQ(lines[0].text, "a 1");
  EXPECT_EQ(lines[1].text, "b true");
}

TEST(Log, FormatsTimeLevelAndText) {
  EXPECT_EQ(format_log_line(0, LogLevel::error, "x"), "1970-01-01T00:00:00.000Z error x\n");
  EXPECT_EQ(format_log_line(1'795'348'800'123, LogLevel::warning, "text"),
            "2026-11-22T12:00:00.123Z warning text\n");
  EXPECT_EQ(format_log_line(4'107'542'399'999, LogLevel::debug, ""),
            "2100-02-28T23:59:59.999Z debug \n");
}

TEST(Log, ALineIsOneWriteToStderr) {
  Log log(LogLevel::info);
  const auto writes = writes_to_stderr([&log] {
    log.write(LogLevel::warning, "first\nsecond \x1b[2J");
    log.write(LogLevel::info, "third");
  });
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[0].substr(23), "Z warning first\\nsecond \\x1b[2J\n");
  EXPECT_EQ(writes[1].substr(23), "Z info third\n");
}

TEST(Log, ALongLineIsCutToWhatAPipeKeepsWhole) {
  const std::string line = format_log_line(0, LogLevel::info, std::string(10000, 'x'));
  EXPECT_LE(line.size(), 4096u);
  EXPECT_NE(line.find("xxx ... ("), std::string::npos);
  EXPECT_TRUE(line.ends_with(" bytes more)\n"));
  // Not in the middle of a character.
  std::string wide = "a";
  while (wide.size() < 5000) wide += "é";
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(valid_utf8(format_log_line(0, LogLevel::info, wide)));
    wide.insert(0, "a");
  }
  const std::string fits(4096 - 31, 'x');
  EXPECT_EQ(format_log_line(0, LogLevel::info, fits).size(), 4096u);
}

TEST(Log, SurvivesASinkThatThrowsAndKeepsErrno) {
  Log log;
  log.set_sink([](LogLevel, std::string_view) {
    errno = EIO;
    throw std::runtime_error("full");
  });
  errno = ENOENT;
  log.write(LogLevel::error, "x");
  EXPECT_EQ(errno, ENOENT);
}

TEST(Log, ASinkMayLogAndReplaceItself) {
  std::vector<std::string> lines;
  Log log;
  log.set_sink([&](LogLevel, std::string_view text) {
    lines.emplace_back(text);
    log.set_sink([&](LogLevel, std::string_view later) { lines.push_back(concat("2 ", later)); });
    log.write(LogLevel::error, "inner");
  });
  log.write(LogLevel::error, "outer");
  EXPECT_EQ(lines, (std::vector<std::string>{"outer", "2 inner"}));
}

TEST(Log, TakesItsLevelFromTheEnvironment) {
  Log log;
  for (const LogLevel level :
       {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
    const LevelVariable variable(std::string(log_level_name(level)).c_str());
    log.set_level_from_environment(LogLevel::warning);
    EXPECT_EQ(log.level(), level);
  }
  const LevelVariable empty("");
  log.set_level_from_environment(LogLevel::info);
  EXPECT_EQ(log.level(), LogLevel::info);
}

TEST(Log, AnUnknownLevelIsAnsweredOnceWithTheValidOnes) {
  std::vector<Line> lines;
  Log log;
  log.set_sink([&lines](LogLevel level, std::string_view text) {
    lines.push_back({level, std::string(text)});
  });
  const LevelVariable variable("verbose\n");
  log.set_level_from_environment(LogLevel::warning);
  log.set_level_from_environment(LogLevel::error);
  EXPECT_EQ(log.level(), LogLevel::error);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].level, LogLevel::warning);
  EXPECT_EQ(lines[0].text,
            "VAC_LOG_LEVEL is 'verbose\\n', which is no level and has no effect: set it to error, "
            "warning, info or debug");
}

TEST(Log, SinkIsReplacedWhileOthersLog) {
  Log log;
  std::atomic<int> count{0};
  const LogSink sink = [&count](LogLevel, std::string_view) { ++count; };
  log.set_sink(sink);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log] {
      for (int i = 0; i < 500; ++i) log.write(LogLevel::error, "x ", i);
    });
  }
  for (int i = 0; i < 200; ++i) log.set_sink(sink);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 2000);
}

TEST(Log, TheProcessHasOne) {
  std::string seen;
  default_log().set_sink([&seen](LogLevel, std::string_view text) { seen = text; });
  const LogLevel before = default_log().level();
  default_log().set_level(LogLevel::warning);
  log_warning("w", 1);
  EXPECT_EQ(seen, "w1");
  log_info("i");
  log_debug("d");
  EXPECT_EQ(seen, "w1");
  log_error("e");
  EXPECT_EQ(seen, "e");
  default_log().set_sink({});
  default_log().set_level(before);
}

}  // namespace
}  // namespace vac
