// SPDX-License-Identifier: Apache-2.0
#include "handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "support/scripted_agent.hpp"

namespace vac::remote {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr milliseconds kLong{10000};
constexpr const char* kAddress = "unix:///test";

struct Handshake {
  test::ChannelPair ends = test::make_channel_pair();
  test::ScriptedPeer agent{std::move(ends.agent)};

  Result<wire::Hello> shake(milliseconds timeout = kLong, const wire::Hello& ours = {}) {
    return shake_hands(*ends.client, ours, kAddress, timeout);
  }
  void say(std::string_view text) { agent.send(std::as_bytes(std::span(text))); }
};

TEST(Handshake, AgreesOnTheLowerLimits) {
  Handshake handshake;
  wire::Hello theirs;
  theirs.calls_in_flight = 8;
  theirs.largest_frame = 1 << 20;
  handshake.agent.send(wire::encode_hello(theirs));
  wire::Hello ours;
  ours.client_name = "camera";
  const auto agreed = handshake.shake(kLong, ours);
  ASSERT_TRUE(agreed) << agreed.error().message();
  EXPECT_EQ(agreed->calls_in_flight, 8u);
  EXPECT_EQ(agreed->largest_frame, 1u << 20);
  EXPECT_EQ(handshake.agent.greet().client_name, "camera");
}

TEST(Handshake, TellsWhyTheAgentRefuses) {
  Handshake handshake;
  handshake.agent.goodbye(VAC_EACCES, "uid 1000 is not allowed here");
  const auto agreed = handshake.shake();
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::access_denied);
  EXPECT_EQ(agreed.error().text(),
            "open unix:///test: the agent refuses: uid 1000 is not allowed here");
}

TEST(Handshake, TakesNoRefusalForSomethingElse) {
  Handshake handshake;
  handshake.agent.goodbye(VAC_EINPROGRESS, "strange");
  const auto agreed = handshake.shake();
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::connection_refused);
}

TEST(Handshake, RefusesAnotherVersion) {
  Handshake handshake;
  wire::Hello theirs;
  theirs.version_min = theirs.version_max = wire::kVersion + 1;
  handshake.agent.send(wire::encode_hello(theirs));
  const auto agreed = handshake.shake();
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::protocol);
  EXPECT_THAT(agreed.error().text(), HasSubstr("open unix:///test: no common version"));
}

TEST(Handshake, SaysThatAnotherServerListensThere) {
  Handshake handshake;
  handshake.say("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nno");
  const auto agreed = handshake.shake();
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::protocol);
  EXPECT_THAT(agreed.error().text(),
              AllOf(HasSubstr("open unix:///test"), HasSubstr("is it vaccel-agent")));
}

TEST(Handshake, RefusesAFrameThatIsNoHello) {
  Handshake handshake;
  wire::FrameHeader reply;
  reply.kind = wire::Kind::reply;
  reply.request = 1;
  handshake.agent.send(reply);
  const auto agreed = handshake.shake();
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::protocol);
}

TEST(Handshake, SaysThatTheConnectionWasClosedAtOnce) {
  Handshake handshake;
  handshake.agent.close();
  const auto agreed = handshake.shake();
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::connection_reset);
  EXPECT_THAT(agreed.error().text(), HasSubstr("closed the connection"));
}

TEST(Handshake, GivesUpOnASilentPeer) {
  Handshake handshake;
  const auto agreed = handshake.shake(milliseconds(20));
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::timed_out);
}

TEST(Handshake, GivesUpOnAPeerThatStopsInTheMiddle) {
  Handshake handshake;
  const auto hello = wire::encode_hello({});
  handshake.agent.send(std::span(hello).first(hello.size() - 8));
  const auto agreed = handshake.shake(milliseconds(20));
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().code(), Errc::timed_out);
}

}  // namespace
}  // namespace vac::remote
