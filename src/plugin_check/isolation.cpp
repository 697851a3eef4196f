// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/isolation.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace vac::plugin_check {

enum class MessageKind : std::uint8_t { step = 1, outcome, fact, done };

namespace {

struct Header {
  MessageKind kind;
  Verdict verdict;
  std::uint16_t zero;
  std::uint32_t check_bytes, text_bytes;
};
constexpr std::uint32_t kMostBytes = 1U << 20;

/// What the process reported last, and whether it was finished.
struct Progress {
  std::string check = "load", text = "the file is loaded";
  bool done = false;
};

/// Collects bytes of the pipe into messages.
class Messages {
 public:
  Messages(const Listener& outcomes, const FactListener& facts)
      : outcomes_(outcomes), facts_(facts) {}

  /// False when nothing more will come.
  bool read_from(int fd) {
    char buffer[4096];
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    bytes_.append(buffer, static_cast<std::size_t>(got));
    while (take_one()) {
    }
    return true;
  }
  const Progress& progress() const noexcept { return progress_; }

 private:
  bool take_one() {
    Header header;
    if (bytes_.size() < sizeof header) return false;
    std::memcpy(&header, bytes_.data(), sizeof header);
    // Only a plugin that writes to descriptors that are not its own makes such a header.
    if (header.check_bytes > kMostBytes || header.text_bytes > kMostBytes ||
        header.verdict > Verdict::failed) {
      bytes_.clear();
      return false;
    }
    const std::size_t size = sizeof header + header.check_bytes + header.text_bytes;
    if (bytes_.size() < size) return false;
    std::string check = bytes_.substr(sizeof header, header.check_bytes);
    std::string text = bytes_.substr(sizeof header + header.check_bytes, header.text_bytes);
    bytes_.erase(0, size);
    act(header, std::move(check), std::move(text));
    return true;
  }

  void act(const Header& header, std::string check, std::string text) {
    switch (header.kind) {
      case MessageKind::step:
        progress_.check = std::move(check);
        progress_.text = std::move(text);
        break;
      case MessageKind::outcome:
        outcomes_({header.verdict, std::move(check), std::move(text)});
        break;
      case MessageKind::fact:
        facts_(check, text);
        break;
      case MessageKind::done:
        progress_.done = true;
        break;
      default:
        break;
    }
  }

  const Listener& outcomes_;
  const FactListener& facts_;
  std::string bytes_;
  Progress progress_;
};

[[noreturn]] void be_the_child(int pipe, const std::function<void(Reporter&)>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);  // what the plugin prints is no part of the report
  Reporter reporter(pipe);
  body(reporter);
  reporter.leave();
}

/// Why the process was not finished; nothing where it was, and ended well.
std::optional<std::string> ending(int status, bool done) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const char* name = ::sigabbrev_np(number);
    return concat("the process was killed by SIG", name == nullptr ? "?" : name, " (",
                  ::strsignal(number), ")");
  }
  if (done && WEXITSTATUS(status) == 0) return std::nullopt;
  return concat("the plugin ended the process, exit status ", WEXITSTATUS(status),
                ": return a code instead");
}

/// False when nothing came for `patience`.
bool listen(int fd, Messages& messages, std::chrono::seconds patience) {
  const auto wait_ms =
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(patience).count());
  for (;;) {
    pollfd event = {fd, POLLIN, 0};
    const int ready = ::poll(&event, 1, wait_ms);
    if (ready == 0) return false;
    if (ready < 0 && errno != EINTR) return true;
    if (ready > 0 && !messages.read_from(fd)) return true;
  }
}

}  // namespace

void Reporter::send(MessageKind kind, Verdict verdict, std::string_view check,
                    std::string_view text) {
  check = check.substr(0, kMostBytes);
  text = text.substr(0, kMostBytes);
  const Header header = {kind, verdict, 0, static_cast<std::uint32_t>(check.size()),
                         static_cast<std::uint32_t>(text.size())};
  std::string message(reinterpret_cast<const char*>(&header), sizeof header);
  message.append(check).append(text);
  const MutexLock lock(mutex_);
  std::string_view rest = message;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ::_exit(1);  // nobody listens any more
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Reporter::step(std::string_view check, std::string_view text) {
  send(MessageKind::step, Verdict::ok, check, text);
}
void Reporter::tell(Verdict verdict, std::string_view check, std::string_view text) {
  send(MessageKind::outcome, verdict, check, text);
}
void Reporter::fact(std::string_view key, std::string_view value) {
  send(MessageKind::fact, Verdict::ok, key, value);
}
void Reporter::done() { send(MessageKind::done, Verdict::ok, {}, {}); }

void Reporter::leave() {
  done();
  ::_exit(0);  // without destructors: threads of the plugin may still run
}

std::optional<Outcome> run_isolated(const std::function<void(Reporter&)>& body,
                                    std::chrono::seconds patience, const Listener& outcomes,
                                    const FactListener& facts) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Outcome{Verdict::failed, "load", errno_error(errno, "cannot make a pipe").text()};
  }
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  std::fflush(nullptr);  // or the child would print it again
  const pid_t child = ::fork();
  if (child < 0) {
    return Outcome{Verdict::failed, "load", errno_error(errno, "cannot start a process").text()};
  }
  if (child == 0) be_the_child(write_end.get(), body);
  write_end.reset();
  Messages messages(outcomes, facts);
  const bool hung = !listen(read_end.get(), messages, patience);
  if (hung) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const Progress& progress = messages.progress();
  if (hung && WIFSIGNALED(status)) {
    return Outcome{Verdict::failed, progress.check,
                   concat(progress.text, ": not over after ", patience.count(), " s")};
  }
  const std::optional<std::string> why = ending(status, progress.done);
  if (!why) return std::nullopt;
  return Outcome{Verdict::failed, progress.check, concat(progress.text, ": ", *why)};
}

}  // namespace vac::plugin_check
