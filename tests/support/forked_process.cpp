// SPDX-License-Identifier: Apache-2.0
#include "support/forked_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>
#include <utility>

namespace vac::test {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// No destructors of the parent's objects, no flush of its output.
[[noreturn]] void run(const ForkedProcess::Work& work, int output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    work(output);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "forked process: %s\n", error.what());
    ::_exit(1);
  }
  ::_exit(0);
}

}  // namespace

ForkedProcess::ForkedProcess(const Work& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  output_.reset(ends[0]);
  const Fd write_end(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    output_.reset();
    run(work, write_end.get());
  }
}

bool ForkedProcess::read(std::span<std::byte> to, std::chrono::milliseconds patience) {
  while (!to.empty()) {
    pollfd ready{output_.get(), POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(patience.count())) != 1) return false;
    const ssize_t count = ::read(output_.get(), to.data(), to.size());
    if (count <= 0) return false;
    to = to.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

bool ForkedProcess::kill() {
  if (pid_ <= 0) return false;
  ::kill(pid_, SIGKILL);
  return wait() == 128 + SIGKILL;
}

int ForkedProcess::wait() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void write_or_exit(int pipe, std::span<const std::byte> bytes) {
  if (::write(pipe, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) ::_exit(0);
}

}  // namespace vac::test
