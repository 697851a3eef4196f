// SPDX-License-Identifier: Apache-2.0
#include "agent/writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "agent/clock.hpp"
#include "agent/connection.hpp"
#include "support/scripted_agent.hpp"

namespace vac::agent {
namespace {

using Outcome = Writer::Outcome;

/// Both ends of a pipe that takes little, and a writer at one of them.
class WriterTest : public testing::Test {
 protected:
  WriterTest() : pair_(test::make_channel_pair(4096)), writer_(*pair_.agent) {}

  Outcome send(std::string text) {
    iovec part{text.data(), text.size()};
    return writer_.send({&part, 1});
  }
  /// A reply whose first output array has that many bytes.
  TaskPtr long_reply(std::uint64_t request, std::size_t bytes) {
    TaskPtr task = tasks_.get();
    task->op = find_op("resource_read");
    task->request = request;
    task->frame = Block::get(slabs_, account_, 4096);
    task->outputs.begin(account_);
    void* data = task->outputs.output(task->call, 3, 0, bytes, VAC_BYTE, 0, nullptr);
    std::memset(data, static_cast<int>('0' + request), bytes);
    std::vector<vac_arg>& args = records_[request];
    args.assign(4, {});
    args[0] = {VAC_U64, VAC_SCALAR, VAC_IN, 0, 0, 0, 0, 0, 0};
    args[1] = {VAC_U32, VAC_SCALAR, VAC_IN, 0, 0, 0, 0, 0, 0};
    args[2] = args[0];
    args[3] = {VAC_BYTE, VAC_ARRAY, VAC_OUT, 0, VAC_WHERE_NOWHERE, 0, VAC_ANY_BYTES, 0, 0};
    task->call.op = task->op->id;
    task->call.args = args.data();
    task->call.arg_count = 4;
    const Status encoded = task->reply.encode_reply(*task->op, task->call, task->outputs.outputs(),
                                                    request, 0, UINT64_MAX / 2);
    EXPECT_TRUE(encoded);
    return task;
  }
  /// Reads what is there.
  std::string read() {
    std::string text(1 << 20, '\0');
    const auto count =
        pair_.client->receive(std::as_writable_bytes(std::span(text)), transport::Wait::now);
    text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return text;
  }
  /// Reads and flushes in turns until nothing is left.
  std::string read_all() {
    std::string all = read();
    while (writer_.pending()) {
      Writer::Flushed flushed = writer_.flush();
      EXPECT_NE(flushed.outcome, Outcome::broken);
      for (TaskPtr& task : flushed.released) released_.push_back(std::move(task));
      all += read();
    }
    return all += read();
  }

  SlabPool slabs_;
  MemoryAccount account_{1ULL << 30};
  TaskPool tasks_{slabs_};
  test::ChannelPair pair_;
  Writer writer_;
  std::map<std::uint64_t, std::vector<vac_arg>> records_;
  std::vector<TaskPtr> released_;
};

TEST_F(WriterTest, GivesUpAPeerThatCallsAndTakesNoAnswers) {
  const std::string answer(1 << 20, 'a');
  std::size_t sent = 0;
  while (send(answer) != Outcome::overrun) {
    sent += answer.size();
    ASSERT_LT(sent, 2 * Writer::kMostCopied);
  }
  EXPECT_GE(sent, Writer::kMostCopied - answer.size());
}

TEST_F(WriterTest, SendsAtOnceWhatThePipeTakes) {
  EXPECT_EQ(send("hello"), Outcome::done);
  EXPECT_FALSE(writer_.pending());
  EXPECT_EQ(read(), "hello");
}

TEST_F(WriterTest, CopiesAndKeepsInOrderWhatThePipeDoesNotTake) {
  std::string wanted;
  bool armed = false;
  for (int i = 0; i < 200; ++i) {
    const std::string text(1000, static_cast<char>('a' + i % 26));
    const Outcome outcome = send(text);
    ASSERT_NE(outcome, Outcome::broken);
    EXPECT_FALSE(armed && outcome == Outcome::arm) << "armed twice";
    armed = armed || outcome == Outcome::arm;
    wanted += text;
  }
  EXPECT_TRUE(armed);
  EXPECT_EQ(read_all(), wanted);
}

TEST_F(WriterTest, LetsSmallFramesPassBetweenThePiecesOfLongReplies) {
  TaskPtr first = long_reply(1, 6 << 20);
  TaskPtr second = long_reply(2, 6 << 20);
  (void)writer_.send(first);
  (void)writer_.send(second);
  EXPECT_EQ(first, nullptr);
  (void)send(std::string(64, 'S'));
  const std::string all = read_all();
  const std::size_t small = all.find(std::string(64, 'S'));
  ASSERT_NE(small, std::string::npos);
  EXPECT_LT(small, 1U << 20);
  // Their data frames alternate.
  EXPECT_LT(all.find("2222"), all.rfind("1111"));
  const long difference = std::ranges::count(all, '1') - std::ranges::count(all, '2');
  EXPECT_LT(std::abs(difference), 1000) << "but for the heads";
}

/// The reply of a descriptor, in whatever state the pipe is.
class WriterOfDescriptors : public WriterTest {
 protected:
  WriterOfDescriptors() { pair_.client->accept_descriptors(true); }
  TaskPtr reply_with_descriptor(std::uint64_t request) {
    TaskPtr task = long_reply(request, 100);
    task->descriptor.reset(::memfd_create("test", MFD_CLOEXEC));
    return task;
  }
  void expect_one_descriptor() {
    EXPECT_TRUE(pair_.client->take_descriptor());
    EXPECT_FALSE(pair_.client->take_descriptor());
  }
};

TEST_F(WriterOfDescriptors, SendsItWithItsReply) {
  TaskPtr task = reply_with_descriptor(1);
  EXPECT_EQ(writer_.send(task), Outcome::done);
  EXPECT_NE(read_all().find("1111"), std::string::npos);
  expect_one_descriptor();
}

TEST_F(WriterOfDescriptors, KeepsItUntilThePipeTakesItsReply) {
  const std::string before(200'000, 'b');
  (void)send(before);
  ASSERT_TRUE(writer_.pending());
  TaskPtr task = reply_with_descriptor(1);
  (void)writer_.send(task);
  EXPECT_EQ(task, nullptr);
  (void)send("behind");
  std::string all;
  while (all.size() < before.size()) {
    all += read();
    if (all.size() < before.size()) {
      EXPECT_FALSE(pair_.client->take_descriptor()) << "before its reply";
    }
    (void)writer_.flush();
  }
  all += read_all();
  EXPECT_NE(all.find("1111"), std::string::npos);
  EXPECT_NE(all.find("behind"), std::string::npos);
  expect_one_descriptor();
}

/// Full to the last byte, but nothing of ours waits.
TEST_F(WriterOfDescriptors, KeepsItWhereThePipeIsFull) {
  std::string byte = "x";
  iovec part{byte.data(), 1};
  while (pair_.agent->send({&part, 1}, transport::Wait::now) == 1) continue;
  TaskPtr task = reply_with_descriptor(1);
  EXPECT_EQ(writer_.send(task), Outcome::arm);
  EXPECT_EQ(task, nullptr);
  EXPECT_NE(read_all().find("1111"), std::string::npos);
  expect_one_descriptor();
}

TEST_F(WriterTest, HoldsTasksWhileTooMuchWaits) {
  TaskPtr task = tasks_.get();
  EXPECT_FALSE(writer_.hold(task));
  for (int i = 0; i < 5; ++i) {
    TaskPtr reply = long_reply(static_cast<std::uint64_t>(i) + 1, 4 << 20);
    (void)writer_.send(reply);
  }
  EXPECT_TRUE(writer_.backlogged());
  EXPECT_TRUE(writer_.hold(task));
  EXPECT_EQ(task, nullptr);
  (void)read_all();
  EXPECT_EQ(released_.size(), 1U);
  EXPECT_FALSE(writer_.backlogged());
}

TEST_F(WriterTest, NoticesThatNothingMoves) {
  EXPECT_FALSE(writer_.stalled(now_ns() + 2 * Writer::kStallNs));
  (void)send(std::string(100'000, 'x'));
  EXPECT_FALSE(writer_.stalled(now_ns()));
  EXPECT_TRUE(writer_.stalled(now_ns() + 2 * Writer::kStallNs));
}

TEST_F(WriterTest, ToldOfADeadPeerReportsIt) {
  pair_.client.reset();
  EXPECT_EQ(send("hello"), Outcome::broken);
}

TEST_F(WriterTest, DropsEverythingOnceClosed) {
  TaskPtr reply = long_reply(1, 6 << 20);
  (void)writer_.send(reply);
  (void)send("x");
  EXPECT_EQ(writer_.close().size(), 1U);
  EXPECT_EQ(send("late"), Outcome::done);
  EXPECT_FALSE(writer_.pending());
}

/// Where the system lets no further descriptor be on its way.
class NoMoreDescriptors final : public transport::Channel {
 public:
  explicit NoMoreDescriptors(transport::Channel& channel) : channel_(channel) {}
  std::ptrdiff_t receive(std::span<std::byte> to, transport::Wait wait) noexcept override {
    return channel_.receive(to, wait);
  }
  std::ptrdiff_t receive(std::span<iovec> to, transport::Wait wait) noexcept override {
    return channel_.receive(to, wait);
  }
  std::ptrdiff_t send(std::span<const iovec> from, transport::Wait wait) noexcept override {
    return channel_.send(from, wait);
  }
  std::ptrdiff_t send_with(std::span<const iovec> /*from*/, int /*descriptor*/,
                           transport::Wait /*wait*/) noexcept override {
    return -ETOOMANYREFS;
  }
  void set_receive_timeout(std::chrono::milliseconds timeout) noexcept override {
    channel_.set_receive_timeout(timeout);
  }
  void shutdown() noexcept override { channel_.shutdown(); }
  int descriptor() const noexcept override { return channel_.descriptor(); }
  std::optional<std::uint32_t> peer_uid() const noexcept override { return channel_.peer_uid(); }

 private:
  transport::Channel& channel_;
};

TEST_F(WriterTest, SendsAReplyWithoutItsDescriptorWhereNoneCanTravel) {
  NoMoreDescriptors channel(*pair_.agent);
  Writer writer(channel);
  TaskPtr reply = long_reply(1, 100);
  reply->descriptor.reset(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(writer.send(reply), Outcome::done);
  EXPECT_FALSE(writer.pending());
  EXPECT_THAT(read(), testing::HasSubstr(std::string(100, '1')));
}

}  // namespace
}  // namespace vac::agent
