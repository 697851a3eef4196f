// SPDX-License-Identifier: Apache-2.0
// Agents that end, are killed, or break the protocol.
#include <cstring>
#include <functional>

#include "connection.hpp"
#include "connection_fixture.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;
using ::testing::AllOf;
using ::testing::HasSubstr;

const auto kLost = FailsWith(
    VAC_EREMOTEIO,
    AllOf(HasSubstr("connection to unix:///test was lost (the agent ended or was killed)"),
          HasSubstr("open the session again")));
const auto kBroken =
    FailsWith(VAC_EPROTO, HasSubstr("connection to unix:///test was closed, because the agent "
                                    "broke the protocol"));

constexpr std::size_t kLargeCount = (5U << 20) / sizeof(double);

TEST(ConnectionEnd, OfAnIdleConnectionFailsTheNextCalls) {
  Link link;
  link.agent.close();
  EXPECT_THAT(NoopCall().run(*link.connection),
              AllOf(kLost, FailsWith(VAC_EREMOTEIO, HasSubstr("noop"))));
  EXPECT_TRUE(link.connection->ended());
  EXPECT_THAT(NoopCall().run(*link.connection), kLost);
}

TEST(ConnectionEnd, NamesTheOperationThatWasRunning) {
  Link link;
  Script script(link, [&] {
    (void)link.agent.receive();
    link.agent.close();
  });
  EXPECT_THAT(MinmaxCall().run(*link.connection),
              FailsWith(VAC_EREMOTEIO, HasSubstr(" during minmax: ")));
}

TEST(ConnectionEnd, AnywhereInAReplyFailsTheCall) {
  std::vector<std::byte> reply;
  for (std::size_t bytes = 0; reply.empty() || bytes < reply.size(); bytes += 8) {
    SCOPED_TRACE(bytes);
    Link link;
    Script script(link, [&] {
      ReceivedFrame frame = link.agent.receive();
      reply = link.agent.reply_frames(frame, minmax_answer({1, 2, 3, 4}))[0];
      link.agent.send(std::span(reply).first(bytes));
      link.agent.close();
    });
    EXPECT_THAT(MinmaxCall().run(*link.connection), kLost);
  }
}

TEST(ConnectionEnd, InTheMiddleOfALargeReplyFailsTheCall) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    const auto pieces =
        link.agent.reply_frames(frame, minmax_answer(std::vector<double>(kLargeCount, 1.0)));
    for (std::size_t i = 0; i < 5; ++i) link.agent.send(pieces[i]);
    link.agent.send(std::span(pieces[5]).first(1000));
    link.agent.close();
  });
  EXPECT_THAT(MinmaxCall(kLargeCount).run(*link.connection), kLost);
}

TEST(ConnectionEnd, WhileACallIsSentFailsIt) {
  for (const std::size_t count : {std::size_t{100000}, kLargeCount}) {
    Link link({.buffer_bytes = 65536});
    Script script(link, [&] {
      std::vector<std::byte> part(5000);
      link.agent.receive_bytes(part);
      link.agent.close();
    });
    EXPECT_THAT(MinmaxCall(4, count).run(*link.connection), kLost);
  }
}

TEST(ConnectionEnd, FailsAllWhoWait) {
  for (const std::uint32_t room : {2U, 64U}) {
    Link link({.calls_in_flight = room});
    constexpr std::size_t kThreads = 8;
    Script script(link, [&] {
      for (std::size_t i = 0; i < std::min<std::size_t>(room, kThreads); ++i) {
        (void)link.agent.receive();
      }
      link.agent.close();
    });
    std::vector<std::thread> callers;
    for (std::size_t i = 0; i < kThreads; ++i) {
      callers.emplace_back([&] { EXPECT_THAT(NoopCall().run(*link.connection), kLost); });
    }
    for (std::thread& caller : callers) caller.join();
  }
}

TEST(ConnectionEnd, FailsWhoQueuesBehindAFullPipe) {
  Link link({.buffer_bytes = 65536});
  Sleeper first, second;
  Script script(link, [&] {
    first.wait_until_asleep();
    second.wait_until_asleep();
    link.agent.close();
  });
  std::thread sends([&] {
    MinmaxCall call(4, kLargeCount);
    first.is_me();
    EXPECT_THAT(call.run(*link.connection), kLost);
  });
  first.wait_until_asleep();
  second.is_me();
  EXPECT_THAT(NoopCall().run(*link.connection), kLost);
  sends.join();
}

TEST(ConnectionEnd, DeliversWhatTheAgentAnsweredBefore) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    link.agent.reply(frame, minmax_answer({6}));
    link.agent.close();
  });
  MinmaxCall call;
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  EXPECT_THAT(NoopCall().run(*link.connection), kLost);
}

TEST(ConnectionEnd, TellsTheAgentsGoodbye) {
  Link link;
  link.agent.goodbye(VAC_OK, "the agent is being stopped");
  link.agent.close();
  EXPECT_THAT(NoopCall().run(*link.connection),
              FailsWith(VAC_EREMOTEIO,
                        "the agent at unix:///test ended the connection during noop: the agent is "
                        "being stopped"));
  EXPECT_THAT(NoopCall().run(*link.connection),
              FailsWith(VAC_EREMOTEIO, HasSubstr("before noop: the agent is being stopped")));
}

TEST(ConnectionEnd, IsNotTakenForACallThatStillRuns) {
  Link link;
  link.agent.goodbye(VAC_EINPROGRESS, "strange");
  EXPECT_THAT(NoopCall().run(*link.connection), FailsWith(VAC_EREMOTEIO, HasSubstr("strange")));
}

TEST(ConnectionEnd, TellsWhatTheAgentDidNotLike) {
  Link link;
  Script script(link, [&] {
    (void)link.agent.receive();
    link.agent.goodbye(VAC_EPROTO, "65 calls are in flight");
  });
  EXPECT_THAT(NoopCall().run(*link.connection),
              FailsWith(VAC_EPROTO, HasSubstr("65 calls are in flight")));
}

/// What an agent sends to a minmax call, and should not.
struct Breach {
  const char* name;
  std::function<void(test::ScriptedPeer&, ReceivedFrame&)> commit;
};

/// The good reply to a minmax call with its header, records and the rest open to change.
std::vector<std::byte> changed_reply(
    test::ScriptedPeer& agent, ReceivedFrame& frame,
    const std::function<void(wire::FrameHeader&, vac_arg*)>& change) {
  std::vector<std::byte> reply = agent.reply_frames(frame, minmax_answer({1, 2}))[0];
  wire::FrameHeader header = wire::read_header(reply.data());
  auto* records = reinterpret_cast<vac_arg*>(reply.data() + sizeof header);
  change(header, records);
  std::memcpy(reply.data(), &header, sizeof header);
  return reply;
}

wire::FrameHeader header_of(wire::Kind kind, std::uint64_t request) {
  wire::FrameHeader header;
  header.kind = kind;
  header.request = request;
  return header;
}

std::vector<Breach> breaches() {
  using Peer = test::ScriptedPeer;
  const auto changed = [](const char* name,
                          std::function<void(wire::FrameHeader&, vac_arg*)> change) {
    return Breach{name, [change = std::move(change)](Peer& agent, ReceivedFrame& frame) {
                    agent.send(changed_reply(agent, frame, change));
                  }};
  };
  return {
      {"noise", [](Peer& agent, ReceivedFrame&) { agent.send(std::vector(64, std::byte{0x5a})); }},
      {"a call",
       [](Peer& agent, ReceivedFrame& f) {
         wire::FrameHeader header = header_of(wire::Kind::call, f.header.request);
         header.code = VAC_OP_NOOP;
         agent.send(header);
       }},
      {"another hello", [](Peer& agent, ReceivedFrame&) { agent.send(wire::encode_hello({})); }},
      {"a cancel",
       [](Peer& agent, ReceivedFrame& f) {
         agent.send(header_of(wire::Kind::cancel, f.header.request));
       }},
      {"a reply to no call",
       [](Peer& agent, ReceivedFrame& f) {
         agent.send(header_of(wire::Kind::reply, f.header.request + 1));
       }},
      {"a reply to a call long gone",
       [](Peer& agent, ReceivedFrame& f) {
         agent.send(header_of(wire::Kind::reply, f.header.request + 64));
       }},
      {"data that was not announced",
       [](Peer& agent, ReceivedFrame& f) {
         wire::FrameHeader header = header_of(wire::Kind::data, f.header.request);
         header.payload_bytes = 64;
         agent.send(header);
       }},
      {"more data than announced",
       [](Peer& agent, ReceivedFrame& f) {
         const auto pieces =
             agent.reply_frames(f, minmax_answer(std::vector<double>(kLargeCount - 8, 1.0)));
         for (std::size_t i = 0; i + 1 < pieces.size(); ++i) agent.send(pieces[i]);
         agent.send(pieces[1]);
       }},
      {"two replies to a large call",
       [](Peer& agent, ReceivedFrame& f) {
         const auto pieces =
             agent.reply_frames(f, minmax_answer(std::vector<double>(kLargeCount, 1.0)));
         agent.send(pieces[0]);
         agent.send(pieces[0]);
       }},
      changed("no records", [](wire::FrameHeader& header, vac_arg*) { header.record_count = 0; }),
      changed("a record too many",
              [](wire::FrameHeader& header, vac_arg*) { ++header.record_count; }),
      changed("a record too few",
              [](wire::FrameHeader& header, vac_arg*) { --header.record_count; }),
      changed("another type",
              [](wire::FrameHeader&, vac_arg* records) { records[0].type = VAC_F32; }),
      changed("an input", [](wire::FrameHeader&, vac_arg* records) { records[0].dir = VAC_IN; }),
      changed("a pointer", [](wire::FrameHeader&, vac_arg* records) { records[0].value = 4096; }),
      changed("a size", [](wire::FrameHeader&, vac_arg* records) { records[0].bytes = 1 << 20; }),
      changed("a region", [](wire::FrameHeader&, vac_arg* records) { records[0].where = 3; }),
      changed("payload that nothing lies in",
              [](wire::FrameHeader& header, vac_arg*) { header.payload_bytes += 64; }),
      changed("a frame too large",
              [](wire::FrameHeader& header, vac_arg*) {
                header.flags = wire::kFlagPayloadFollows;
                header.payload_bytes = std::uint64_t{1} << 40;
              }),
  };
}

TEST(ConnectionEnd, ComesWithABreachOfTheProtocol) {
  for (const Breach& breach : breaches()) {
    SCOPED_TRACE(breach.name);
    Link link;
    Script script(link, [&] {
      ReceivedFrame frame = link.agent.receive();
      breach.commit(link.agent, frame);
      EXPECT_TRUE(link.agent.at_end());
    });
    EXPECT_THAT(MinmaxCall(kLargeCount).run(*link.connection), kBroken);
    EXPECT_THAT(NoopCall().run(*link.connection), kBroken);
  }
}

TEST(ConnectionEnd, ComesWithASecondReply) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame first = link.agent.receive();
    ReceivedFrame second = link.agent.receive();
    link.agent.reply(second);
    link.agent.reply(second);
    EXPECT_TRUE(link.agent.at_end());
  });
  NoopCall first, second;
  Place* a = *link.connection->start(first.call(), first.host().table(), Room::wait);
  Place* b = *link.connection->start(second.call(), second.host().table(), Room::wait);
  EXPECT_THAT(link.connection->finish(*a), kBroken);
  EXPECT_THAT(link.connection->finish(*b), Succeeds());
}

TEST(ConnectionEnd, ComesWithStringsThatDoNotFit) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    const std::uint64_t ends[] = {3, 1000};  // of 4 bytes
    std::vector<std::byte> strings(sizeof ends + 4);
    std::memcpy(strings.data(), ends, sizeof ends);
    link.agent.reply(frame,
                     {.outputs = {{.arg = 5, .data = strings, .type = VAC_STRING, .dims = {2}}}});
    EXPECT_TRUE(link.agent.at_end());
  });
  TestCall model(VAC_OP_MODEL_RUN);
  model->resource(nullptr).list(0).list(0).list(0).absent(VAC_BYTE, VAC_IN);
  model->list(VAC_ANY_COUNT, VAC_OUT);
  EXPECT_THAT(model.run(*link.connection), kBroken);
}

TEST(ConnectionEnd, TellsOfALargeReplyThatTheAgentGaveUp) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    const auto pieces =
        link.agent.reply_frames(frame, minmax_answer(std::vector<double>(kLargeCount, 1.0)));
    link.agent.send(pieces[0]);
    link.agent.send(pieces[1]);
    wire::FrameHeader no_more = header_of(wire::Kind::data, frame.header.request);
    no_more.code = VAC_EIO;
    link.agent.send(no_more);
    ReceivedFrame next = link.agent.receive();
    link.agent.reply(next);
  });
  EXPECT_THAT(MinmaxCall(kLargeCount).run(*link.connection),
              FailsWith(VAC_EIO, HasSubstr("minmax")));
  EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
}

}  // namespace
}  // namespace vac::remote
