// SPDX-License-Identifier: Apache-2.0
// Calls that no thread waits for: queued, in flight, and however they end.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "connection.hpp"
#include "connection_fixture.hpp"
#include "support/random.hpp"
#include "taken_fixture.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kMegabyte = (std::size_t{1} << 20) / sizeof(double);
constexpr std::int64_t kLongMs = 60'000;
const auto kLost = FailsWith(VAC_EREMOTEIO, HasSubstr("connection to unix:///test was lost"));
const auto kTimedOut = FailsWith(VAC_ETIMEDOUT, HasSubstr("no answer from unix:///test in time"));
const auto kCancelled = FailsWith(VAC_ECANCELED, HasSubstr("cancelled"));

using TakenNoop = Taken<NoopCall>;
using TakenMinmax = Taken<MinmaxCall>;

/// An answer that only this call can have got: its input.
test::ScriptedAnswer echo(const ReceivedFrame& frame) {
  const auto data = frame.data(0);
  return {.outputs = {{.arg = MinmaxCall::kResult, .data = {data.begin(), data.end()}}}};
}

/// Answers that many calls, in disorder among those that have come.
void answer(test::ScriptedPeer& agent, std::size_t calls, std::uint64_t seed = 1) {
  test::Random random(seed);
  std::vector<ReceivedFrame> waiting;
  while (calls != 0) {
    if (waiting.empty() || agent.readable()) {
      ReceivedFrame frame = agent.receive();
      if (frame.header.kind == wire::Kind::call) waiting.push_back(std::move(frame));
      continue;
    }
    std::swap(waiting[random.below(waiting.size())], waiting.back());
    ReceivedFrame& frame = waiting.back();
    frame.header.code == VAC_OP_MINMAX ? agent.reply(frame, echo(frame)) : agent.reply(frame);
    waiting.pop_back();
    --calls;
  }
}

TEST(ConnectionTaken, HaveTheirResultsWhenTheyEnd) {
  TakingLink taking;
  Script script(taking.link, [&] {
    ReceivedFrame frame = taking.agent().receive();
    taking.agent().reply(frame, minmax_answer({1, 2, 3}));
    frame = taking.agent().receive();
    taking.agent().fail(frame.header.request, VAC_EIO, 7, "it is broken");
  });
  TakenMinmax good;
  good.start(taking.connection());
  EXPECT_THAT(good.wait(), Succeeds());
  EXPECT_EQ(good.result, (std::vector<double>{1, 2, 3, 0}));
  EXPECT_EQ(good.scalar(MinmaxCall::kMax), 9.0);
  TakenNoop bad;
  bad.start(taking.connection());
  EXPECT_THAT(bad.wait(), FailsWith(VAC_EIO, "it is broken"));
}

TEST(ConnectionTaken, AreNotTakenWithoutAReactor) {
  Link link;
  NoopCall call;
  EXPECT_FALSE(link.connection->take(call.call()));
}

TEST(ConnectionTaken, WaitForPlacesInTheirOrder) {
  constexpr std::size_t kCalls = 500;
  TakingLink taking({.calls_in_flight = 2});
  Script script(taking.link, [&] {
    std::deque<ReceivedFrame> waiting;
    double expected = 0;
    for (std::size_t i = 0; i < kCalls; ++i) {
      waiting.push_back(taking.agent().receive());
      double number = 0;
      std::memcpy(&number, waiting.back().data(0).data(), sizeof number);
      EXPECT_EQ(number, expected++);
      if (waiting.size() < 2) continue;
      EXPECT_FALSE(taking.agent().readable()) << "there are two places";
      taking.agent().reply(waiting.front(), echo(waiting.front()));
      waiting.pop_front();
    }
    taking.agent().reply(waiting.front(), echo(waiting.front()));
  });
  std::vector<std::unique_ptr<TakenMinmax>> calls;
  for (std::size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<TakenMinmax>(1, 1));
    calls[i]->data[0] = static_cast<double>(i);
    calls[i]->start(taking.connection());
  }
  for (const auto& call : calls) {
    EXPECT_THAT(call->wait(), Succeeds());
    EXPECT_EQ(call->result, call->data);
  }
}

TEST(ConnectionTaken, MayBeTakenByWhoIsToldOfAnother) {
  constexpr std::size_t kCalls = 2000;
  TakingLink taking;
  Script script(taking.link, [&] { answer(taking.agent(), kCalls); });
  std::vector<TakenNoop> calls(kCalls);
  for (std::size_t i = 0; i + 1 < kCalls; ++i) {
    calls[i].then = [&, i] { calls[i + 1].start(taking.connection()); };
  }
  calls[0].start(taking.connection());
  EXPECT_THAT(calls.back().wait(), Succeeds());
}

TEST(ConnectionTaken, CancelledInTheQueueAreNeverSent) {
  TakingLink taking({.calls_in_flight = 1});
  TakenNoop first, second, third;
  first.start(taking.connection());
  ReceivedFrame sent = taking.agent().receive();
  second.start(taking.connection());
  third.start(taking.connection());
  second.cancel(taking.connection());
  EXPECT_THAT(second.wait(), kCancelled);
  EXPECT_FALSE(taking.agent().readable());
  EXPECT_FALSE(first.over() || third.over());
  taking.agent().reply(sent);
  EXPECT_THAT(first.wait(), Succeeds());
  sent = taking.agent().receive();
  taking.agent().reply(sent);
  EXPECT_THAT(third.wait(), Succeeds());
  EXPECT_FALSE(taking.agent().readable());
}

TEST(ConnectionTaken, CancelledInFlightEndAtOnceAndTheirRepliesAreDropped) {
  TakingLink taking;
  auto late = std::make_unique<TakenMinmax>();
  late->start(taking.connection());
  ReceivedFrame first = taking.agent().receive();
  late->cancel(taking.connection());
  EXPECT_THAT(late->wait(), kCancelled);
  late.reset();  // its memory is the caller's again
  const ReceivedFrame cancel = taking.agent().receive();
  EXPECT_EQ(cancel.header.kind, wire::Kind::cancel);
  EXPECT_EQ(cancel.header.request, first.header.request);
  taking.agent().reply(first, minmax_answer({1, 2, 3}));
  Script script(taking.link, [&] { answer(taking.agent(), 1); });
  TakenNoop next;
  next.start(taking.connection());
  EXPECT_THAT(next.wait(), Succeeds());
}

TEST(ConnectionTaken, EndAtTheirDeadlinesInTheQueueAndInFlight) {
  TakingLink taking({.calls_in_flight = 1});
  // With deadlines in any order.
  TakenNoop in_flight, queued, earlier, patient;
  in_flight.deadline_in_ms(30);
  queued.deadline_in_ms(40);
  earlier.deadline_in_ms(10);
  patient.deadline_in_ms(kLongMs);
  for (TakenNoop* const call : {&in_flight, &queued, &earlier, &patient}) {
    call->start(taking.connection());
  }
  ReceivedFrame sent = taking.agent().receive();
  EXPECT_THAT(earlier.wait(), kTimedOut);
  EXPECT_GE(now_ns(), earlier.call().deadline_ns);
  EXPECT_THAT(in_flight.wait(), kTimedOut);
  EXPECT_GE(now_ns(), in_flight.call().deadline_ns);
  EXPECT_THAT(queued.wait(), kTimedOut);
  EXPECT_GE(now_ns(), queued.call().deadline_ns);
  EXPECT_EQ(taking.agent().receive().header.kind, wire::Kind::cancel);
  EXPECT_FALSE(patient.over());
  taking.agent().reply(sent);  // frees the place
  sent = taking.agent().receive();
  taking.agent().reply(sent);
  EXPECT_THAT(patient.wait(), Succeeds());
}

TEST(ConnectionTaken, OfThePastAreNeverSent) {
  TakingLink taking;
  TakenNoop call;
  call.deadline_in_ms(-1);
  call.start(taking.connection());
  EXPECT_THAT(call.wait(), kTimedOut);
  EXPECT_FALSE(taking.agent().readable());
}

TEST(ConnectionTaken, AreLostWithTheConnection) {
  constexpr std::size_t kCalls = 300;
  TakingLink taking({.calls_in_flight = 8});
  Script script(taking.link, [&] {
    for (int i = 0; i < 8; ++i) (void)taking.agent().receive();
    taking.agent().close();
  });
  std::vector<TakenNoop> calls(kCalls);
  for (TakenNoop& call : calls) call.start(taking.connection());
  for (TakenNoop& call : calls) EXPECT_THAT(call.wait(), kLost);
  TakenNoop after;
  after.start(taking.connection());
  EXPECT_THAT(after.wait(), AllOf(kLost, FailsWith(VAC_EREMOTEIO, HasSubstr(" before noop: "))));
}

TEST(ConnectionTaken, AreLostWithTheConnectionThoughOneIsHalfSent) {
  // One whose frame has all of it, and one whose payload follows. What the reactor is at when the
  // end comes differs.
  for (int round = 0; round < 50; ++round) {
    const std::size_t count = round % 2 == 0 ? kMegabyte / 4 : 8 * kMegabyte;
    TakingLink taking({.buffer_bytes = 65536});
    TakenMinmax half(1, count);
    TakenNoop behind;
    half.start(taking.connection());
    behind.start(taking.connection());
    std::vector<std::byte> some(100'000);
    EXPECT_EQ(taking.agent().channel().receive(some, transport::Wait::all), 100'000);
    taking.agent().close();
    EXPECT_THAT(half.wait(), kLost);
    EXPECT_THAT(behind.wait(), kLost);
  }
}

TEST(ConnectionTaken, AllEndWhenTheirSessionIsCancelled) {
  constexpr std::size_t kCalls = 5000;
  TakingLink taking;
  std::vector<TakenNoop> calls(kCalls);
  for (std::size_t i = 0; i + 1 < kCalls; ++i) calls[i].start(taking.connection());
  taking.connection().cancel_taken();
  calls.back().start(taking.connection());
  for (TakenNoop& call : calls) EXPECT_THAT(call.wait(), kCancelled);
}

TEST(ConnectionTaken, RefuseWhatIsTooLargeForAFrame) {
  TakingLink taking;
  TakenMinmax call(1, 4);
  vac_call& made = call.call();
  made.meta_bytes = 1U << 20;  // never read: it is too much
  made.flags = 0;
  made.host_priv = static_cast<TakenEnd*>(&call);
  EXPECT_TRUE(taking.connection().take(made));
  EXPECT_THAT(call.wait(), FailsWith(VAC_EINVAL, HasSubstr("minmax: ")));
  EXPECT_FALSE(taking.agent().readable());
}

TEST(ConnectionTaken, TakeAlongWhatIsToBeGivenBack) {
  TakingLink taking({.calls_in_flight = 2});
  TakenNoop first, second;
  first.start(taking.connection());
  ReceivedFrame one = taking.agent().receive();
  second.start(taking.connection());
  ReceivedFrame other = taking.agent().receive();
  taking.connection().drop_resource(7);
  taking.connection().drop_resource(8);
  EXPECT_FALSE(taking.agent().readable()) << "there is no place for it";
  taking.agent().reply(one);
  ReceivedFrame drop = taking.agent().receive();
  EXPECT_EQ(drop.header.code, static_cast<std::uint32_t>(Control::resource_drop));
  EXPECT_EQ(drop.scalar(0), 8U);
  taking.agent().reply(other);
  taking.agent().reply(drop);
  drop = taking.agent().receive();
  EXPECT_EQ(drop.scalar(0), 7U);
  taking.agent().reply(drop);
  EXPECT_THAT(first.wait(), Succeeds());
  EXPECT_THAT(second.wait(), Succeeds());
}

TEST(ConnectionTaken, LeaveBeforeWhatIsGivenBackBehindThem) {
  TakingLink taking({.calls_in_flight = 4});
  std::array<TakenNoop, 4> first;
  std::vector<ReceivedFrame> sent;
  for (TakenNoop& call : first) {
    call.start(taking.connection());
    sent.push_back(taking.agent().receive());
  }
  taking.connection().drop_resource(7);
  TakenMinmax large(1, kMegabyte / 4);
  large.start(taking.connection());
  EXPECT_FALSE(taking.agent().readable()) << "there is no place for either";
  // All at once, so that there are places for both.
  std::vector<std::byte> replies;
  for (ReceivedFrame& frame : sent) {
    for (const auto& piece : taking.agent().reply_frames(frame, {})) {
      replies.insert(replies.end(), piece.begin(), piece.end());
    }
  }
  taking.agent().send(replies);
  ReceivedFrame one = taking.agent().receive();
  ReceivedFrame other = taking.agent().receive();
  EXPECT_LT(one.header.request >> 6U, other.header.request >> 6U);
  taking.agent().fail(one.header.request, VAC_EIO, 0, "enough");
  taking.agent().reply(other);
  EXPECT_THAT(large.wait(), FailsWith(VAC_EIO, "enough"));
  for (TakenNoop& call : first) EXPECT_THAT(call.wait(), Succeeds());
}

/// Reads a call only after it has sent the whole reply to the one before: both pipes fill up.
void answer_without_reading(test::ScriptedPeer& agent, std::size_t calls) {
  ReceivedFrame before = agent.receive();
  for (std::size_t i = 1; i < calls; ++i) {
    agent.reply(before, echo(before));
    before = agent.receive();
  }
  agent.reply(before, echo(before));
}

TEST(ConnectionTaken, GoBothWaysAtOnceThroughFullPipes) {
  constexpr std::size_t kCalls = 16;
  TakingLink taking({.buffer_bytes = 65536});
  Script script(taking.link, [&] { answer_without_reading(taking.agent(), kCalls); });
  std::vector<std::unique_ptr<TakenMinmax>> calls;
  for (std::size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<TakenMinmax>(kMegabyte, kMegabyte));
    std::ranges::fill(calls[i]->data, static_cast<double>(i));
    calls[i]->start(taking.connection());
  }
  for (const auto& call : calls) {
    EXPECT_THAT(call->wait(), Succeeds());
    EXPECT_EQ(call->result, call->data);
  }
}

/// Takes frames as they come, data frames of several calls in turns, until it has all of that many
/// calls; then answers them.
void answer_chunked(test::ScriptedPeer& agent, std::size_t calls) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> left;  // request, bytes
  std::size_t small = 0, most_at_once = 0;
  while (left.size() < calls || std::ranges::any_of(left, [](auto& one) { return one.second; })) {
    ReceivedFrame frame = agent.receive_one();
    if (frame.header.kind == wire::Kind::data) {
      for (auto& [request, bytes] : left) {
        if (request == frame.header.request) bytes -= frame.header.payload_bytes;
      }
    } else if ((frame.header.flags & wire::kFlagPayloadFollows) != 0) {
      left.emplace_back(frame.header.request, frame.header.payload_bytes);
    } else {
      ++small;
      agent.reply(frame);
    }
    const auto going = std::ranges::count_if(left, [](auto& one) { return one.second != 0; });
    most_at_once = std::max(most_at_once, static_cast<std::size_t>(going));
  }
  EXPECT_EQ(most_at_once, calls) << "large payloads take turns";
  EXPECT_EQ(small, 1U) << "a small call does not wait for them";
  for (const auto& [request, bytes] : left) agent.fail(request, VAC_EIO, 0, "enough");
}

TEST(ConnectionTaken, TakeTurnsWithLargePayloads) {
  constexpr std::size_t kCalls = 3;
  TakingLink taking({.buffer_bytes = 65536});
  std::vector<std::unique_ptr<TakenMinmax>> calls;
  for (std::size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<TakenMinmax>(1, 8 * kMegabyte));
    calls[i]->start(taking.connection());
  }
  TakenNoop small;
  small.start(taking.connection());
  Script script(taking.link, [&] { answer_chunked(taking.agent(), kCalls); });
  EXPECT_THAT(small.wait(), Succeeds());
  for (const auto& call : calls) EXPECT_THAT(call->wait(), FailsWith(VAC_EIO, "enough"));
}

/// What comes until a payload is cut short: how much of it, and how many small calls, which are
/// answered.
struct UntilCut {
  std::uint64_t bytes = 0;
  std::size_t calls = 0;
};
UntilCut receive_until_cut(test::ScriptedPeer& agent) {
  for (UntilCut until;;) {
    ReceivedFrame frame = agent.receive_one();
    if (frame.header.kind == wire::Kind::call) {
      agent.reply(frame);
      ++until.calls;
    } else if (frame.header.code == VAC_ECANCELED) {
      return until;
    } else {
      until.bytes += frame.header.payload_bytes;
    }
  }
}

TEST(ConnectionTaken, AreCutShortWhereTheyAreAnsweredBeforeAllOfThemIsSent) {
  TakingLink taking({.buffer_bytes = 65536});
  Script script(taking.link, [&] {
    const ReceivedFrame head = taking.agent().receive_one();
    taking.agent().fail(head.header.request, VAC_ENOSPC, 0, "too much");
    const UntilCut until = receive_until_cut(taking.agent());
    EXPECT_LT(until.bytes, head.header.payload_bytes);
    answer(taking.agent(), 100 - until.calls);
  });
  auto large = std::make_unique<TakenMinmax>(1, 64 * kMegabyte);
  large->start(taking.connection());
  EXPECT_THAT(large->wait(), FailsWith(VAC_ENOSPC, "too much"));
  large.reset();
  std::vector<TakenNoop> others(100);
  for (TakenNoop& call : others) call.start(taking.connection());
  for (TakenNoop& call : others) EXPECT_THAT(call.wait(), Succeeds());
}

TEST(ConnectionTaken, AreCutShortWhenTheyAreCancelled) {
  TakingLink taking({.buffer_bytes = 65536, .calls_in_flight = 1});
  auto large = std::make_unique<TakenMinmax>(1, 64 * kMegabyte);
  large->start(taking.connection());
  const ReceivedFrame head = taking.agent().receive_one();
  (void)taking.agent().receive_one();
  large->cancel(taking.connection());
  Script script(taking.link, [&] {
    bool cancelled = false, cut = false;
    while (!cancelled || !cut) {
      const ReceivedFrame frame = taking.agent().receive_one();
      cancelled = cancelled || frame.header.kind == wire::Kind::cancel;
      cut = cut || (frame.header.kind == wire::Kind::data && frame.header.code == VAC_ECANCELED);
    }
    taking.agent().fail(head.header.request, VAC_ECANCELED, 0, "cancelled");
    answer(taking.agent(), 1);
  });
  EXPECT_THAT(large->wait(), kCancelled);
  large.reset();
  TakenNoop next;
  next.start(taking.connection());
  EXPECT_THAT(next.wait(), Succeeds());
}

TEST(ConnectionTaken, EndAtTheirDeadlinesThoughTheAgentReadsNothing) {
  Times times;
  times.grace = 500 * kMillisecondNs;
  TakingLink taking({.buffer_bytes = 65536, .times = times});
  std::vector<std::unique_ptr<TakenMinmax>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(std::make_unique<TakenMinmax>(1, kMegabyte));
  const std::int64_t deadline_ns = now_ns() + 20 * kMillisecondNs;
  for (const auto& call : calls) {
    call->call().deadline_ns = deadline_ns;
    call->start(taking.connection());
  }
  // One of them is half sent, and has the connection given up in the end.
  std::size_t timed_out = 0;
  for (const auto& call : calls) {
    const Status status = call->wait();
    ASSERT_FALSE(status);
    if (status.error().code() == Errc::timed_out) ++timed_out;
  }
  EXPECT_GE(timed_out, calls.size() - 1);
}

TEST(ConnectionTaken, AreGivenUpWithAnAgentThatStopsInTheMiddleOfAReply) {
  Times times;
  times.grace = 20 * kMillisecondNs;
  TakingLink taking({.times = times});
  TakenMinmax call;
  call.deadline_in_ms(20);
  call.start(taking.connection());
  ReceivedFrame frame = taking.agent().receive();
  const auto pieces = taking.agent().reply_frames(frame, minmax_answer({1, 2, 3, 4}));
  taking.agent().send(std::span(pieces[0]).first(pieces[0].size() - 8));
  const Status status = call.wait();
  ASSERT_FALSE(status);
  EXPECT_THAT(status, FailsWith(VAC_EREMOTEIO,
                                HasSubstr("because the agent stopped in the middle of a frame")));
}

/// Each thread makes calls that it waits for, as others are taken.
TEST(ConnectionTaken, MixWithCallsOfThreads) {
  for (const std::uint32_t room : {2U, 64U}) {
    constexpr std::size_t kThreads = 4, kCalls = 200;
    TakingLink taking({.buffer_bytes = 65536, .calls_in_flight = room});
    Script script(taking.link, [&] { answer(taking.agent(), 2 * kThreads * kCalls, room); });
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        test::Random random(thread);
        std::deque<std::unique_ptr<TakenMinmax>> taken;
        for (std::size_t i = 0; i < kCalls; ++i) {
          const std::size_t count = 1 + random.below(random.one_in(20) ? 40'000 : 20);
          taken.push_back(std::make_unique<TakenMinmax>(count, count));
          std::ranges::generate(taken.back()->data, [&] { return double(random.below(1000)); });
          taken.back()->start(taking.connection());
          MinmaxCall call(1, 1);
          call.data[0] = static_cast<double>(thread * kCalls + i);
          ASSERT_THAT(call.run(taking.connection()), Succeeds());
          ASSERT_EQ(call.result, call.data);
          if (taken.size() < 10) continue;
          ASSERT_THAT(taken.front()->wait(), Succeeds());
          ASSERT_EQ(taken.front()->result, taken.front()->data);
          taken.pop_front();
        }
        for (const auto& call : taken) {
          ASSERT_THAT(call->wait(), Succeeds());
          ASSERT_EQ(call->result, call->data);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

/// More threads than there are places, none of which is ever free for long.
TEST(ConnectionTaken, HaveEverySecondPlaceAmongThreadsThatWaitForOne) {
  constexpr std::uint64_t kSoon = 50;
  for (const std::uint32_t room : {1U, 4U}) {
    TakingLink taking({.calls_in_flight = room});
    std::atomic<bool> taken{false}, stops{false};
    std::uint64_t before = 0;
    Script script(taking.link, [&] {
      for (std::size_t left = room + 4; left != 0;) {
        ReceivedFrame frame = taking.agent().receive();
        if (frame.argument(0).bytes == 7) {
          stops = true;
        } else if (taken && !stops) {
          ++before;
        }
        taking.agent().reply(frame);
        if (frame.argument(0).bytes == 1) --left;
      }
    });
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < room + 4; ++i) {
      threads.emplace_back([&] {
        while (!stops) EXPECT_THAT(NoopCall().run(taking.connection()), Succeeds());
        EXPECT_THAT(NoopCall(1).run(taking.connection()), Succeeds());
      });
    }
    TakenNoop call(7);
    call.start(taking.connection());
    taken = true;
    EXPECT_THAT(call.wait(), Succeeds());
    for (std::thread& thread : threads) thread.join();
    script.join();
    EXPECT_LE(before, kSoon);
  }
}

TEST(ConnectionTaken, AreReadByAThreadThatWaitsForItsOwn) {
  TakingLink taking;
  std::atomic<bool> leads{false};
  Script script(taking.link, [&] {
    ReceivedFrame slow = taking.agent().receive();
    leads = true;
    answer(taking.agent(), 500);
    taking.agent().reply(slow);
  });
  std::thread waits([&] { EXPECT_THAT(NoopCall().run(taking.connection()), Succeeds()); });
  while (!leads) std::this_thread::yield();
  std::vector<TakenNoop> calls(500);
  for (TakenNoop& call : calls) call.start(taking.connection());
  for (TakenNoop& call : calls) EXPECT_THAT(call.wait(), Succeeds());
  waits.join();
}

TEST(ConnectionTaken, EndOnceWhileSomeAreCancelledLateOrLost) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    TakingLink taking({.calls_in_flight = 8});
    Script script(taking.link, [&] {
      test::Random random(seed);
      for (int answered = 0; answered < 150;) {
        ReceivedFrame frame = taking.agent().receive();
        if (frame.header.kind != wire::Kind::call) continue;
        taking.agent().reply(frame, echo(frame));
        ++answered;
      }
      taking.agent().close();
    });
    test::Random random(seed);
    std::vector<std::unique_ptr<TakenMinmax>> calls;
    for (int i = 0; i < 300; ++i) {
      calls.push_back(std::make_unique<TakenMinmax>(1, 1));
      TakenMinmax& call = *calls.back();
      if (random.one_in(3)) {
        call.call().deadline_ns = now_ns() + static_cast<std::int64_t>(random.below(2'000'000));
      }
      call.start(taking.connection());
      if (random.one_in(4)) calls[random.below(calls.size())]->cancel(taking.connection());
    }
    for (const auto& call : calls) (void)call->wait();
  }
}

}  // namespace
}  // namespace vac::remote
