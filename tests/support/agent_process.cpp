// SPDX-License-Identifier: Apache-2.0
#include "support/agent_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "base/fd.hpp"
#include "support/test_paths.hpp"

namespace vac::test {
namespace {

constexpr int kPatienceMs = 30'000;  // sanitizers are slow to start

}  // namespace

AgentProcess::AgentProcess(std::vector<std::string> arguments) {
  make_folder();
  arguments.insert(arguments.begin(), {"--listen", address_});
  start(arguments);
}

AgentProcess::AgentProcess(std::vector<std::string> arguments, std::string config) {
  make_folder();
  constexpr std::string_view kPlace = "ADDRESS";
  config.replace(config.find(kPlace), kPlace.size(), address_);
  const std::string file = folder_ + "/agent.toml";
  std::ofstream(file) << config;
  arguments.insert(arguments.begin(), {"--config", file});
  start(arguments);
}

void AgentProcess::make_folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "vac-agent-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  folder_ = pattern;
  address_ = "unix://" + folder_ + "/agent.sock";
}

void AgentProcess::start(const std::vector<std::string>& arguments) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  Fd ready_read(ready[0]), ready_write(ready[1]);

  std::vector<std::string> words = {program("vaccel-agent").string(), "--ready-fd", "3"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string log = folder_ + "/log";
  ::setenv("XDG_CACHE_HOME", folder_.c_str(), 1);

  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it must not survive a test that crashes
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    if (ready_write.get() != 3) {
      ::dup2(ready_write.get(), 3);
    } else {
      ::fcntl(3, F_SETFD, 0);
    }
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ready_write.reset();
  pollfd poll_ready = {ready_read.get(), POLLIN, 0};
  char byte = 0;
  if (::poll(&poll_ready, 1, kPatienceMs) != 1 || ::read(ready_read.get(), &byte, 1) != 1) {
    kill();
    throw std::runtime_error("the agent did not start: " + this->log());
  }
  // To the end of the pipe: it has closed its side, and tests may count what it has open.
  while (::read(ready_read.get(), &byte, 1) == 1) continue;
}

AgentProcess::~AgentProcess() {
  if (pid_ > 0) stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string AgentProcess::log() const {
  std::ostringstream text;
  text << std::ifstream(folder_ + "/log").rdbuf();
  return text.str();
}

int AgentProcess::stop() {
  ::kill(pid_, SIGTERM);
  return wait(kPatienceMs);
}

void AgentProcess::kill() {
  ::kill(pid_, SIGKILL);
  wait(kPatienceMs);
}

int AgentProcess::wait(int within_ms) {
  int status = 0;
  for (int waited = 0; ::waitpid(pid_, &status, WNOHANG) == 0; ++waited) {
    if (waited == within_ms) ::kill(pid_, SIGKILL);
    ::usleep(1000);
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace vac::test
