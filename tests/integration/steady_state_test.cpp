// SPDX-License-Identifier: Apache-2.0
// What a warm call costs in system calls, on both sides, seen from outside with strace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "support/agent_process.hpp"
#include "support/processors.hpp"
#include "support/raw_client.hpp"
#include "support/shell.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

constexpr int kCalls = 5000;
/// One after the other that must be nothing but calls. What is in between is not the steady state:
/// a connection that the scheduler stalls for 4 ms goes idle, and a client that is moved to another
/// processor tells its agent, which follows.
constexpr int kCleanCalls = 500;
constexpr int kMostTraces = 10;

/// The command of a program that makes them all; `data`: how much data each has, and where.
std::string client(const std::string& address, const std::string& data) {
  return concat((test::build_directory() / "test" / "client_program").string(), " noops ", address,
                " ", kCalls, " ", data);
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

/// The longest sequence of calls that were one send and one receive each and nothing else.
int longest_clean_run(const std::vector<std::string>& trace) {
  int longest = 0, sent = 0;
  bool receives_next = false;
  for (const std::string& name : trace) {
    const bool fits = receives_next ? receives(name) : sends(name);
    if (!fits) sent = sends(name) ? 1 : 0;
    if (fits && !receives_next) ++sent;
    receives_next = sends(name);
    longest = std::max(longest, sent);
  }
  return longest;
}

void expect_one_send_and_one_receive(const std::string& data) {
  int best_client = 0, best_agent = 0;
  for (int run = 0; run < kMostTraces && std::min(best_client, best_agent) < kCleanCalls; ++run) {
    test::AgentProcess agent({"--plugin", "noop"});
    const std::string agent_trace = agent.folder() + "/agent.trace";
    const std::string client_trace = agent.folder() + "/client.trace";
    const auto result = test::shell(concat(
        "strace -f -o ", agent_trace, " -p ", agent.pid(), " & tracer=$!; ",
        "while ! grep -q 'TracerPid:\t[1-9]' /proc/", agent.pid(),
        "/status; do :; done; strace -f -o ", client_trace, " ", client(agent.address(), data),
        "; status=$?; kill -INT $tracer; wait $tracer; exit $status"));
    ASSERT_EQ(result.status, 0) << result.output << agent.log();
    best_client = std::max(best_client, longest_clean_run(read_trace(client_trace)));
    best_agent = std::max(best_agent, longest_clean_run(read_trace(agent_trace)));
  }
  EXPECT_GE(best_client, kCleanCalls);
  EXPECT_GE(best_agent, kCleanCalls);
}

TEST(WarmCall, IsOneSendAndOneReceiveOnEachSideAndNothingElse) {
  expect_one_send_and_one_receive("64 inline");
}

int count_lines(const std::string& path, const std::string& text) {
  std::ifstream file(path);
  int count = 0;
  for (std::string line; std::getline(file, line);) count += line.find(text) != line.npos ? 1 : 0;
  return count;
}

TEST(WarmCall, IsTheSameWithItsDataInSharedMemory) {
  expect_one_send_and_one_receive("65536 region");
}

/// A client that says, in turn, to call from one processor and from another: whichever the agent's
/// thread is on, it has to move for one of them.
TEST(WarmCall, IsAnsweredFromTheProcessorThatTheClientNames) {
  const std::vector<int> all = test::processors();
  test::AgentProcess agent({"--plugin", "noop"});
  const std::string trace = agent.folder() + "/agent.trace", done = agent.folder() + "/done";
  std::thread tracer([&] {
    test::shell(concat("strace -f -e trace=sched_setaffinity -o ", trace, " -p ", agent.pid(),
                       " & tracer=$!; while [ ! -e ", done,
                       " ]; do sleep 0.05; done; kill -INT $tracer; wait $tracer"));
  });
  const std::string status = concat("/proc/", agent.pid(), "/status");
  while (count_lines(status, "TracerPid:\t0") != 0) std::this_thread::yield();
  test::RawClient client(agent.address());
  client.greet();
  for (int turn = 0; turn < 8; ++turn) {
    test::BuiltCall advice(find_op("caller_processor")->id);
    const int processor = turn % 2 == 0 ? all.front() : all.back();
    advice.scalar(VAC_U32, static_cast<std::uint64_t>(processor));
    EXPECT_EQ(client.run(advice).code(), VAC_OK);
    for (int i = 0; i < 300; ++i) {
      test::BuiltCall ping(find_op("ping")->id);
      EXPECT_EQ(client.run(ping).code(), VAC_OK);
    }
  }
  std::ofstream(done).put('\n');
  tracer.join();
  const int set = count_lines(trace, "sched_setaffinity(");
  if (all.size() == 1) {
    EXPECT_EQ(set, 0) << "there is nowhere to go";
  } else {
    // There, and free again; not all the time.
    EXPECT_GE(set, 2);
    EXPECT_LE(set, 2 * 8 * 300 / 64 + 2);
  }
}

}  // namespace
}  // namespace vac
