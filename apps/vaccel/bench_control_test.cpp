// SPDX-License-Identifier: Apache-2.0
#include "bench_control.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "bench_block.hpp"

namespace vac::cli {
namespace {

/// A subject that fails at one call.
class FailingAt final : public Subject {
 public:
  explicit FailingAt(int call) : left_(call) {}
  Status call() override {
    if (--left_ > 0) return {};
    return Error{Errc::remote_io, "gone"};
  }

 private:
  int left_;
};

TEST(RawControl, CarriesEverySize) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{64},
                                  std::size_t{100'000}, std::size_t{8} << 20}) {
    const auto control = RawControl::start(bytes);
    ASSERT_TRUE(control) << control.error().message();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE((*control)->call()) << bytes;
  }
}

TEST(RawControl, EndsItsProcess) {
  pid_t child = 0;
  {
    const auto control = RawControl::start(64);
    ASSERT_TRUE(control);
    child = (*control)->child();
  }
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(RawControl, FailsWhenItsProcessIsKilled) {
  const auto control = RawControl::start(64);
  ASSERT_TRUE(control);
  ::kill((*control)->child(), SIGKILL);
  Status status;
  for (int i = 0; i < 1'000'000 && status; ++i) status = (*control)->call();
  EXPECT_FALSE(status);
}

TEST(BlockRunner, GivesFiguresThatFitTogether) {
  const auto control = RawControl::start(64);
  ASSERT_TRUE(control);
  BlockRunner runner(1000);
  const Result<Block> block = runner.run(**control, 200);
  ASSERT_TRUE(block);
  EXPECT_GT(block->p50_us, 0);
  EXPECT_GE(block->p90_us, block->p50_us);
  EXPECT_GE(block->p99_us, block->p90_us);
  EXPECT_GT(block->calls_per_s, 0);
  EXPECT_EQ(block->all.calls, 210U) << "with those that warm up";
  EXPECT_GT(block->all.us, 200 * 1e6 / block->calls_per_s);
  const auto calls = calls_in(**control, std::chrono::hours(1), 1000);
  ASSERT_TRUE(calls);
  EXPECT_EQ(*calls, 1000U);
  EXPECT_EQ(*calls_in(**control, std::chrono::nanoseconds(1), 1000), 20U);
}

TEST(BlockRunner, StopsAtTheFirstFailure) {
  BlockRunner runner(100);
  FailingAt in_warm_up(2);
  EXPECT_FALSE(runner.run(in_warm_up, 100));
  FailingAt later(50);
  const auto block = runner.run(later, 100);
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().code(), Errc::remote_io);
}

}  // namespace
}  // namespace vac::cli
