// SPDX-License-Identifier: Apache-2.0
// What a session that has nothing to do costs the agent.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "support/agent_process.hpp"
#include "support/process_state.hpp"
#include "support/raw_region.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::ProcessState;
using test::RawClient;
using test::RawRegion;
using test::RawReply;

constexpr std::size_t kSessions = 200;
constexpr std::uint64_t kMost = 64 << 10;  // a session's
// Ends in the agent's pools, which have more than the sessions may until the idle trim comes.
constexpr std::size_t kLargeCall = std::size_t{32} << 20;
static_assert(kLargeCall > 2 * kSessions * kMost);

void call_with(RawClient& client, std::size_t bytes) {
  BuiltCall call(find_op("noop")->id);
  call.bytes(std::string(bytes, 'x'));
  const RawReply reply = client.run(call);
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
}

void call_in_region(RawClient& client) {
  RawRegion region(client, std::uint64_t{1} << 20U);
  BuiltCall call(find_op("noop")->id);
  call.bytes("12345678");
  call.records().at(0).value = reinterpret_cast<std::uintptr_t>(region.bytes().data() + 4096);
  call.records().at(0).bytes = 600'000;
  const std::vector<std::byte> frame =
      RawClient::call_bytes(call, client.next_request(), 0, &region);
  ASSERT_LT(frame.size(), 1000U) << "the data is sent";
  client.skip_request();
  client.send(frame);
  const test::RawFrame reply = client.receive();
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
  ASSERT_EQ(test::drop_region(client, region.id()).code(), VAC_OK);
}

void work_a_little(RawClient& client) {
  for (int i = 0; i < 10; ++i) call_with(client, 64);
  call_with(client, 600'000);
  call_in_region(client);
}

TEST(IdleSessions, CostTheAgentLittle) {
  test::AgentProcess agent({"--plugin", "noop"});
  const ProcessState before = test::state_of(agent.pid());
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < kSessions; ++i) {
    clients.push_back(test::sharing_client(agent.address()));
    ASSERT_NO_FATAL_FAILURE(work_a_little(clients.back()));
  }
  ASSERT_NO_FATAL_FAILURE(call_with(clients.front(), kLargeCall));
  ProcessState after;
  std::int64_t growth = 0;
  const bool little = test::eventually([&] {
    after = test::state_of(agent.pid());
    growth = static_cast<std::int64_t>(after.resident_bytes - before.resident_bytes);
    return growth <= static_cast<std::int64_t>(kSessions * kMost);
  });
  std::printf("soak: idle_sessions count=%zu bytes_each=%lld\n", kSessions,
              static_cast<long long>(growth) / static_cast<long long>(kSessions));
  EXPECT_TRUE(little) << "before: " << before << "\nafter:  " << after;
  EXPECT_EQ(after.descriptors, before.descriptors + kSessions) << "a session is not there";
  for (RawClient& client : clients) ASSERT_NO_FATAL_FAILURE(call_with(client, 64));
  EXPECT_EQ(agent.stop(), 0) << agent.log();
}

}  // namespace
}  // namespace vac
