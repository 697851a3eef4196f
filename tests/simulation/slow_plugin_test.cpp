// SPDX-License-Identifier: Apache-2.0
// What takes long, on the simulation's clock.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "agent/agent.hpp"
#include "core/runtime.hpp"
#include "simulation/scheduler.hpp"
#include "simulation/tally.hpp"
#include "support/built_call.hpp"
#include "support/raw_client.hpp"
#include "support/temp_directory.hpp"

namespace vac::simulation {
namespace {

// Longer than a client may take to say hello.
constexpr std::chrono::seconds kLong{5};

int open_slowly(void* /*plugin*/, const vac_session_view* /*view*/, void** /*state*/) {
  std::this_thread::sleep_for(kLong);
  return VAC_OK;
}

TEST(SlowPlugin, OpensItsSessionAfterAHelloThatCameInTime) {
  ASSERT_TRUE(agent::set_log_level("error"));
  Scheduler scheduler(1, {});
  const test::TempDirectory folder;
  const Tally tally;
  vac_plugin table = tally.table();
  table.session_open = open_slowly;
  table.session_close = nullptr;
  auto runtime = std::make_unique<core::Runtime>(core::RuntimeOptions{{}, true, {}, {}, {}});
  ASSERT_TRUE(runtime->add_plugin(table));
  agent::AgentConfig config;
  config.listeners.push_back({"inproc://slow", {}, {}, {}});
  config.cache.directory = (folder / "cache").string();
  const auto agent = agent::Agent::start(std::move(config), std::move(runtime)).value();

  test::RawClient client = test::RawClient::greeted("inproc://slow");
  test::BuiltCall call(find_op("noop")->id);
  call.bytes("hello");
  EXPECT_EQ(client.run(call).code(), VAC_OK);
}

}  // namespace
}  // namespace vac::simulation
