// SPDX-License-Identifier: Apache-2.0
// Calls that another thread cancels, wherever they are.
#include <future>
#include <optional>

#include "connection.hpp"
#include "connection_fixture.hpp"
#include "control_call.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;
using ::testing::HasSubstr;

const auto kCancelled = FailsWith(VAC_ECANCELED, HasSubstr(": cancelled"));

/// Cancels a call as the host does: first it says so to whoever asks.
void cancel(Link& link, test::FakeHost& host, const vac_call& call) {
  host.cancelled = true;
  link.connection->cancel(call);
}

/// Runs a call on a thread of its own until it sleeps.
class Caller {
 public:
  Caller(Link& link, TestCall& call)
      : link_(link), host_(call.host()), call_(call.call()), thread_([this] {
          sleeper_.is_me();
          result_ = link_.connection->run(call_, host_.table());
        }) {}
  void cancel() { remote::cancel(link_, host_, call_); }
  void wait_until_asleep() { sleeper_.wait_until_asleep(); }
  Status result() {
    thread_.join();
    return *std::move(result_);
  }

 private:
  Link& link_;
  test::FakeHost& host_;
  vac_call& call_;
  Sleeper sleeper_;
  std::optional<Status> result_;
  std::thread thread_;
};

ReceivedFrame expect_cancel(Link& link, const ReceivedFrame& call) {
  ReceivedFrame frame = link.agent.receive();
  EXPECT_EQ(frame.header.kind, wire::Kind::cancel);
  EXPECT_EQ(frame.header.request, call.header.request);
  return frame;
}

TEST(ConnectionCancel, OfACallWhoseThreadReadsComesWithTheAnswerToAPing) {
  Link link;
  NoopCall call;
  std::promise<void> sent;
  Script script(link, [&] {
    const ReceivedFrame frame = link.agent.receive();
    sent.set_value();
    ReceivedFrame ping = link.agent.receive();
    EXPECT_EQ(ping.header.code, static_cast<std::uint32_t>(Control::ping));
    link.agent.reply(ping);
    expect_cancel(link, frame);
  });
  Caller caller(link, call);
  sent.get_future().wait();
  caller.wait_until_asleep();
  caller.cancel();
  EXPECT_THAT(caller.result(), kCancelled);
}

/// The host cancels when it likes: also between its call and the moment when it can be found here.
TEST(ConnectionCancel, ThatCameBeforeTheCallHadItsPlaceIsSeen) {
  Link link;
  NoopCall call;
  cancel(link, call.host(), call.call());
  Script script(link, [&] { expect_cancel(link, link.agent.receive()); });
  EXPECT_THAT(call.run(*link.connection), kCancelled);
}

TEST(ConnectionCancel, OfAFollowerEndsItAtOnce) {
  Link link;
  NoopCall leads;
  NoopCall follows;
  std::promise<void> sent;
  std::optional<ReceivedFrame> first;
  std::optional<ReceivedFrame> second;
  Script script(link, [&] {
    first = link.agent.receive();
    second = link.agent.receive();
    sent.set_value();
  });
  Caller leader(link, leads);
  leader.wait_until_asleep();
  Caller follower(link, follows);
  sent.get_future().wait();
  script.join();
  follower.cancel();
  EXPECT_THAT(follower.result(), kCancelled);
  expect_cancel(link, *second);
  link.agent.reply(*second);  // late: dropped
  link.agent.reply(*first);
  EXPECT_THAT(leader.result(), Succeeds());
}

TEST(ConnectionCancel, OfTheLeaderHandsTheLeadOn) {
  Link link;
  NoopCall leads;
  NoopCall follows;
  std::promise<void> sent;
  Script script(link, [&] {
    const ReceivedFrame first = link.agent.receive();
    ReceivedFrame second = link.agent.receive();
    sent.set_value();
    ReceivedFrame ping = link.agent.receive();
    link.agent.reply(ping);
    expect_cancel(link, first);
    link.agent.reply(second);
  });
  Caller leader(link, leads);
  leader.wait_until_asleep();
  Caller follower(link, follows);
  sent.get_future().wait();
  leader.cancel();
  EXPECT_THAT(leader.result(), kCancelled);
  EXPECT_THAT(follower.result(), Succeeds());
}

TEST(ConnectionCancel, OfACallThatWaitsForAPlaceSendsNothing) {
  Link link({.calls_in_flight = 1});
  NoopCall takes;
  NoopCall waits;
  std::promise<void> sent;
  std::optional<ReceivedFrame> first;
  Script script(link, [&] {
    first = link.agent.receive();
    sent.set_value();
  });
  Caller taker(link, takes);
  sent.get_future().wait();
  script.join();
  Caller waiter(link, waits);
  waiter.wait_until_asleep();
  waiter.cancel();
  EXPECT_THAT(waiter.result(), kCancelled);
  EXPECT_FALSE(link.agent.readable());
  link.agent.reply(*first);
  EXPECT_THAT(taker.result(), Succeeds());
}

/// Calls that nobody waits for, until the pipe takes no more.
void fill_pipe(Link& link) {
  for (bool room = true; room;) {
    NoopCall call(4000);
    call.deadline_in_ms(20);
    room = link.connection->post(call.call());
  }
}

TEST(ConnectionCancel, OfACallThatWaitsForRoomInThePipeSendsNothing) {
  Link link({.buffer_bytes = 65536});
  NoopCall leads;
  NoopCall waits(4000);
  Caller leader(link, leads);
  const ReceivedFrame first = link.agent.receive();
  leader.wait_until_asleep();
  fill_pipe(link);
  Caller waiter(link, waits);
  waiter.wait_until_asleep();
  waiter.cancel();
  EXPECT_THAT(waiter.result(), kCancelled);
  link.agent.close();
  EXPECT_THAT(leader.result(), FailsWith(VAC_EREMOTEIO, HasSubstr("was lost")));
}

TEST(ConnectionCancel, OfACallThatIsHalfSentHasTheGrace) {
  Times times;
  times.grace = 20 * kMillisecondNs;
  Link link({.buffer_bytes = 65536, .times = times});
  NoopCall leads;
  NoopCall half(std::size_t{1} << 20);
  Caller leader(link, leads);
  const ReceivedFrame first = link.agent.receive();
  leader.wait_until_asleep();
  Caller sender(link, half);
  sender.wait_until_asleep();
  sender.cancel();
  const auto given_up = FailsWith(VAC_EREMOTEIO, HasSubstr("was given up"));
  // Whichever thread comes to the end first.
  EXPECT_THAT(sender.result(), ::testing::AnyOf(kCancelled, given_up));
  EXPECT_THAT(leader.result(), given_up);
}

TEST(ConnectionCancel, ReachesTheCallsOnItsBehalf) {
  Link link;
  NoopCall parent;
  std::promise<void> sent;
  Script script(link, [&] {
    const ReceivedFrame frame = link.agent.receive();
    sent.set_value();
    ReceivedFrame ping = link.agent.receive();
    link.agent.reply(ping);
    expect_cancel(link, frame);
  });
  Sleeper sleeper;
  const vac_call& call = parent.call();
  std::thread uploads([&] {
    ControlCall drop(Control::resource_drop, call);
    drop.in_u64(1);
    sleeper.is_me();
    EXPECT_THAT(link.connection->run(drop.call(), nullptr), kCancelled);
  });
  sent.get_future().wait();
  sleeper.wait_until_asleep();
  cancel(link, parent.host(), call);
  uploads.join();
}

TEST(ConnectionCancel, OfACallThatIsDoneDoesNothing) {
  Link link;
  NoopCall call;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    link.agent.reply(frame);
  });
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  script.join();
  cancel(link, call.host(), call.call());
  EXPECT_FALSE(link.agent.readable());
}

}  // namespace
}  // namespace vac::remote
