// SPDX-License-Identifier: Apache-2.0
// An agent that runs out of what the system gives: descriptors, memory. Who is served already is
// served on, the others are told, and all is well again once there is more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/agent_process.hpp"
#include "support/process_state.hpp"
#include "support/raw_client.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::RawClient;
using test::RawFrame;
using test::RawReply;
using testing::AnyOf;
using testing::HasSubstr;

constexpr std::size_t kMiB = std::size_t{1} << 20;

BuiltCall noop(std::size_t bytes = 5) {
  BuiltCall call(find_op("noop")->id);
  call.bytes(std::string(bytes, 'x'));
  return call;
}

class Exhaustion : public testing::Test {
 protected:
  void expect_served(RawClient& client) {
    BuiltCall call = noop();
    EXPECT_EQ(client.run(call).code(), VAC_OK) << agent_.log();
  }
  std::uint64_t resident() const { return test::state_of(agent_.pid()).resident_bytes; }
  void limit(int resource, std::uint64_t value) {
    test::limit_process(agent_.pid(), resource, value);
  }
  /// The agent is well, and its log has no line of a breakdown.
  void TearDown() override {
    RawClient client = RawClient::greeted(agent_.address());
    expect_served(client);
    client.close();
    EXPECT_EQ(agent_.stop(), 0) << agent_.log();
  }

  test::AgentProcess agent_{{"--plugin", "noop"}};
};

using Descriptors = Exhaustion;

/// Clients that connect, some more than there are descriptors for.
TEST_F(Descriptors, NewClientsWaitAndAreServedWhenThereAreSomeAgain) {
  constexpr std::size_t kSpare = 8;
  RawClient old = RawClient::greeted(agent_.address());
  const std::size_t open = test::state_of(agent_.pid()).descriptors;
  limit(RLIMIT_NOFILE, open + kSpare);
  std::vector<RawClient> served;
  for (std::size_t i = 0; i < kSpare; ++i) served.push_back(RawClient::greeted(agent_.address()));
  RawClient waiting(agent_.address());
  waiting.send(wire::encode_hello({}));
  ASSERT_TRUE(test::eventually([&] {
    return agent_.log().find("Too many open files") != std::string::npos;
  })) << agent_.log();

  expect_served(old);
  for (RawClient& client : served) expect_served(client);
  const auto refused = Session::open(agent_.address(), {std::chrono::milliseconds(300), {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::timed_out);
  EXPECT_THAT(refused.error().text(), HasSubstr("overloaded or stuck, look at its log"));
  EXPECT_THAT(agent_.log(), HasSubstr("raise the limit of open files"));

  served.clear();
  EXPECT_EQ(waiting.receive().header.kind, wire::Kind::hello) << "the place of one that left";
  expect_served(waiting);
  expect_served(old);
}

/// One that tries again and again does not say so each time.
TEST_F(Descriptors, TheLogSaysItOnce) {
  RawClient old = RawClient::greeted(agent_.address());
  limit(RLIMIT_NOFILE, test::state_of(agent_.pid()).descriptors);
  std::vector<RawClient> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back(agent_.address());
    // Each has been tried for, and in vain, when its own hello's time is over.
    const auto refused = Session::open(agent_.address(), {std::chrono::milliseconds(600), {}});
    EXPECT_FALSE(refused);
  }
  const std::string log = agent_.log();
  const std::size_t first = log.find("Too many open files");
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("Too many open files", first + 1), std::string::npos) << log;
  limit(RLIMIT_NOFILE, 1024);
  EXPECT_EQ(waiting.back().greet().version_max, wire::kVersion);
}

using HalfAFrame = Exhaustion;

/// It costs what it has sent, and the promise of its room, as long as it stays.
TEST_F(HalfAFrame, CostsWhatHasBeenSentOfIt) {
  BuiltCall large = noop(8 * kMiB);
  auto frame = RawClient::call_bytes(large, 1);
  // Announced: 1 GiB. Sent: four pieces and half a piece.
  wire::FrameHeader header = wire::read_header(frame.data());
  const auto head = static_cast<std::size_t>(wire::head_bytes(header));
  header.payload_bytes = 1024 * kMiB;
  std::memcpy(frame.data(), &header, sizeof header);
  vac_arg record;
  std::memcpy(&record, frame.data() + sizeof header, sizeof record);
  record.bytes = header.payload_bytes;
  std::memcpy(frame.data() + sizeof header, &record, sizeof record);
  const std::size_t piece = sizeof header + wire::kMaxDataPayload;

  const std::uint64_t before = resident();
  RawClient good = RawClient::greeted(agent_.address());
  std::vector<RawClient> silent;
  for (int i = 0; i < 3; ++i) {
    silent.push_back(RawClient::greeted(agent_.address()));
    silent.back().send(std::span(frame).first(head + 4 * piece + piece / 2));
  }
  for (int i = 0; i < 20; ++i) {
    expect_served(good);
    BuiltCall some = noop(kMiB / 2);
    EXPECT_EQ(good.run(some).code(), VAC_OK);
  }
  EXPECT_LT(resident(), before + 64 * kMiB);

  // The fourth would be more than the 4 GiB that a tenant may have in transit.
  RawClient fourth = RawClient::greeted(agent_.address());
  fourth.send(std::span(frame).first(head));
  const RawFrame refused = fourth.receive();
  EXPECT_EQ(refused.code(), VAC_ENOSPC);
  EXPECT_THAT(refused.text(), HasSubstr("memory in [limits]"));

  silent.clear();
  EXPECT_TRUE(test::eventually([&] {
    RawClient next = RawClient::greeted(agent_.address());
    std::vector<std::byte> cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(head));
    wire::FrameHeader end;
    end.kind = wire::Kind::data;
    end.request = 1;
    end.code = VAC_ECANCELED;
    next.send(cut);
    next.send(end);
    return next.receive().code() == VAC_ECANCELED;
  })) << "the room of those who left is free again";
}

/// Its last bytes and its end may be one event for an agent that was busy meanwhile.
TEST_F(HalfAFrame, EndsWithItsClientHoweverLateTheAgentLooks) {
  const std::size_t before = test::state_of(agent_.pid()).descriptors;
  BuiltCall call = noop(8 * kMiB);
  const auto frame = RawClient::call_bytes(call, 1);
  for (const std::size_t sent : {1UL, 63UL, 64UL, 65UL, 20'000UL, 100'000UL}) {
    RawClient client = RawClient::greeted(agent_.address());
    // The agent's threads are with others.
    for (int i = 0; i < 20; ++i) (void)RawClient::greeted(agent_.address());
    int status = 0;
    ::kill(agent_.pid(), SIGSTOP);
    ASSERT_EQ(::waitpid(agent_.pid(), &status, WUNTRACED), agent_.pid());
    client.send(std::span(frame).first(sent));
    client.close();
    ::kill(agent_.pid(), SIGCONT);
    ASSERT_TRUE(test::eventually([&] {
      return test::state_of(agent_.pid()).descriptors == before;
    })) << "after "
        << sent << " bytes";
  }
}

#if !defined(VAC_SANITIZED)  // a sanitizer needs terabytes of addresses itself

class Memory : public Exhaustion {
 protected:
  /// From now on the agent gets no more than that.
  void allow_only(std::uint64_t more) {
    limit(RLIMIT_AS, test::state_of(agent_.pid()).virtual_bytes + more);
  }
  void allow_all() { limit(RLIMIT_AS, RLIM_INFINITY); }
};

TEST_F(Memory, ALargeCallIsRefusedAndSmallOnesGoOn) {
  RawClient small = RawClient::greeted(agent_.address());
  RawClient large = RawClient::greeted(agent_.address());
  expect_served(small);
  allow_only(32 * kMiB);
  BuiltCall input = noop(100 * kMiB);
  const std::vector<std::int32_t> one{1};
  BuiltCall output(find_op("fpga_arraycopy")->id);
  output.array(VAC_I32, one).out_array(VAC_I32, 100 * kMiB);
  for (int i = 0; i < 3; ++i) {
    const RawReply no_input = large.run(input);
    EXPECT_EQ(no_input.code(), VAC_ENOSPC);
    EXPECT_THAT(no_input.text(), HasSubstr("no room for a request of 104.9 MB"));
    expect_served(small);
    const RawReply no_output = large.run(output);
    EXPECT_EQ(no_output.code(), VAC_ENOMEM);
    EXPECT_THAT(no_output.text(), HasSubstr("no room for a result of 104.9 MB"));
    expect_served(small);
  }
  allow_all();
  EXPECT_EQ(large.run(input).code(), VAC_OK) << "there is memory again";
}

/// Small answers that nobody takes are kept on the heap.
TEST_F(Memory, AClientThatTakesNoAnswersLosesItsConnectionAndNobodyElseDoes) {
  RawClient good = RawClient::greeted(agent_.address());
  expect_served(good);
  allow_only(0);
  RawClient bad = RawClient::greeted(agent_.address());
  std::vector<wire::FrameHeader> calls(1000);
  std::uint64_t request = 0;
  EXPECT_THROW(
      {
        while (request < 10'000'000) {
          for (wire::FrameHeader& header : calls) {
            header.kind = wire::Kind::call;
            header.code = 9999;
            header.request = ++request;
          }
          bad.send(std::as_bytes(std::span(calls)));
        }
      },
      std::exception);
  for (int i = 0; i < 10; ++i) expect_served(good);
  allow_all();
}

/// Everything at once, with nothing to be had: some are refused, some lose their connection, and
/// the agent is there afterwards.
TEST_F(Memory, AllKindsOfWorkEndInAnswersOrLostConnections) {
  RawClient good = RawClient::greeted(agent_.address());
  expect_served(good);
  allow_only(0);
  std::vector<RawClient> clients;
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;
  std::uint64_t lost = 0;
  for (int round = 0; round < 100; ++round) {
    try {
      clients.push_back(RawClient::greeted(agent_.address()));
      for (const std::size_t bytes : {std::size_t{20'000}, kMiB, 6 * kMiB}) {
        BuiltCall call = noop(bytes);
        const RawReply reply = clients.back().run(call);
        EXPECT_THAT(reply.code(), AnyOf(VAC_OK, VAC_ENOSPC, VAC_ENOMEM)) << reply.text();
        ++(reply.code() == VAC_OK ? answered : refused);
      }
    } catch (const std::exception&) {
      ++lost;
    }
  }
  std::printf("soak: no_memory answered=%llu refused=%llu lost=%llu\n",
              static_cast<unsigned long long>(answered), static_cast<unsigned long long>(refused),
              static_cast<unsigned long long>(lost));
  EXPECT_GT(refused, 0U);
  expect_served(good);
  allow_all();
}

#endif

}  // namespace
}  // namespace vac
