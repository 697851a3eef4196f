// SPDX-License-Identifier: Apache-2.0
// What a real agent answers to single clients, frame by frame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/json_text.hpp"
#include "support/agent_process.hpp"
#include "support/process_state.hpp"
#include "support/raw_client.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::RawClient;
using test::RawFrame;
using test::RawReply;
using testing::HasSubstr;

constexpr std::uint32_t kPing = 1;

std::uint32_t op(const char* name) { return find_op(name)->id; }

BuiltCall noop(std::string_view data = "hello") {
  BuiltCall call(op("noop"));
  call.bytes(data);
  return call;
}

/// One agent for all tests of this file: what one client does must not matter to the next.
class AgentProtocol : public testing::Test {
 protected:
  static void SetUpTestSuite() { agent = new test::AgentProcess({"--plugin", "noop"}); }
  static void TearDownTestSuite() {
    EXPECT_EQ(agent->stop(), 0) << agent->log();
    delete agent;
    agent = nullptr;
  }
  void TearDown() override {  // whatever happened, others are served
    BuiltCall call = noop();
    EXPECT_EQ(RawClient::greeted(agent->address()).run(call).code(), VAC_OK);
  }
  static RawClient greeted() { return RawClient::greeted(agent->address()); }
  static RawClient stranger() { return RawClient(agent->address()); }
  /// The agent's last words, after which the stream must end.
  static std::string last_words(RawClient& client) {
    const std::optional<RawFrame> frame = client.receive_or_end();
    if (!frame) return "(nothing)";
    EXPECT_EQ(frame->header.kind, wire::Kind::goodbye);
    EXPECT_FALSE(client.receive_or_end());
    return frame->text();
  }

  static test::AgentProcess* agent;
};
test::AgentProcess* AgentProtocol::agent = nullptr;

TEST_F(AgentProtocol, AnswersHelloWithItsLimits) {
  RawClient client = stranger();
  const wire::Hello hello = client.greet();
  EXPECT_EQ(hello.version_max, wire::kVersion);
  EXPECT_EQ(hello.calls_in_flight, 64U);
  EXPECT_EQ(hello.largest_frame, 4ULL << 30);
  EXPECT_THAT(hello.client_name, HasSubstr("vaccel-agent"));
}

TEST_F(AgentProtocol, RunsAQuickCallAndTellsItsTimes) {
  RawClient client = greeted();
  BuiltCall call = noop();
  for (int i = 0; i < 100; ++i) {
    const RawReply reply = client.run(call);
    ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
    EXPECT_LE(reply.header().plugin_us, reply.header().agent_us);
  }
}

TEST_F(AgentProtocol, RunsACallOnAnotherThread) {
  RawClient client = greeted();
  BuiltCall call(op("minmax"));
  call.array(VAC_F64, std::vector<double>{3, 1, 2}).scalar(VAC_I32, 0).scalar(VAC_I32, 9);
  call.out_array(VAC_F64, VAC_ANY_BYTES).out_scalar(VAC_F64).out_scalar(VAC_F64);
  const RawReply first = client.run(call);
  ASSERT_EQ(first.code(), VAC_OK) << first.text();
  const RawReply second = client.run(call);
  EXPECT_EQ(first.scalar(4), second.scalar(4));
  EXPECT_TRUE(std::ranges::equal(first.data(3), second.data(3)));
}

TEST_F(AgentProtocol, AnswersManyCallsOfOneSendInOrder) {
  RawClient client = greeted();
  BuiltCall call = noop();
  std::vector<std::byte> all;
  for (std::uint64_t request = 1; request <= 500; ++request) {
    const auto bytes = RawClient::call_bytes(call, request);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  client.send(all);
  for (std::uint64_t request = 1; request <= 500; ++request) {
    const RawFrame reply = client.receive();
    ASSERT_EQ(reply.header.request, request);
    ASSERT_EQ(reply.code(), VAC_OK);
  }
}

TEST_F(AgentProtocol, TakesFramesInPiecesOfAnySize) {
  RawClient client = greeted();
  BuiltCall call = noop(std::string(300, 'x'));
  const auto bytes = RawClient::call_bytes(call, 1);
  for (const std::byte& byte : bytes) client.send(std::span(&byte, 1));
  EXPECT_EQ(client.receive().code(), VAC_OK);
}

TEST_F(AgentProtocol, TakesAndGivesPayloadsOfAnySize) {
  RawClient client = greeted();
  for (const std::size_t size : {0UL, 1UL, 16'000UL, 600'000UL, (4UL << 20) + 1, 9'000'000UL}) {
    BuiltCall call(op("fpga_arraycopy"));
    std::vector<std::int32_t> numbers(size / 4, 7);
    call.array(VAC_I32, numbers).out_array(VAC_I32, VAC_ANY_BYTES);
    const RawReply reply = client.run(call);
    ASSERT_EQ(reply.code(), VAC_OK) << size << " " << reply.text();
    BuiltCall small = noop();
    EXPECT_EQ(client.run(small).code(), VAC_OK);
  }
}

TEST_F(AgentProtocol, LetsOtherCallsPassWhileALargePayloadArrives) {
  RawClient client = greeted();
  BuiltCall large = noop(std::string(5 << 20, 'x'));
  const auto bytes = RawClient::call_bytes(large, 1);
  const std::size_t some = 3 << 20;  // in the middle of a data frame is no place for another frame
  std::size_t cut = wire::frame_bytes(wire::read_header(bytes.data()));
  while (cut < some) cut += wire::frame_bytes(wire::read_header(bytes.data() + cut));
  client.send(std::span(bytes).first(cut));
  BuiltCall small = noop();
  client.send(RawClient::call_bytes(small, 2));
  EXPECT_EQ(client.receive().header.request, 2U);
  client.send(std::span(bytes).subspan(cut));
  const RawFrame reply = client.receive();
  EXPECT_EQ(reply.header.request, 1U);
  EXPECT_EQ(reply.code(), VAC_OK);
}

TEST_F(AgentProtocol, CancelEndsACallWhosePayloadIsStillComing) {
  RawClient client = greeted();
  BuiltCall large = noop(std::string(5 << 20, 'x'));
  const auto bytes = RawClient::call_bytes(large, 1);
  const std::size_t head = wire::frame_bytes(wire::read_header(bytes.data()));
  client.send(std::span(bytes).first(head));
  client.cancel(1);
  const RawFrame reply = client.receive();
  EXPECT_EQ(reply.code(), VAC_ECANCELED);
  client.send(std::span(bytes).subspan(head));  // it was on its way: thrown away
  client.cancel(1);                             // of a call that is answered: ignored
  BuiltCall small = noop();
  client.send(RawClient::call_bytes(small, 2));
  EXPECT_EQ(client.receive().code(), VAC_OK);
}

TEST_F(AgentProtocol, AnswersACallWhoseDataTheClientEnds) {
  RawClient client = greeted();
  BuiltCall large = noop(std::string(5 << 20, 'x'));
  const auto bytes = RawClient::call_bytes(large, 1);
  client.send(std::span(bytes).first(wire::frame_bytes(wire::read_header(bytes.data()))));
  wire::FrameHeader end;
  end.kind = wire::Kind::data;
  end.request = 1;
  end.code = VAC_EIO;
  client.send(end);
  EXPECT_EQ(client.receive().code(), VAC_ECANCELED);
}

TEST_F(AgentProtocol, RefusesDataThatWasNotAnnounced) {
  RawClient client = greeted();
  BuiltCall call = noop();
  EXPECT_EQ(client.run(call).code(), VAC_OK);
  wire::FrameHeader data;
  data.kind = wire::Kind::data;
  data.request = 1;
  data.payload_bytes = 64;
  client.send(data);
  EXPECT_THAT(last_words(client), HasSubstr("announced none"));
}

TEST_F(AgentProtocol, RefusesMoreDataThanWasAnnounced) {
  RawClient client = greeted();
  BuiltCall large = noop(std::string((4 << 20) + 64, 'x'));
  auto bytes = RawClient::call_bytes(large, 1);
  wire::FrameHeader data;
  data.kind = wire::Kind::data;
  data.request = 1;
  data.payload_bytes = wire::kMaxDataPayload;
  const std::size_t head = wire::frame_bytes(wire::read_header(bytes.data()));
  client.send(std::span(bytes).first(head));
  std::vector<std::byte> piece(sizeof data + wire::kMaxDataPayload);
  std::memcpy(piece.data(), &data, sizeof data);
  for (int i = 0; i < 16; ++i) client.send(piece);
  client.send(data);
  EXPECT_THAT(last_words(client), HasSubstr("more data"));
}

TEST_F(AgentProtocol, AnswersAnUnknownOperationByItsNumber) {
  RawClient client = greeted();
  BuiltCall call = noop();
  auto bytes = RawClient::call_bytes(call, 1);
  wire::FrameHeader header = wire::read_header(bytes.data());
  header.code = 9876;
  std::memcpy(bytes.data(), &header, sizeof header);
  client.send(bytes);
  const RawFrame reply = client.receive();
  EXPECT_EQ(reply.code(), VAC_ENOTSUP);
  EXPECT_THAT(reply.text(), HasSubstr("9876"));
  client.send(RawClient::call_bytes(call, 2));
  EXPECT_EQ(client.receive().code(), VAC_OK);
}

TEST_F(AgentProtocol, AnswersMalformedRecordsAndGoesOn) {
  RawClient client = greeted();
  BuiltCall call = noop();
  auto bytes = RawClient::call_bytes(call, 1);
  bytes[sizeof(wire::FrameHeader)] = std::byte{200};  // the type of the first record
  client.send(bytes);
  const RawFrame reply = client.receive();
  EXPECT_EQ(reply.code(), VAC_EINVAL);
  EXPECT_THAT(reply.text(), HasSubstr("noop"));
  client.send(RawClient::call_bytes(call, 2));
  EXPECT_EQ(client.receive().code(), VAC_OK);
}

TEST_F(AgentProtocol, RefusesAMalformedHeaderWithAGoodbye) {
  RawClient client = greeted();
  wire::FrameHeader header;
  header.kind = static_cast<wire::Kind>(77);
  header.request = 1;
  client.send(header);
  EXPECT_THAT(last_words(client), HasSubstr("unknown kind 77"));
}

TEST_F(AgentProtocol, RefusesAnotherVersionReadably) {
  RawClient client = stranger();
  wire::Hello hello;
  hello.version_min = hello.version_max = 99;
  client.send(wire::encode_hello(hello));
  const std::string words = last_words(client);
  EXPECT_THAT(words, HasSubstr("version"));
  EXPECT_THAT(words, HasSubstr("99"));
}

TEST_F(AgentProtocol, RefusesACallBeforeHello) {
  RawClient client = stranger();
  BuiltCall call = noop();
  client.send(RawClient::call_bytes(call, 1));
  EXPECT_THAT(last_words(client), HasSubstr("hello"));
}

TEST_F(AgentProtocol, RefusesASecondHelloAndAReply) {
  RawClient twice = greeted();
  twice.send(wire::encode_hello({}));
  EXPECT_THAT(last_words(twice), HasSubstr("twice"));
  RawClient replies = greeted();
  wire::FrameHeader header;
  header.kind = wire::Kind::reply;
  header.request = 1;
  replies.send(header);
  EXPECT_THAT(last_words(replies), HasSubstr("reply"));
}

TEST_F(AgentProtocol, RefusesNumbersThatDoNotGrowAndCancelsOfCallsNeverMade) {
  RawClient same = greeted();
  BuiltCall call = noop();
  same.send(RawClient::call_bytes(call, 5));
  EXPECT_EQ(same.receive().code(), VAC_OK);
  same.send(RawClient::call_bytes(call, 5));
  EXPECT_THAT(last_words(same), HasSubstr("number 5"));
  RawClient early = greeted();
  early.cancel(3);
  EXPECT_THAT(last_words(early), HasSubstr("cancelled call 3"));
}

TEST_F(AgentProtocol, TellsAnHttpClientWhatItHasFound) {
  RawClient client = stranger();
  client.send("GET / HTTP/1.1\r\n\r\n");
  const std::string answer = client.receive_all();
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer, HasSubstr("not an HTTP server"));
  RawClient other = stranger();
  other.send("SSH");
  EXPECT_THAT(other.receive_all(), HasSubstr("vaccel-agent"));
}

TEST_F(AgentProtocol, LetsAClientSayGoodbyeInSilence) {
  RawClient client = greeted();
  wire::FrameEncoder goodbye;
  goodbye.encode_goodbye(VAC_OK, "done");
  std::vector<std::byte> bytes;
  test::append(bytes, goodbye.frame());
  client.send(bytes);
  EXPECT_FALSE(client.receive_or_end());
}

TEST_F(AgentProtocol, GivesAClientTwoSecondsForItsHello) {
  RawClient silent = stranger();
  EXPECT_THAT(last_words(silent), HasSubstr("2 s"));
}

TEST_F(AgentProtocol, AnswersPing) {
  RawClient client = greeted();
  BuiltCall ping(kPing);
  EXPECT_EQ(client.run(ping).code(), VAC_OK);
}

JsonValue describe(RawClient& client) {
  BuiltCall info(op("info"));
  info.out_array(VAC_CHAR, VAC_ANY_BYTES);
  const RawReply reply = client.run(info);
  EXPECT_EQ(reply.code(), VAC_OK) << reply.text();
  const auto data = reply.data(0);
  return parse_json({reinterpret_cast<const char*>(data.data()), data.size()}).value();
}

TEST_F(AgentProtocol, TakesAdviceOnWhereTheClientCalls) {
  RawClient client = greeted();
  const auto tell = [&](std::uint32_t processor) {
    BuiltCall call(op("caller_processor"));
    call.scalar(VAC_U32, processor);
    return client.run(call);
  };
  // None that this machine has, which the agent finds out when it tries to follow.
  for (const std::uint32_t processor : {0U, 65535U}) {
    EXPECT_EQ(tell(processor).code(), VAC_OK);
    for (int i = 0; i < 200; ++i) {
      BuiltCall ping(kPing);
      EXPECT_EQ(client.run(ping).code(), VAC_OK);
    }
  }
  const RawReply refused = tell(65536);
  EXPECT_EQ(refused.code(), VAC_EINVAL);
  EXPECT_THAT(refused.text(), HasSubstr("there is no processor 65536"));
}

TEST_F(AgentProtocol, DescribesItselfAsJson) {
  RawClient client = greeted();
  const JsonValue json = describe(client);
  EXPECT_EQ(*json.find("plugins")->items().at(0).find("name")->as_string(), "noop");
  EXPECT_THAT(*json.find("tenant")->as_string(), HasSubstr("uid"));
  EXPECT_EQ(json.find("agent")->find("protocol")->as_i64(), 1);
  EXPECT_EQ(json.find("limits")->find("calls_in_flight")->as_i64(), 64);
  // Those of the tests before are gone as soon as the agent has noticed.
  EXPECT_TRUE(test::eventually([&] { return describe(client).find("sessions")->as_i64() == 1; }));
}

}  // namespace
}  // namespace vac
