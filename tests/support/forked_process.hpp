// SPDX-License-Identifier: Apache-2.0
// A process that is a copy of the test, to be killed: it starts in a moment.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>

#include "base/fd.hpp"

namespace vac::test {

/// Started by the constructor, killed by the destructor if not before; it does not survive its
/// parent. Confined to one thread, which must be the only one of its process.
class ForkedProcess {
 public:
  /// Runs in the new process, with the end of a pipe that the parent reads. The process ends with
  /// it: status 0, or 1 where it throws, which it says on standard error.
  using Work = std::function<void(int output)>;

  explicit ForkedProcess(const Work& work);
  ~ForkedProcess() { (void)kill(); }
  ForkedProcess(const ForkedProcess&) = delete;
  ForkedProcess& operator=(const ForkedProcess&) = delete;

  pid_t pid() const noexcept { return pid_; }
  int output() const noexcept { return output_.get(); }
  /// Waits until it has written as much as fits `to`. False: it ended before, or says nothing for
  /// so long.
  bool read(std::span<std::byte> to, std::chrono::milliseconds patience = std::chrono::minutes(5));
  /// SIGKILL, and wait for its end: true if that is what it died of.
  bool kill();
  /// Waits for its end; its exit status, or 128 + signal.
  int wait();

 private:
  pid_t pid_ = -1;
  Fd output_;
};

/// Writes all of it to a pipe; ends the process when nobody reads any more.
void write_or_exit(int pipe, std::span<const std::byte> bytes);

}  // namespace vac::test
