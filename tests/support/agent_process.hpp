// SPDX-License-Identifier: Apache-2.0
// A real vaccel-agent for a test, in a process of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace vac::test {

/// Started by the constructor, which returns when the agent listens and throws when it does not;
/// stopped by SIGTERM, and if that does not help in time by SIGKILL. Owns a folder for its socket,
/// cache and log. Confined to one thread.
class AgentProcess {
 public:
  explicit AgentProcess(std::vector<std::string> arguments);
  /// With a configuration: TOML with ADDRESS in it for its own, on which it then listens alone.
  AgentProcess(std::vector<std::string> arguments, std::string config);
  ~AgentProcess();
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  /// "unix:///tmp/.../agent.sock"
  const std::string& address() const noexcept { return address_; }
  const std::string& folder() const noexcept { return folder_; }
  pid_t pid() const noexcept { return pid_; }
  /// Everything it has logged so far.
  std::string log() const;
  /// SIGTERM and wait; the exit status, or 128 + signal.
  int stop();
  /// SIGKILL and wait.
  void kill();

 private:
  void make_folder();
  void start(const std::vector<std::string>& arguments);
  int wait(int within_ms);
  std::string folder_, address_;
  pid_t pid_ = -1;
};

}  // namespace vac::test
