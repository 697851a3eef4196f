// SPDX-License-Identifier: Apache-2.0
// Many threads at once: every call is answered exactly once, with its own answer. Runs under every
// sanitizer, in the client and in the agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/load.hpp"

namespace vac {
namespace {

constexpr int kThreads = 64;
/// What each thread calls again and again.
constexpr int kCallsARound = 50;

/// What noop answers to minmax is a function of all of its input.
struct Answer {
  std::array<double, 4> result{};
  std::size_t count = 0;
  double min = 0, max = 0;
  bool operator==(const Answer&) const = default;
};

std::vector<double> input_of(int thread, int call) {
  // Some fit the staging buffer, some do not.
  std::vector<double> data(call % 10 == 0 ? 5000 : 8);
  data[0] = thread * 1000 + call;
  return data;
}

Result<Answer> ask(const Session& session, int thread, int call) {
  Answer answer;
  const std::vector<double> data = input_of(thread, call);
  VAC_TRY(const auto out, session.minmax(data, thread, call, answer.result));
  answer.count = out.result_count;
  answer.min = out.min;
  answer.max = out.max;
  return answer;
}

class ManyThreads : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "noop", 1);
    expected_.resize(kThreads);
    const Session local = Session::open("local:").value();
    for (int thread = 0; thread < kThreads; ++thread) {
      for (int call = 0; call < kCallsARound; ++call) {
        expected_[static_cast<std::size_t>(thread)].push_back(ask(local, thread, call).value());
      }
    }
  }
  /// Runs `body(thread)` on all threads.
  template <class Body>
  static void run(Body&& body) {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread)
      threads.emplace_back([&, thread] { body(thread); });
    for (std::thread& thread : threads) thread.join();
  }
  void ask_all(const Session& session, int thread) {
    for (int i = 0; i < kCallsARound * rounds_; ++i) {
      const int call = i % kCallsARound;
      const auto answer = ask(session, thread, call);
      ASSERT_TRUE(answer) << answer.error().message();
      EXPECT_EQ(*answer,
                expected_[static_cast<std::size_t>(thread)][static_cast<std::size_t>(call)]);
      ++answered_;
    }
  }
  void expect_all_answered() {
    EXPECT_EQ(answered_, kThreads * kCallsARound * rounds_);
    std::printf("soak: threads=%d calls=%d\n", kThreads, answered_.load());
    EXPECT_EQ(agent_.stop(), 0)
        << agent_.log();  // a sanitizer that has found something ends it otherwise
    EXPECT_THAT(agent_.log(), testing::Not(testing::HasSubstr("Sanitizer")));
  }

  test::AgentProcess agent_{{"--plugin", "noop"}};
  const int rounds_ = static_cast<int>(test::load_count(100));
  std::vector<std::vector<Answer>> expected_;
  std::atomic<int> answered_{0};
};

TEST_F(ManyThreads, ShareOneSession) {
  {
    const Session session = Session::open(agent_.address()).value();
    run([&](int thread) { ask_all(session, thread); });
  }
  expect_all_answered();
}

TEST_F(ManyThreads, HaveASessionEach) {
  run([&](int thread) {
    const auto session = Session::open(agent_.address());
    ASSERT_TRUE(session) << session.error().message();
    ask_all(*session, thread);
  });
  expect_all_answered();
}

}  // namespace
}  // namespace vac
