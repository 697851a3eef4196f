// SPDX-License-Identifier: Apache-2.0
// The plugin's table, from open to close.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "control_call.hpp"
#include "plugin_fixture.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;
using test::ScriptedPeer;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Opens a session that fails.
int open_at(const std::string& address, const char* options, std::string& error) {
  test::FakeHost host;
  const test::OpenPlugin plugin(host, remote_table());
  const vac_session_view view = {sizeof view, address.c_str(), "", options};
  void* session = nullptr;
  const int code = plugin.table().session_open(plugin.state(), &view, &session);
  if (code == VAC_OK) plugin.table().session_close(plugin.state(), session);
  error = host.error;
  return code;
}

TEST(RemotePlugin, ServesAddressesOfEveryOperationItDoesNotName) {
  ASSERT_NE(remote_table(), nullptr);
  EXPECT_STREQ(remote_table()->name, "remote");
  EXPECT_EQ(remote_table()->caps, VAC_CAP_REMOTE | VAC_CAP_NO_WAIT);
  EXPECT_EQ(remote_table()->op_count, 0u);
  EXPECT_EQ(vac_plugin_entry(VAC_ABI_MAJOR + 1, 0), nullptr);
}

TEST(RemotePlugin, SaysThatNoAgentListens) {
  test::ScriptedAgent agent;
  agent.stop();
  std::string error;
  EXPECT_EQ(open_at(agent.address(), "{}", error), VAC_ECONNREFUSED);
  EXPECT_EQ(error, "open " + agent.address() +
                       ": no agent listens there; start one with: vaccel-agent --listen " +
                       agent.address());
}

TEST(RemotePlugin, SaysWhatIsWrongWithAnAddressOrOption) {
  std::string error;
  EXPECT_EQ(open_at("unixx:///run/x.sock", "{}", error), VAC_EINVAL);
  EXPECT_THAT(error, HasSubstr("did you mean 'unix'?"));
  EXPECT_EQ(open_at("unix:///run/x.sock", R"({"nam": "x"})", error), VAC_EINVAL);
  EXPECT_THAT(error, HasSubstr("did you mean 'name'?"));
}

TEST(RemotePlugin, GivesUpOnAnAgentThatDoesNotAnswer) {
  test::ScriptedAgent agent;  // listens and accepts nobody
  std::string error;
  EXPECT_EQ(open_at(agent.address(), R"({"timeout_ms": 30})", error), VAC_ETIMEDOUT);
  EXPECT_THAT(error, StartsWith("open " + agent.address() + ": "));
}

TEST(RemotePlugin, ForwardsACallAndBringsItsResult) {
  TestSession session([](ScriptedPeer& agent) {
    ReceivedFrame frame = agent.receive();
    EXPECT_EQ(frame.text(0), "hello");
    agent.reply(frame, {.agent_us = 5});
    EXPECT_TRUE(agent.at_end());
  });
  ASSERT_EQ(session.code(), VAC_OK) << session.host().error;
  test::FakeHost host;
  test::FakeCall call(host, VAC_OP_NOOP);
  call.array(VAC_BYTE, "hello", 5);
  EXPECT_EQ(session.submit(call), VAC_OK) << host.error;
  EXPECT_EQ(call.call().agent_us, 5u);
}

TEST(RemotePlugin, TellsTheHostWhyACallFailed) {
  TestSession session([](ScriptedPeer& agent) {
    agent.fail(agent.receive().header.request, VAC_EBUSY, 9, "noop: the queue is full");
  });
  test::FakeHost host;
  test::FakeCall call(host, VAC_OP_NOOP);
  call.absent(VAC_BYTE, VAC_IN);
  EXPECT_EQ(session.submit(call), VAC_EBUSY);
  EXPECT_EQ(host.error, "noop: the queue is full");
  EXPECT_EQ(host.detail, 9u);
  EXPECT_EQ(session.submit(call), VAC_EREMOTEIO);
  EXPECT_EQ(host.error,
            "connection to " + session.address() +
                " was lost (the agent ended or was killed) during noop: look at the agent's log, "
                "and open the session again when it runs");
}

/// As the agent is told, in microseconds.
TEST(RemotePlugin, WaitsForABufferNoLongerThanForACall) {
  struct Case {
    const char* options;
    std::uint32_t most_us;
  };
  wire::Hello sharing;
  sharing.region_kinds = 1;
  for (const Case& row : {Case{R"({"timeout_ms": 40})", 40'000},
                          Case{R"({"timeout_ms": 3600000})", 2'000'000}, Case{"{}", 2'000'000}}) {
    TestSession session(
        [&](ScriptedPeer& agent) {
          const ReceivedFrame open = agent.receive();
          EXPECT_EQ(open.header.code, static_cast<std::uint32_t>(Control::region_open));
          EXPECT_GT(open.header.detail, 0U);
          EXPECT_LE(open.header.detail, row.most_us);
          agent.fail(open.header.request, VAC_ENOSPC, 0, "the tenant's limit");
        },
        row.options, sharing);
    ASSERT_EQ(session.code(), VAC_OK) << session.host().error;
    vac_buffer_view view{};
    EXPECT_EQ(session.alloc_buffer(4096, view), VAC_ENOMEM) << "use other memory";
  }
}

TEST(RemotePlugin, TakesOneCallAtATime) {
  TestSession session([](ScriptedPeer& agent) { EXPECT_TRUE(agent.at_end()); });
  EXPECT_EQ(session.table().submit(nullptr, nullptr, 2), VAC_EINVAL);
}

}  // namespace
}  // namespace vac::remote
