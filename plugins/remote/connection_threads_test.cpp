// SPDX-License-Identifier: Apache-2.0
// Many threads on one connection: the lead and the turn go from hand to hand.
#include <algorithm>
#include <future>

#include "connection.hpp"
#include "connection_fixture.hpp"
#include "support/random.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;

constexpr std::size_t kMegabyte = (std::size_t{1} << 20) / sizeof(double);

/// An answer that only this call can have got: its first input.
test::ScriptedAnswer echo(const ReceivedFrame& frame) {
  const auto data = frame.data(0);
  return {.outputs = {{.arg = MinmaxCall::kResult, .data = {data.begin(), data.end()}}}};
}

/// Answers every call in random order, as many at once as there happen to be.
void answer_in_disorder(Link& link, std::uint64_t seed, std::size_t most_waiting) {
  test::Random random(seed);
  std::vector<ReceivedFrame> waiting;
  for (;;) {
    const bool more = waiting.size() < most_waiting && (waiting.empty() || link.agent.readable());
    if (more) {
      auto frame = link.agent.receive_or_end();
      if (!frame) return;
      if (frame->header.kind == wire::Kind::call) waiting.push_back(std::move(*frame));
      continue;
    }
    std::swap(waiting[random.below(waiting.size())], waiting.back());
    link.agent.reply(waiting.back(), echo(waiting.back()));
    waiting.pop_back();
  }
}

void run_threads(std::size_t count, const std::function<void(std::size_t)>& body) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

/// Each thread makes that many calls, each with data of its own.
void call_from_threads(Link& link, std::size_t threads, std::size_t calls) {
  run_threads(threads, [&](std::size_t thread) {
    for (std::size_t i = 0; i < calls; ++i) {
      MinmaxCall call(1, 1);
      call.data[0] = static_cast<double>(thread * 1000000 + i);
      ASSERT_THAT(call.run(*link.connection), Succeeds());
      ASSERT_EQ(call.result[0], call.data[0]);
      ASSERT_EQ(call.result_bytes(), sizeof(double));
    }
  });
}

TEST(ConnectionThreads, GetTheirOwnAnswersEachExactlyOnce) {
  Link link;
  Script script(link, [&] { answer_in_disorder(link, 1, 64); });
  call_from_threads(link, 64, 50);
  link.connection.reset();
}

TEST(ConnectionThreads, ShareFewerPlacesThanTheyAre) {
  for (const std::uint32_t room : {1U, 3U}) {
    Link link({.calls_in_flight = room});
    Script script(link, [&] { answer_in_disorder(link, room, room); });
    call_from_threads(link, 24, 20);
    link.connection.reset();
  }
}

TEST(ConnectionThreads, AnswerToEachOtherWhileOneReads) {
  Link link;
  Script script(link, [&] { answer_in_disorder(link, 3, 2); });
  call_from_threads(link, 2, 1000);
  link.connection.reset();
}

TEST(ConnectionThreads, MixCallsOfEverySize) {
  Link link({.buffer_bytes = 65536});
  Script script(link, [&] { answer_in_disorder(link, 4, 5); });
  run_threads(8, [&](std::size_t thread) {
    test::Random random(thread);
    for (std::size_t i = 0; i < 6; ++i) {
      const std::size_t count = 1 + random.below(thread == 0 ? 6 * kMegabyte : 60000);
      MinmaxCall call(count, count);
      std::ranges::generate(call.data, [&] { return static_cast<double>(random.below(1000)); });
      ASSERT_THAT(call.run(*link.connection), Succeeds());
      ASSERT_EQ(call.result, call.data);
    }
  });
  link.connection.reset();
}

TEST(ConnectionThreads, LoseNothingWhereSomeDoNotWait) {
  Link link;
  Script script(link, [&] { answer_in_disorder(link, 5, 20); });
  run_threads(16, [&](std::size_t thread) {
    test::Random random(thread);
    for (std::size_t i = 0; i < 100; ++i) {
      MinmaxCall call(1, 1);
      call.data[0] = static_cast<double>(thread * 1000 + i);
      if (random.below(2) == 0) {
        call.call().deadline_ns = now_ns() + static_cast<std::int64_t>(random.below(500000));
      }
      const Status status = call.run(*link.connection);
      if (status) {
        ASSERT_EQ(call.result[0], call.data[0]);
      } else {
        ASSERT_EQ(status.error().code(), Errc::timed_out) << status.error().message();
      }
    }
  });
  link.connection.reset();
}

TEST(ConnectionThreads, AllHearOfTheEnd) {
  Link link;
  Script script(link, [&] {
    for (int i = 0; i < 200; ++i) {
      ReceivedFrame frame = link.agent.receive();
      if (i % 5 != 0) link.agent.reply(frame, echo(frame));
    }
    link.agent.close();
  });
  run_threads(64, [&](std::size_t) {
    for (;;) {
      MinmaxCall call(1, 1);
      const Status status = call.run(*link.connection);
      if (status) continue;
      ASSERT_EQ(status.error().code(), Errc::remote_io) << status.error().message();
      return;
    }
  });
}

/// Reads a call only after it has sent the whole reply to the one before: both pipes fill up.
void answer_without_reading(Link& link, std::size_t calls) {
  ReceivedFrame before = link.agent.receive();
  for (std::size_t i = 1; i < calls; ++i) {
    link.agent.reply(before, echo(before));
    before = link.agent.receive();
  }
  link.agent.reply(before, echo(before));
}

TEST(ConnectionThreads, ReadWhileTheySendIntoAFullPipe) {
  constexpr std::size_t kCalls = 16;
  Link link({.buffer_bytes = 65536});
  Script script(link, [&] { answer_without_reading(link, kCalls); });
  std::vector<std::unique_ptr<MinmaxCall>> calls;
  std::vector<Place*> places;
  for (std::size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<MinmaxCall>(kMegabyte / 8, kMegabyte / 8));
    std::ranges::fill(calls[i]->data, static_cast<double>(i));
    places.push_back(
        *link.connection->start(calls[i]->call(), calls[i]->host().table(), Room::wait));
  }
  for (std::size_t i = 0; i < kCalls; ++i) {
    EXPECT_THAT(link.connection->finish(*places[i]), Succeeds());
    EXPECT_EQ(calls[i]->result, calls[i]->data);
  }
}

TEST(ConnectionThreads, TakeTheLeadInAFullPipeFromOneWhoLeaves) {
  Link link({.buffer_bytes = 65536});
  Sleeper leader, sender;
  std::promise<void> may_lead;
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive();
    may_lead.set_value();
    ReceivedFrame small = link.agent.receive();
    sender.wait_until_asleep();  // in a full pipe, while the other leads
    link.agent.reply(small);
    link.agent.reply(first, echo(first));  // fills the other pipe: only the sender is left to read
    ReceivedFrame second = link.agent.receive();
    link.agent.reply(second, echo(second));
  });
  MinmaxCall first(kMegabyte, kMegabyte), second(kMegabyte, kMegabyte);
  Place* a = *link.connection->start(first.call(), first.host().table(), Room::wait);
  may_lead.get_future().wait();
  std::thread leads([&] {
    NoopCall call;
    leader.is_me();
    EXPECT_THAT(call.run(*link.connection), Succeeds());
  });
  leader.wait_until_asleep();
  sender.is_me();
  Place* b = *link.connection->start(second.call(), second.host().table(), Room::wait);
  EXPECT_THAT(link.connection->finish(*b), Succeeds());
  EXPECT_THAT(link.connection->finish(*a), Succeeds());
  EXPECT_EQ(first.result, first.data);
  EXPECT_EQ(second.result, second.data);
  leads.join();
}

TEST(ConnectionThreads, TakeTurnsWithALargePayload) {
  Link link({.buffer_bytes = 65536});
  Sleeper large, small;
  Script script(link, [&] {
    large.wait_until_asleep();  // in a full pipe
    small.wait_until_asleep();  // for the turn
    const ReceivedFrame head = link.agent.receive_one();
    std::uint64_t taken = 0;
    for (;;) {
      ReceivedFrame frame = link.agent.receive_one();
      if (frame.header.kind == wire::Kind::data) {
        taken += frame.header.payload_bytes;
        continue;
      }
      EXPECT_LT(taken, head.header.payload_bytes / 2);
      link.agent.reply(frame);
      break;
    }
    while (taken < head.header.payload_bytes) {
      taken += link.agent.receive_one().header.payload_bytes;
    }
    link.agent.fail(head.header.request, VAC_EIO, 0, "enough");
  });
  std::thread sends([&] {
    MinmaxCall call(1, 8 * kMegabyte);
    large.is_me();
    EXPECT_THAT(call.run(*link.connection), FailsWith(VAC_EIO, "enough"));
  });
  large.wait_until_asleep();
  NoopCall call;
  small.is_me();
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  sends.join();
}

}  // namespace
}  // namespace vac::remote
