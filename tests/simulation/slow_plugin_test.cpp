// SPDX-License-Identifier: Apache-2.0
// What takes long, on the simulation's clock.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "agent/agent.hpp"
#include "core/monotonic.hpp"
#include "core/runtime.hpp"
#include "simulation/scheduler.hpp"
#include "simulation/tally.hpp"
#include "support/built_call.hpp"
#include "support/raw_client.hpp"
#include "support/temp_directory.hpp"
#include "wire/hello.hpp"

namespace vac::simulation {
namespace {

// Longer than a client may take to say hello.
constexpr std::chrono::seconds kLong{5};

int open_slowly(void* /*plugin*/, const vac_session_view* /*view*/, void** /*state*/) {
  std::this_thread::sleep_for(kLong);
  return VAC_OK;
}

std::atomic<std::int64_t> session_closed_ns{0};

void close_session(void* /*plugin*/, void* /*state*/) { session_closed_ns = core::now_ns(); }

int submit_slowly(void* /*plugin*/, vac_call* const* /*calls*/, std::size_t /*count*/) {
  std::this_thread::sleep_for(kLong);
  return VAC_OK;
}

/// An agent whose plugin is Tally's, with hooks that are slow.
class SlowAgent {
 public:
  static constexpr const char* kAddress = "inproc://slow";

  explicit SlowAgent(const std::function<void(vac_plugin&)>& change) {
    EXPECT_TRUE(agent::set_log_level("error"));
    vac_plugin table = tally_.table();
    change(table);
    auto runtime = std::make_unique<core::Runtime>(core::RuntimeOptions{{}, true, {}, {}, {}});
    EXPECT_TRUE(runtime->add_plugin(table));
    agent::AgentConfig config;
    config.listeners.push_back({kAddress, {}, {}, {}});
    config.cache.directory = (folder_ / "cache").string();
    agent_ = agent::Agent::start(std::move(config), std::move(runtime)).value();
  }

 private:
  const test::TempDirectory folder_;
  const Tally tally_;
  std::unique_ptr<agent::Agent> agent_;
};

test::BuiltCall noop() {
  test::BuiltCall call(find_op("noop")->id);
  call.bytes("hello");
  return call;
}

/// Threads seldom change, so that what a test does in a row is one batch of events for the agent.
constexpr Scheduler::Weather kSteady{.switches = 64, .stalls = 1'000'000};
constexpr std::uint64_t kSeeds = 30;

TEST(SlowPlugin, OpensItsSessionAfterAHelloThatCameInTime) {
  const Scheduler scheduler(1, {});
  const SlowAgent agent([](vac_plugin& table) {
    table.session_open = open_slowly;
    table.session_close = nullptr;
  });
  test::RawClient client = test::RawClient::greeted(SlowAgent::kAddress);
  test::BuiltCall call = noop();
  EXPECT_EQ(client.run(call).code(), VAC_OK);
}

TEST(SlowPlugin, OpensItsSessionWhileCallsThatCameWithTheHelloAreAnswered) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Scheduler scheduler(seed, kSteady);
    const SlowAgent agent([](vac_plugin& table) {
      table.session_open = open_slowly;
      table.session_close = nullptr;
    });
    test::RawClient client = test::RawClient::greeted(SlowAgent::kAddress);
    test::RawClient newcomer(SlowAgent::kAddress);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // until it is accepted
    test::BuiltCall call = noop();
    newcomer.send(wire::encode_hello({}));
    const std::int64_t asked_ns = core::now_ns();
    EXPECT_EQ(client.run(call).code(), VAC_OK);
    EXPECT_LT(core::now_ns() - asked_ns, std::chrono::nanoseconds(kLong).count() / 2)
        << "seed " << seed;
  }
}

TEST(SlowPlugin, RunsACallWhileTheSessionOfAClientThatHasGoneIsClosed) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Scheduler scheduler(seed, kSteady);
    const vac_op_offer offer{find_op("noop")->id, 1, 0, 0};
    const SlowAgent agent([&](vac_plugin& table) {
      table.ops = &offer;
      table.op_count = 1;
      table.caps = 0;
      table.submit = submit_slowly;
      table.cancel = nullptr;
      table.session_open = nullptr;
      table.session_close = close_session;
    });
    test::RawClient client = test::RawClient::greeted(SlowAgent::kAddress);
    test::RawClient leaves = test::RawClient::greeted(SlowAgent::kAddress);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    test::BuiltCall call = noop();
    leaves.close();
    session_closed_ns = 0;
    EXPECT_EQ(client.run(call).code(), VAC_OK);
    const std::int64_t answered_ns = core::now_ns();
    ASSERT_NE(session_closed_ns, 0) << "seed " << seed;
    EXPECT_GT(answered_ns - session_closed_ns, std::chrono::nanoseconds(kLong).count() / 2)
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace vac::simulation
