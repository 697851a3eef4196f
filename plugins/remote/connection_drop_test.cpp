// SPDX-License-Identifier: Apache-2.0
// Resource ids that are given back: never lost, never waited for.
#include <set>

#include "connection_fixture.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;

constexpr std::uint32_t kDrop = 5;

/// Answers calls in order until that many no-ops have come; the ids that were dropped meanwhile.
std::multiset<std::uint64_t> serve_noops(test::ScriptedPeer& agent, int noops) {
  std::multiset<std::uint64_t> dropped;
  while (noops > 0) {
    ReceivedFrame frame = agent.receive();
    if (frame.header.code == kDrop) {
      dropped.insert(frame.scalar(0));
    } else {
      EXPECT_EQ(frame.header.code, VAC_OP_NOOP);
      --noops;
    }
    agent.reply(frame);
  }
  return dropped;
}

TEST(ConnectionDrop, IsSentAtOnceWhereThereIsRoom) {
  Link link;
  link.connection->drop_resource(7);
  ReceivedFrame drop = link.agent.receive();
  EXPECT_EQ(drop.header.code, kDrop);
  EXPECT_EQ(drop.scalar(0), 7U);
}

TEST(ConnectionDrop, WaitsForRoomAndThenLeaves) {
  Link link({.calls_in_flight = 2});
  std::multiset<std::uint64_t> dropped;
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive(), second = link.agent.receive();
    EXPECT_FALSE(link.agent.readable());
    link.agent.reply(first);
    link.agent.reply(second);
    dropped = serve_noops(link.agent, 1);
  });
  NoopCall first, second;
  Place* const one = *link.connection->start(first.call(), first.host().table(), Room::wait);
  Place* const two = *link.connection->start(second.call(), second.host().table(), Room::wait);
  for (const std::uint64_t id : {7, 8}) link.connection->drop_resource(id);
  EXPECT_THAT(link.connection->finish(*one), Succeeds());
  EXPECT_THAT(link.connection->finish(*two), Succeeds());
  EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
  script.join();
  EXPECT_EQ(dropped, (std::multiset<std::uint64_t>{7, 8}));
}

TEST(ConnectionDrop, OfTheSameIdTwiceLeavesTwice) {
  Link link({.calls_in_flight = 2});
  std::multiset<std::uint64_t> dropped;
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive(), second = link.agent.receive();
    link.agent.reply(first);
    link.agent.reply(second);
    dropped = serve_noops(link.agent, 1);
  });
  NoopCall first, second;
  Place* const one = *link.connection->start(first.call(), first.host().table(), Room::wait);
  Place* const two = *link.connection->start(second.call(), second.host().table(), Room::wait);
  for (const std::uint64_t id : {7, 7}) link.connection->drop_resource(id);
  EXPECT_THAT(link.connection->finish(*one), Succeeds());
  EXPECT_THAT(link.connection->finish(*two), Succeeds());
  EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
  script.join();
  EXPECT_EQ(dropped, (std::multiset<std::uint64_t>{7, 7}));
}

TEST(ConnectionDrop, OfManyIdsLosesNone) {
  constexpr std::uint64_t kIds = 5000;
  constexpr int kCalls = 200;
  Link link;
  std::multiset<std::uint64_t> dropped;
  Script script(link, [&] { dropped = serve_noops(link.agent, kCalls); });
  std::multiset<std::uint64_t> expected;
  for (std::uint64_t id = 1; id <= kIds; ++id) {
    link.connection->drop_resource(id);
    expected.insert(id);
  }
  for (int i = 0; i < kCalls; ++i) EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
  script.join();
  EXPECT_EQ(dropped, expected);
}

TEST(ConnectionDrop, OfSeveralThreadsLosesNone) {
  constexpr std::uint64_t kIds = 500;
  constexpr int kThreads = 4, kCalls = 200;
  Link link;
  std::multiset<std::uint64_t> dropped;
  Script script(link, [&] { dropped = serve_noops(link.agent, kThreads * kCalls + kCalls); });
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t id = 1; id <= kIds; ++id)
        link.connection->drop_resource(thread * kIds + id);
      for (int i = 0; i < kCalls; ++i) EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kCalls; ++i) EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
  script.join();
  EXPECT_EQ(dropped.size(), kThreads * kIds);
  EXPECT_EQ(std::set(dropped.begin(), dropped.end()).size(), kThreads * kIds);
}

TEST(ConnectionDrop, IsNothingOnAConnectionThatHasEnded) {
  Link link;
  link.agent.close();
  EXPECT_FALSE(NoopCall().run(*link.connection));
  link.connection->drop_resource(7);
  EXPECT_TRUE(link.connection->ended());
}

}  // namespace
}  // namespace vac::remote
