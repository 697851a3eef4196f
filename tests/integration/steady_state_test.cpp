// SPDX-License-Identifier: Apache-2.0
// What a warm call costs in system calls and memory, on both sides, seen from outside with strace
// and /proc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "support/agent_process.hpp"
#include "support/shell.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

constexpr int kCalls = 1000;
constexpr int kWarmup = 300;
/// Made before those that are counted: a quarter of a second after a connection the agent looks
/// once whether its hello has come. Calls under strace take some 300 us.
constexpr int kCallsBefore = 4000;
constexpr int kRuns = 3;
/// Until one is clean. A run that the scheduler stalls for 4 ms is not in the steady state: its
/// connection goes idle in it.
constexpr int kMostTraces = 10;

std::string client(const std::string& address, int calls) {
  return (test::build_directory() / "test" / "client_program").string() + " noops " + address +
         " 64 " + std::to_string(kWarmup) + " " + std::to_string(calls);
}

/// The names of the system calls in a file of strace -f, in their order; resumed ones count where
/// they began.
std::vector<std::string> read_trace(const std::string& path) {
  std::vector<std::string> names;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string pid, rest;
    words >> pid >> std::ws;
    std::getline(words, rest);
    const std::size_t bracket = rest.find('(');
    if (bracket == std::string::npos || rest.starts_with("<...") || rest.starts_with("---") ||
        rest.starts_with("+++")) {
      continue;
    }
    names.push_back(rest.substr(0, bracket));
  }
  return names;
}

bool receives(const std::string& name) { return name == "recvfrom" || name == "recvmsg"; }
bool sends(const std::string& name) { return name == "sendmsg"; }

/// System calls other than one receive and one send a call, in kCalls calls near the end of the
/// trace. Many, if there are not so many.
std::vector<std::string> others(const std::vector<std::string>& trace) {
  std::vector<std::string> strange;
  int sent = 0, received = 0;
  const int total = static_cast<int>(std::count_if(trace.begin(), trace.end(), sends));
  if (total < kCalls + kWarmup) return std::vector<std::string>(kCalls, "missing");
  const int begin = total - kCalls - 20;
  for (const std::string& name : trace) {
    const bool inside = sent >= begin && sent < begin + kCalls;
    if (sends(name)) {
      ++sent;
    } else if (inside && receives(name)) {
      ++received;
    } else if (inside) {
      strange.push_back(name);
    }
  }
  for (int i = received; i > kCalls + 1; --i) strange.emplace_back("one receive too many");
  for (int i = received; i < kCalls - 1; ++i) strange.emplace_back("one receive too few");
  return strange;
}

long field_of_stat(pid_t pid, int field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream words(text.substr(text.rfind(')') + 2));  // from field 3 on
  std::string word;
  for (int i = 3; i <= field; ++i) words >> word;
  return std::stol(word);
}

TEST(WarmCall, IsOneSendAndOneReceiveOnEachSideAndNothingElse) {
  std::vector<std::string> best_client(kCalls), best_agent(kCalls);
  for (int run = 0; run < kMostTraces && (!best_client.empty() || !best_agent.empty()); ++run) {
    test::AgentProcess agent({"--plugin", "noop"});
    const std::string agent_trace = agent.folder() + "/agent.trace";
    const std::string client_trace = agent.folder() + "/client.trace";
    const auto result =
        test::shell(concat("strace -f -o ", agent_trace, " -p ", agent.pid(), " & tracer=$!; ",
                           "while ! grep -q 'TracerPid:\t[1-9]' /proc/", agent.pid(),
                           "/status; do :; done; strace -f -o ", client_trace, " ",
                           client(agent.address(), kCallsBefore + kCalls),
                           "; status=$?; kill -INT $tracer; wait $tracer; exit $status"));
    ASSERT_EQ(result.status, 0) << result.output << agent.log();
    const auto client_others = others(read_trace(client_trace));
    const auto agent_others = others(read_trace(agent_trace));
    if (client_others.size() < best_client.size()) best_client = client_others;
    if (agent_others.size() < best_agent.size()) best_agent = agent_others;
  }
  EXPECT_THAT(best_client, testing::IsEmpty());
  EXPECT_THAT(best_agent, testing::IsEmpty());
}

TEST(WarmCall, CausesNoPageFaultOnEitherSide) {
  test::AgentProcess agent({"--plugin", "noop"});
  long client_best = kCalls, agent_best = kCalls;
  for (int run = 0; run < kRuns; ++run) {
    // Two runs of the client differ in their number of warm calls alone: so does the agent's number
    // of faults, but for noise.
    const auto faults_with = [&](int calls) {
      constexpr int kMinorFaults = 10;
      const long before = field_of_stat(agent.pid(), kMinorFaults);
      const auto result = test::shell(client(agent.address(), calls));
      EXPECT_EQ(result.status, 0) << result.output;
      client_best =
          std::min(client_best, std::stol(result.output.substr(std::string("faults ").size())));
      return field_of_stat(agent.pid(), kMinorFaults) - before;
    };
    faults_with(kCalls);  // the agent's first client warms it up
    const long few = faults_with(1);
    const long many = faults_with(kCalls);
    agent_best = std::min(agent_best, std::max(0L, many - few));
  }
  EXPECT_EQ(client_best, 0);
  EXPECT_EQ(agent_best, 0);
}

}  // namespace
}  // namespace vac
