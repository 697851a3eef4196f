// SPDX-License-Identifier: Apache-2.0
// What a warm call costs in system calls, on both sides, seen from outside with strace.
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
/// Made before those that are counted: a quarter of a second after a connection the agent looks
/// once whether its hello has come. Calls under strace take some 300 us.
constexpr int kCallsBefore = 4000;
/// Until one is clean. A run that the scheduler stalls for 4 ms is not in the steady state: its
/// connection goes idle in it.
constexpr int kMostTraces = 10;

/// The command of a program that makes them all; `data`: how much data each has, and where.
std::string client(const std::string& address, const std::string& data) {
  return concat((test::build_directory() / "test" / "client_program").string(), " noops ", address,
                " ", kCallsBefore + kCalls, " ", data);
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

// The plain calls: what takes several pieces, or looks for descriptors, costs more.
bool receives(const std::string& name) { return name == "recvfrom"; }
bool sends(const std::string& name) { return name == "sendto"; }

/// System calls other than one receive and one send a call, in kCalls calls near the end of the
/// trace. Many, if there are not so many.
std::vector<std::string> others(const std::vector<std::string>& trace) {
  std::vector<std::string> strange;
  int sent = 0, received = 0;
  const int total = static_cast<int>(std::count_if(trace.begin(), trace.end(), sends));
  if (total < kCallsBefore) return std::vector<std::string>(kCalls, "missing");
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

void expect_one_send_and_one_receive(const std::string& data) {
  std::vector<std::string> best_client(kCalls), best_agent(kCalls);
  for (int run = 0; run < kMostTraces && (!best_client.empty() || !best_agent.empty()); ++run) {
    test::AgentProcess agent({"--plugin", "noop"});
    const std::string agent_trace = agent.folder() + "/agent.trace";
    const std::string client_trace = agent.folder() + "/client.trace";
    const auto result = test::shell(concat(
        "strace -f -o ", agent_trace, " -p ", agent.pid(), " & tracer=$!; ",
        "while ! grep -q 'TracerPid:\t[1-9]' /proc/", agent.pid(),
        "/status; do :; done; strace -f -o ", client_trace, " ", client(agent.address(), data),
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

TEST(WarmCall, IsOneSendAndOneReceiveOnEachSideAndNothingElse) {
  expect_one_send_and_one_receive("64 inline");
}

TEST(WarmCall, IsTheSameWithItsDataInSharedMemory) {
  expect_one_send_and_one_receive("65536 region");
}

}  // namespace
}  // namespace vac
