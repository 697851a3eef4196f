// SPDX-License-Identifier: Apache-2.0
// What one thread sees of a connection whose agent keeps to the protocol.
#include "connection.hpp"

#include <array>
#include <numeric>

#include "connection_fixture.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;
using ::testing::HasSubstr;

constexpr std::size_t kLargeCount = (5U << 20) / sizeof(double);  // more than fits into one frame

std::vector<double> numbered(std::size_t count) {
  std::vector<double> values(count);
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

TEST(Connection, BringsOutputsAndTimesOfAReply) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    EXPECT_EQ(frame.op->id, static_cast<std::uint32_t>(VAC_OP_MINMAX));
    EXPECT_EQ(frame.scalar(1), 1u);
    EXPECT_EQ(frame.header.detail, 0u);
    auto answer = minmax_answer({3, 4});
    answer.queue_us = 11;
    answer.plugin_us = 22;
    answer.agent_us = 33;
    link.agent.reply(frame, answer);
  });
  MinmaxCall call;
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  EXPECT_EQ(call.result_bytes(), 16u);
  EXPECT_EQ(call.result, (std::vector<double>{3, 4, 0, 0}));
  EXPECT_EQ(call.scalar(MinmaxCall::kMin), -1.0);
  EXPECT_EQ(call.scalar(MinmaxCall::kMax), 9.0);
  EXPECT_EQ(call.call().queue_us, 11u);
  EXPECT_EQ(call.call().plugin_us, 22u);
  EXPECT_EQ(call.call().agent_us, 33u);
}

TEST(Connection, CallsOneAfterTheOtherOnOnePlace) {
  Link link;
  Script script(link, [&] {
    std::uint64_t last = 0;
    while (auto frame = link.agent.receive_or_end()) {
      EXPECT_GT(frame->header.request, last);
      last = frame->header.request;
      link.agent.reply(*frame);
    }
  });
  for (int i = 0; i < 100; ++i) EXPECT_THAT(NoopCall(100).run(*link.connection), Succeeds());
  link.connection.reset();
}

TEST(Connection, FillsTensorsThroughTheHostAndInoutsInPlace) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();  // sgemm: inout c
    link.agent.reply(frame, {.outputs = {{.arg = 9, .data = std::vector(16, std::byte{7})}}});
    frame = link.agent.receive();  // model_run
    link.agent.reply(frame, {.outputs = {{.arg = 5,
                                          .child = 0,
                                          .data = std::vector(80, std::byte{1}),
                                          .type = VAC_F32,
                                          .dims = {4, 5}},
                                         {.arg = 5, .child = 1, .type = VAC_I64, .dims = {0}}}});
  });
  std::array<float, 4> a{}, b{}, c{};
  TestCall sgemm(VAC_OP_SGEMM);
  sgemm->scalar(VAC_I64, 2).scalar(VAC_I64, 2).scalar(VAC_I64, 2).scalar(VAC_F32, 0);
  sgemm->array(VAC_F32, a.data(), 16).scalar(VAC_I64, 2).array(VAC_F32, b.data(), 16);
  sgemm->scalar(VAC_I64, 2).scalar(VAC_F32, 0).array(VAC_F32, c.data(), 16, VAC_INOUT);
  sgemm->scalar(VAC_I64, 2);
  EXPECT_THAT(sgemm.run(*link.connection), Succeeds());
  const auto c_bytes = std::as_bytes(std::span(c));
  EXPECT_EQ(std::vector(c_bytes.begin(), c_bytes.end()), std::vector(16, std::byte{7}));

  TestCall model(VAC_OP_MODEL_RUN);
  model->resource(nullptr).list(0).list(0).list(0).absent(VAC_BYTE, VAC_IN);
  model->list(VAC_ANY_COUNT, VAC_OUT);
  EXPECT_THAT(model.run(*link.connection), Succeeds());
  ASSERT_EQ(model.host().outputs.size(), 2u);
  const test::GivenOutput& first = model.host().outputs.at({5, 0});
  EXPECT_EQ(first.type, VAC_F32);
  EXPECT_EQ(first.dims, (std::vector<std::int64_t>{4, 5}));
  EXPECT_EQ(first.data, std::vector(80, std::byte{1}));
  EXPECT_TRUE(model.host().outputs.at({5, 1}).data.empty());
}

TEST(Connection, GivesAnOutputThatIsTooLargeToTheHost) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    link.agent.reply(frame, minmax_answer(numbered(1000)));
  });
  MinmaxCall call(4);
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  EXPECT_EQ(call.host().outputs.at({MinmaxCall::kResult, 0}).data, bytes_of(numbered(1000)));
  EXPECT_EQ(call.result, std::vector<double>(4));
}

TEST(Connection, GoesOnAfterAnOutputThatThereIsNoMemoryFor) {
  Link link;
  Script script(link, [&] {
    for (const std::size_t count : {std::size_t{100000}, kLargeCount, std::size_t{2}}) {
      ReceivedFrame frame = link.agent.receive();
      link.agent.reply(frame, minmax_answer(numbered(count)));
    }
  });
  for (int i = 0; i < 2; ++i) {
    MinmaxCall refused(4);
    refused.host().out_of_memory = true;
    EXPECT_THAT(refused.run(*link.connection), FailsWith(VAC_ENOMEM, HasSubstr("result")));
  }
  MinmaxCall call;
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  EXPECT_EQ(call.result_bytes(), 16u);
}

TEST(Connection, TellsTheAgentsErrorAsItIs) {
  Link link;
  Script script(link, [&] {
    link.agent.fail(link.agent.receive().header.request, VAC_EINVAL, 77, "noop: no, thanks");
    link.agent.fail(link.agent.receive().header.request, VAC_ENOTSUP, 0, "");
    link.agent.fail(link.agent.receive().header.request, VAC_EINPROGRESS, 0, "strange");
  });
  const Status first = NoopCall().run(*link.connection);
  EXPECT_THAT(first, FailsWith(VAC_EINVAL, "noop: no, thanks"));
  EXPECT_EQ(first.error().detail(), 77u);
  EXPECT_THAT(NoopCall().run(*link.connection), FailsWith(VAC_ENOTSUP, "noop: not supported"));
  EXPECT_THAT(NoopCall().run(*link.connection), FailsWith(VAC_EIO, "strange"));
}

TEST(Connection, RefusesAnOperationThatIsNone) {
  Link link;
  EXPECT_THAT(TestCall(31).run(*link.connection), FailsWith(VAC_ENOTSUP, HasSubstr("31")));
}

TEST(Connection, TakesRepliesInAnyOrder) {
  Link link;
  Script script(link, [&] {
    std::vector<ReceivedFrame> frames;
    for (int i = 0; i < 3; ++i) frames.push_back(link.agent.receive());
    for (const std::size_t i : {1, 2, 0}) {
      link.agent.reply(frames[i], minmax_answer({static_cast<double>(i)}));
    }
  });
  std::array<MinmaxCall, 3> calls;
  std::vector<Place*> places;
  for (MinmaxCall& call : calls) {
    places.push_back(*link.connection->start(call.call(), call.host().table(), Room::wait));
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_THAT(link.connection->finish(*places[i]), Succeeds());
    EXPECT_EQ(calls[i].result[0], static_cast<double>(i));
  }
}

TEST(Connection, SendsAndReceivesLargePayloadsInPieces) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    EXPECT_TRUE((frame.header.flags & wire::kFlagPayloadFollows) != 0);
    const auto data = frame.data(0);
    link.agent.reply(
        frame,
        {.outputs = {{.arg = MinmaxCall::kResult, .data = std::vector(data.begin(), data.end())}}});
  });
  MinmaxCall call(kLargeCount, kLargeCount);
  call.data = numbered(kLargeCount);
  call->record(0).value = reinterpret_cast<std::uintptr_t>(call.data.data());
  EXPECT_THAT(call.run(*link.connection), Succeeds());
  EXPECT_EQ(call.result, call.data);
}

TEST(Connection, TakesOtherRepliesBetweenThePiecesOfALargeOne) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame large = link.agent.receive();
    ReceivedFrame small = link.agent.receive();
    const auto pieces = link.agent.reply_frames(large, minmax_answer(numbered(kLargeCount)));
    const auto whole = link.agent.reply_frames(small, minmax_answer({5}));
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      link.agent.send(pieces[i]);
      if (i == 3) link.agent.send(whole.at(0));
    }
  });
  MinmaxCall large(kLargeCount), small;
  Place* first = *link.connection->start(large.call(), large.host().table(), Room::wait);
  EXPECT_THAT(small.run(*link.connection), Succeeds());
  EXPECT_EQ(small.result[0], 5.0);
  EXPECT_THAT(link.connection->finish(*first), Succeeds());
  EXPECT_EQ(large.result, numbered(kLargeCount));
}

TEST(Connection, StopsALargePayloadThatIsAnsweredEarly) {
  Link link({.buffer_bytes = 65536});
  Script script(link, [&] {
    const ReceivedFrame head = link.agent.receive_one();
    link.agent.fail(head.header.request, VAC_ENOSPC, 0, "minmax: no room");
    // The pipe is full, so that the client waits, and finds the answer.
    link.agent.wait_until_read();
    for (std::size_t pieces = 0;; ++pieces) {
      const ReceivedFrame piece = link.agent.receive_one();
      ASSERT_EQ(piece.header.kind, wire::Kind::data);
      ASSERT_EQ(piece.header.request, head.header.request);
      if (piece.header.code == VAC_OK) continue;
      EXPECT_LT(pieces, 20u);
      break;
    }
    ReceivedFrame next = link.agent.receive();
    link.agent.reply(next);
  });
  MinmaxCall large(4, kLargeCount);
  EXPECT_THAT(large.run(*link.connection), FailsWith(VAC_ENOSPC, "minmax: no room"));
  EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
}

TEST(Connection, FindsAnEarlyAnswerThoughThePipeTakesEverything) {
  Link link;
  // Of the first call: there before the call is, so that it needs no luck to find it.
  constexpr std::uint64_t kFirstRequest = wire::kMaxCallsInFlight;
  link.agent.fail(kFirstRequest, VAC_ENOSPC, 0, "minmax: no room");
  Script script(link, [&] {
    const ReceivedFrame head = link.agent.receive_one();
    EXPECT_EQ(head.header.request, kFirstRequest);
    const ReceivedFrame end = link.agent.receive_one();
    EXPECT_EQ(end.header.kind, wire::Kind::data);
    EXPECT_EQ(end.header.code, static_cast<std::uint32_t>(VAC_ECANCELED));
  });
  MinmaxCall large(4, kLargeCount);
  EXPECT_THAT(large.run(*link.connection), FailsWith(VAC_ENOSPC, "minmax: no room"));
}

TEST(Connection, DropsTheReplyOfAPostedCall) {
  Link link;
  Script script(link, [&] {
    ReceivedFrame posted = link.agent.receive();
    ReceivedFrame call = link.agent.receive();
    link.agent.reply(posted, minmax_answer(numbered(kLargeCount)));
    link.agent.reply(call);
  });
  {
    MinmaxCall posted;
    EXPECT_TRUE(link.connection->post(posted.call()));
  }
  EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
}

TEST(Connection, HasNoRoomForMoreCallsThanAgreed) {
  Link link({.calls_in_flight = 1});
  Script script(link, [&] {
    ReceivedFrame frame = link.agent.receive();
    link.agent.reply(frame);
  });
  NoopCall first, second;
  Place* place = *link.connection->start(first.call(), first.host().table(), Room::wait);
  const auto refused =
      link.connection->start(second.call(), second.host().table(), Room::only_if_free);
  ASSERT_TRUE(refused);
  EXPECT_EQ(*refused, nullptr);
  EXPECT_THAT(link.connection->finish(*place), Succeeds());
}

TEST(Connection, SaysGoodbyeAtItsEnd) {
  Link link;
  link.connection.reset();
  EXPECT_EQ(link.agent.receive().header.kind, wire::Kind::goodbye);
  EXPECT_TRUE(link.agent.at_end());
}

TEST(Connection, RefusesACallThatIsTooLargeForTheAgent) {
  auto pair = test::make_channel_pair();
  wire::Hello agreed;
  agreed.largest_frame = 4096;
  auto connection = *Connection::create(std::move(pair.client), "unix:///test", agreed);
  EXPECT_THAT(NoopCall(5000).run(*connection), FailsWith(VAC_EMSGSIZE, HasSubstr("noop")));
}

}  // namespace
}  // namespace vac::remote
