// SPDX-License-Identifier: Apache-2.0
// When another thread of the test sleeps.
#pragma once

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

namespace vac::test {

/// The sleep of a thread of this process, as the system tells: what it waits for is not to be had
/// yet.
class Sleeper {
 public:
  /// Called by the thread.
  void is_me() { id_.store(static_cast<int>(::gettid())); }
  /// Called by another: returns when the thread sleeps in a system call, or has ended.
  void wait_until_asleep() const {
    while (id_.load() == 0) std::this_thread::yield();
    for (;;) {
      std::ifstream status("/proc/self/task/" + std::to_string(id_.load()) + "/stat");
      if (!status) return;
      std::string text;
      std::getline(status, text);
      const std::size_t state = text.rfind(')') + 2;
      if (state < text.size() && text[state] == 'S') return;
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> id_{0};
};

}  // namespace vac::test
