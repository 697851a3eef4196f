// SPDX-License-Identifier: Apache-2.0
// Callers who do not wait for ever: deadlines, signals, and what comes too late.
#include <pthread.h>
#include <signal.h>

#include <future>

#include "connection.hpp"
#include "connection_fixture.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;
using ::testing::HasSubstr;

constexpr std::int64_t kLongMs = 60000;
const auto kTimedOut = FailsWith(VAC_ETIMEDOUT, HasSubstr("no answer from unix:///test in time"));

TEST(ConnectionDeadline, EndsTheWaitCancelsAndDropsTheLateReply) {
  for (const std::int64_t ms : {1, 3, 20, 60}) {
    SCOPED_TRACE(ms);
    Link link;
    Script script(link, [&] {
      ReceivedFrame late = link.agent.receive();
      EXPECT_GT(late.header.detail, 0u);
      EXPECT_LE(late.header.detail, ms * 1000);
      const ReceivedFrame cancel = link.agent.receive();
      EXPECT_EQ(cancel.header.kind, wire::Kind::cancel);
      EXPECT_EQ(cancel.header.request, late.header.request);
      ReceivedFrame next = link.agent.receive();
      link.agent.reply(late, minmax_answer({1, 2, 3}));
      link.agent.reply(next, minmax_answer({4}));
    });
    {
      MinmaxCall late;
      late.deadline_in_ms(ms);
      const std::int64_t deadline = late.call().deadline_ns;
      EXPECT_THAT(late.run(*link.connection), kTimedOut);
      EXPECT_GE(now_ns(), deadline);
    }
    MinmaxCall next;
    EXPECT_THAT(next.run(*link.connection), Succeeds());
    EXPECT_EQ(next.result[0], 4.0);
  }
}

TEST(ConnectionDeadline, OfThePastSendsNothing) {
  Link link;
  NoopCall call;
  call.deadline_in_ms(-1);
  EXPECT_THAT(call.run(*link.connection), kTimedOut);
  EXPECT_FALSE(link.agent.readable());
}

TEST(ConnectionDeadline, FarAwayIsSaturatedOnTheWire) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    EXPECT_EQ(frame.header.detail, UINT32_MAX);
    link.agent.reply(frame);
  });
  NoopCall call;
  call.deadline_in_ms(24L * 3600 * 1000);
  EXPECT_THAT(call.run(*link.connection), Succeeds());
}

TEST(ConnectionDeadline, OfAFollowerDoesNotWaitForTheLeader) {
  Link link;
  std::promise<void> leading;
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive();
    leading.set_value();
    ReceivedFrame second = link.agent.receive();
    EXPECT_EQ(link.agent.receive().header.kind, wire::Kind::cancel);
    link.agent.reply(second);
    link.agent.reply(first);
  });
  std::thread leader([&] { EXPECT_THAT(NoopCall().run(*link.connection), Succeeds()); });
  leading.get_future().wait();
  NoopCall follower;
  follower.deadline_in_ms(10);
  EXPECT_THAT(follower.run(*link.connection), kTimedOut);
  leader.join();
}

TEST(ConnectionDeadline, OfALeaderHandsTheLeadOn) {
  Link link;
  Sleeper leader;
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive();
    ReceivedFrame second = link.agent.receive();
    EXPECT_EQ(link.agent.receive().header.kind, wire::Kind::cancel);
    link.agent.reply(second);
    link.agent.reply(first);
  });
  std::thread leads([&] {
    NoopCall call;
    call.deadline_in_ms(50);
    leader.is_me();
    EXPECT_THAT(call.run(*link.connection), kTimedOut);
  });
  leader.wait_until_asleep();
  EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
  leads.join();
}

TEST(ConnectionDeadline, LeavesAReplyThatHasBegunTheTimeToComeToItsEnd) {
  Link link;
  MinmaxCall call;
  call.deadline_in_ms(20);
  const std::int64_t deadline = call.call().deadline_ns;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    const auto reply = link.agent.reply_frames(frame, minmax_answer({7}));
    link.agent.send(std::span(reply[0]).first(reply[0].size() - 64));
    while (now_ns() < deadline + 5 * kMillisecondNs) std::this_thread::yield();
    link.agent.send(std::span(reply[0]).last(64));
  });
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  EXPECT_EQ(call.result[0], 7.0);
}

TEST(ConnectionDeadline, GivesAConnectionUpWhoseReplyStopsInTheMiddle) {
  Link link({.times = {.grace = 20 * kMillisecondNs}});
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    const auto reply = link.agent.reply_frames(frame, minmax_answer({7}));
    link.agent.send(std::span(reply[0]).first(reply[0].size() - 64));
    EXPECT_TRUE(link.agent.at_end());
  });
  MinmaxCall call;
  call.deadline_in_ms(10);
  EXPECT_THAT(call.run(*link.connection),
              FailsWith(VAC_EREMOTEIO, HasSubstr("in the middle of a reply")));
  EXPECT_TRUE(link.connection->ended());
}

TEST(ConnectionDeadline, OfAFollowerGivesAConnectionUpWhoseReplyStopsInTheMiddle) {
  Link link({.times = {.grace = 20 * kMillisecondNs}});
  Sleeper leader;
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive();
    ReceivedFrame second = link.agent.receive();
    const auto reply = link.agent.reply_frames(second, minmax_answer({7}));
    link.agent.send(std::span(reply[0]).first(reply[0].size() - 64));
    EXPECT_TRUE(link.agent.at_end());
  });
  std::thread leads([&] {
    NoopCall call;
    leader.is_me();
    EXPECT_THAT(call.run(*link.connection),
                FailsWith(VAC_EREMOTEIO, HasSubstr("in the middle of a reply")));
  });
  leader.wait_until_asleep();
  MinmaxCall call;
  call.deadline_in_ms(10);
  EXPECT_THAT(call.run(*link.connection),
              FailsWith(VAC_EREMOTEIO, HasSubstr("in the middle of a reply")));
  leads.join();
}

TEST(ConnectionDeadline, LeavesBetweenThePiecesOfALargeReply) {
  constexpr std::size_t kCount = (5U << 20) / sizeof(double);
  Link link;
  Script script(link, [&] {
    ReceivedFrame large = link.agent.receive();
    const auto pieces =
        link.agent.reply_frames(large, minmax_answer(std::vector<double>(kCount, 1.0)));
    link.agent.send(pieces[0]);
    link.agent.send(pieces[1]);
    EXPECT_EQ(link.agent.receive().header.kind, wire::Kind::cancel);
    ReceivedFrame next = link.agent.receive();
    for (std::size_t i = 2; i < pieces.size(); ++i) link.agent.send(pieces[i]);
    link.agent.reply(next);
  });
  {
    MinmaxCall large(kCount);
    large.deadline_in_ms(40);
    EXPECT_THAT(large.run(*link.connection), kTimedOut);
  }
  EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
}

TEST(ConnectionDeadline, WithdrawsACallOfWhichNothingHasLeft) {
  Link link({.buffer_bytes = 65536});
  std::promise<void> withdrawn;
  Sleeper sender;
  Script script(link, [&] {
    sender.wait_until_asleep();  // the pipe is full
    withdrawn.get_future().wait();
    ReceivedFrame large = link.agent.receive();
    link.agent.reply(large, minmax_answer({1}));
    EXPECT_FALSE(link.agent.readable());
  });
  std::thread fills([&] {
    MinmaxCall call(4, 400000);
    sender.is_me();
    EXPECT_THAT(call.run(*link.connection), Succeeds());
  });
  sender.wait_until_asleep();
  NoopCall call;
  call.deadline_in_ms(10);
  EXPECT_THAT(call.run(*link.connection), kTimedOut);
  withdrawn.set_value();
  fills.join();
}

TEST(ConnectionDeadline, StopsALargePayloadThatTheAgentDoesNotTake) {
  Link link({.buffer_bytes = 65536, .times = {.grace = 20 * kMillisecondNs}});
  MinmaxCall call(4, (8U << 20) / sizeof(double));
  call.deadline_in_ms(20);
  EXPECT_THAT(call.run(*link.connection), kTimedOut);
  EXPECT_THAT(NoopCall().run(*link.connection),
              FailsWith(VAC_EREMOTEIO, HasSubstr("took no more data in the middle of a call")));
}

TEST(ConnectionDeadline, WaitsForRoomNoLonger) {
  Link link({.calls_in_flight = 1});
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive();
    EXPECT_EQ(link.agent.receive().header.kind, wire::Kind::cancel);
    EXPECT_TRUE(link.agent.at_end());  // the second call never came
  });
  for (int i = 0; i < 2; ++i) {
    NoopCall call;
    call.deadline_in_ms(10);
    EXPECT_THAT(call.run(*link.connection), kTimedOut);
  }
  link.connection.reset();
}

TEST(ConnectionDeadline, LeavesRoomWhenTheLateReplyComes) {
  Link link({.calls_in_flight = 1});
  Script script(link, [&] {
    ReceivedFrame late = link.agent.receive();
    EXPECT_EQ(link.agent.receive().header.kind, wire::Kind::cancel);
    link.agent.reply(late);
    ReceivedFrame next = link.agent.receive();
    link.agent.reply(next);
  });
  NoopCall late;
  late.deadline_in_ms(10);
  EXPECT_THAT(late.run(*link.connection), kTimedOut);
  NoopCall next;  // nobody else reads: it has to take the late reply itself
  next.deadline_in_ms(kLongMs);
  EXPECT_THAT(next.run(*link.connection), Succeeds());
}

/// A signal that does nothing but interrupt system calls.
class Interruption {
 public:
  Interruption() {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, &before_);
  }
  ~Interruption() { ::sigaction(SIGUSR1, &before_, nullptr); }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

 private:
  struct sigaction before_{};
};

/// Runs one call on a thread that gets signals until `enough` says so.
Status run_interrupted(Link& link, std::uint32_t flags, const std::function<bool()>& enough) {
  std::atomic<bool> done{false};
  Status result;
  std::thread caller([&] {
    NoopCall call;
    call.call().flags = flags;
    result = call.run(*link.connection);
    done = true;
  });
  while (!done && !enough()) {
    ::pthread_kill(caller.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  caller.join();
  return result;
}

TEST(ConnectionInterrupt, EndsAnInterruptibleCall) {
  const Interruption interruption;
  for (const bool followed : {false, true}) {
    SCOPED_TRACE(followed);
    Link link;
    Sleeper leader;
    Script script(link, [&] {
      std::vector<ReceivedFrame> frames;
      while (auto frame = link.agent.receive_or_end()) {
        if (frame->header.kind == wire::Kind::cancel) break;
        frames.push_back(std::move(*frame));
      }
      for (ReceivedFrame& frame : frames) link.agent.reply(frame);
    });
    std::thread leads;
    if (followed) {
      leads = std::thread([&] {
        NoopCall call;
        leader.is_me();
        EXPECT_THAT(call.run(*link.connection), Succeeds());
      });
      leader.wait_until_asleep();
    }
    EXPECT_THAT(run_interrupted(link, VAC_CALL_INTERRUPTIBLE, [] { return false; }),
                FailsWith(VAC_EINTR, "noop: interrupted by a signal"));
    if (followed) leads.join();
  }
}

TEST(ConnectionInterrupt, DoesNotEndAnotherCall) {
  const Interruption interruption;
  Link link;
  std::atomic<int> signals{0};
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    while (signals < 20) std::this_thread::yield();
    link.agent.reply(frame);
  });
  EXPECT_THAT(run_interrupted(link, 0, [&] { return ++signals > 40; }), Succeeds());
}

}  // namespace
}  // namespace vac::remote
