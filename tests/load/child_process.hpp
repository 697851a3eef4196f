// SPDX-License-Identifier: Apache-2.0
// A program of the build tree that a test watches and kills.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/fd.hpp"

namespace vac::test {

/// Started by the constructor, killed by the destructor if not before. Its standard output comes to
/// the test. Confined to one thread.
class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> words) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
    output_.reset(ends[0]);
    const Fd write_end(ends[1]);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    errno = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (errno != 0) {
      pid_ = -1;
      fail(words[0]);
    }
  }
  ~ChildProcess() { (void)kill(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  int output() const { return output_.get(); }
  /// What it has written since the last time; -1: it has ended. Waits for the first of it.
  ssize_t read_output() {
    char bytes[64];
    const ssize_t count = ::read(output_.get(), bytes, sizeof bytes);
    return count > 0 ? count : -1;
  }
  /// SIGKILL, and wait for its end: true if that is what it died of.
  bool kill() {
    if (pid_ <= 0) return false;
    int status = 0;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
  }

  pid_t pid_ = -1;
  Fd output_;
};

}  // namespace vac::test
