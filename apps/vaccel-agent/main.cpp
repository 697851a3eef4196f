// SPDX-License-Identifier: Apache-2.0
// The program `vaccel-agent`: reads its options, serves until it is told to stop.
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "agent/agent.hpp"
#include "options.hpp"
#include "readiness.hpp"

namespace {

using vac::agent::Agent;
using vac::agent::ExitStatus;

constexpr std::chrono::seconds kDrain{5};

ExitStatus failed(const vac::Error& error) {
  std::fprintf(stderr, "vaccel-agent: %s\n", error.message().c_str());
  return ExitStatus::failed;
}

/// The signals that end the agent. Blocked before any thread is started, so that main alone gets
/// them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not become larger is its upload's failure
  return signals;
}

/// A connection is a descriptor: as many as the system allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void wait_for(const sigset_t& signals) {
  int number = 0;
  while (sigwait(&signals, &number) != 0) {
  }
  vac::agent::log_note(std::string("stopping (") + sigabbrev_np(number) + ")");
}

ExitStatus serve(vac::agent::AgentConfig config, int ready_fd) {
  const sigset_t signals = block_signals();
  raise_descriptor_limit();
  vac::agent::keep_freed_memory();
  auto agent = Agent::start(std::move(config));
  if (!agent) return failed(agent.error());
  vac::agent::notify_service_manager("READY=1");
  vac::agent::notify_starter(ready_fd);
  wait_for(signals);
  vac::agent::notify_service_manager("STOPPING=1");
  if (!(*agent)->stop(kDrain)) {
    std::fputs("vaccel-agent: a plugin still runs a call after 5 s and is left to its fate\n",
               stderr);
    std::_Exit(static_cast<int>(ExitStatus::failed));
  }
  return ExitStatus::success;
}

ExitStatus run(int argc, char** argv) {
  const vac::agent::ParsedOptions parsed = vac::agent::parse_options(argc, argv);
  if (!parsed.options) return parsed.status;
  if (const std::string& level = parsed.options->log_level; level.empty()) {
    vac::agent::use_default_log_level();
  } else {
    ::unsetenv("VAC_LOG_LEVEL");  // the option wins: what the variable says matters to nobody
    if (vac::Status known = vac::agent::set_log_level(level); !known) {
      failed(known.error());
      return ExitStatus::wrong_use;
    }
  }
  auto config = vac::agent::make_config(*parsed.options);
  if (!config) return failed(config.error());
  if (parsed.options->check_config) {
    if (vac::Status good = vac::agent::check_surroundings(*config); !good) {
      return failed(good.error());
    }
    std::puts("the configuration is good");
    return ExitStatus::success;
  }
  return serve(*std::move(config), parsed.options->ready_fd);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return static_cast<int>(run(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vaccel-agent: %s\n", error.what());
    return static_cast<int>(ExitStatus::failed);
  }
}
