// SPDX-License-Identifier: Apache-2.0
#include "bench_clients.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>

#include "bench_control.hpp"

namespace vac::cli {
namespace {

using std::chrono::milliseconds;

/// Counts its calls; fails from one on.
class Counted final : public Subject {
 public:
  explicit Counted(int good = 1 << 30) : good_(good) {}
  Status call() override {
    ++calls;
    if (calls <= good_) return {};
    return Error{Errc::remote_io, "gone"};
  }
  int calls = 0;

 private:
  const int good_;
};

TEST(BlockingClient, CallsOnceEvenWhenTheTimeIsOver) {
  Counted subject;
  CallTimes times(10);
  EXPECT_TRUE(BlockingClient(subject).run(Client::Clock::now() - milliseconds(1), times));
  EXPECT_EQ(subject.calls, 1);
  EXPECT_EQ(times.spent().calls, 1U);
}

TEST(BlockingClient, StopsAtTheFirstFailure) {
  Counted subject(3);
  CallTimes times(10);
  const Status status =
      BlockingClient(subject).run(Client::Clock::now() + std::chrono::hours(1), times);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Errc::remote_io);
  EXPECT_EQ(times.spent().calls, 3U);
}

TEST(CallTimes, CountsBeyondItsSamples) {
  CallTimes times(2);
  for (const double us : {1.0, 2.0, 4.0}) times.add(us);
  EXPECT_EQ(times.samples_us().size(), 2U);
  EXPECT_EQ(times.spent().calls, 3U);
  EXPECT_DOUBLE_EQ(times.spent().us, 7);
  times.clear();
  EXPECT_TRUE(times.samples_us().empty());
}

TEST(LoadRunner, AddsUpTheCallsOfAllClients) {
  const auto crowd = RawCrowd::start(3, 64);
  ASSERT_TRUE(crowd) << crowd.error().message();
  Clients clients;
  for (const auto& connection : (*crowd)->connections()) {
    clients.push_back(std::make_unique<BlockingClient>(*connection));
  }
  LoadRunner runner(clients.size());
  for (int i = 0; i < 2; ++i) {
    const Result<Block> block = runner.run(clients, milliseconds(1));
    ASSERT_TRUE(block) << block.error().message();
    EXPECT_GE(block->all.calls, 3U);
    EXPECT_GT(block->p50_us, 0);
    EXPECT_GE(block->p90_us, block->p50_us);
    EXPECT_GE(block->p99_us, block->p90_us);
    // Each of the three called for the whole time, or for less.
    EXPECT_LE(block->all.us, 3 * 1e6 * static_cast<double>(block->all.calls) / block->calls_per_s);
  }
}

TEST(LoadRunner, TellsTheFailureOfOneClient) {
  // At its first call, which it makes however late its thread comes.
  Counted good, bad(0);
  Clients clients;
  clients.push_back(std::make_unique<BlockingClient>(good));
  clients.push_back(std::make_unique<BlockingClient>(bad));
  LoadRunner runner(2);
  const Result<Block> block = runner.run(clients, milliseconds(1));
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().code(), Errc::remote_io);
}

TEST(RawCrowd, EndsItsProcess) {
  pid_t child = 0;
  {
    const auto crowd = RawCrowd::start(8, 0);
    ASSERT_TRUE(crowd);
    child = (*crowd)->child();
    for (const auto& connection : (*crowd)->connections()) EXPECT_TRUE(connection->call());
  }
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace vac::cli
