// SPDX-License-Identifier: Apache-2.0
// The C++ interface's asynchronous calls, in process and through a real agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/agent_process.hpp"

namespace vac {
namespace {

using test::AgentProcess;
using namespace std::chrono_literals;

/// mbench's noop works for as many microseconds as its data says.
std::span<const std::byte> work(const std::uint64_t& microseconds) {
  return std::as_bytes(std::span(&microseconds, 1));
}
constexpr std::uint64_t kNone = 0, kLong = 60'000'000;

class Futures : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "mbench,noop", 1);
    std::string address = "local:";
    if (GetParam() == std::string("unix")) {
      agent_ = std::make_unique<AgentProcess>(std::vector<std::string>{"--plugin", "mbench,noop"});
      address = agent_->address();
    }
    session_ = Session::open(address).value();
  }

  std::unique_ptr<AgentProcess> agent_;
  Session session_;
};

INSTANTIATE_TEST_SUITE_P(At, Futures, testing::Values("local", "unix"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Futures, HaveWhatTheMethodThatBlocksReturns) {
  const std::array<double, 4> data = {3, 1, 4, 1};
  std::array<double, 4> blocking{}, later{};
  const auto expected = session_.minmax(data, 1, 2, blocking).value();
  Future<decltype(session_)::MinmaxResult> future = session_.minmax_async(data, 1, 2, later);
  const auto result = future.get();
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->min, expected.min);
  EXPECT_EQ(result->max, expected.max);
  EXPECT_EQ(later, blocking);
  EXPECT_FALSE(future);
  EXPECT_EQ(future.get().error().code(), Errc::bad_handle);
}

/// The tensors and names of the call are the future's.
TEST_P(Futures, KeepWhatACallNeeds) {
  static const std::array<std::byte, 5> kModel{};
  const Resource resource = session_.resource_bytes(kModel).value();
  Future<Tensors> future;
  Tensors blocking;
  {
    const std::vector<std::string> names = {"a name that is too long for the string itself"};
    Tensor input = session_.tensor<float>({2, 2});
    std::iota(input.span<float>().begin(), input.span<float>().end(), 1.0F);
    const std::vector<Tensor> inputs = {input};
    blocking = session_.model_run(resource, names, inputs, {}).value();
    future = session_.model_run_async(resource, names, inputs, {});
  }
  const Result<Tensors> outputs = future.get();
  ASSERT_TRUE(outputs) << outputs.error().message();
  ASSERT_EQ(outputs->size(), blocking.size());
  for (std::size_t i = 0; i < blocking.size(); ++i) {
    EXPECT_TRUE(std::ranges::equal((*outputs)[i].bytes(), blocking[i].bytes()));
  }
}

TEST_P(Futures, OfWhatCannotBeSubmittedSayWhy) {
  Future<void> future = session_.exec_async(Resource(), "symbol", {}, {});
  EXPECT_TRUE(future.done());
  const Status refused = future.get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "exec: argument 'library' is NULL (VAC_EINVAL)");
}

TEST_P(Futures, CancelWhatNobodyWaitsFor) {
  {
    const Future<void> future = session_.noop_async(work(kLong));
  }
  Future<void> cancelled = session_.noop_async(work(kLong));
  EXPECT_FALSE(cancelled.done());
  EXPECT_EQ(cancelled.wait_for(1ms).error().code(), Errc::timed_out);
  cancelled.cancel();
  EXPECT_TRUE(cancelled.wait());
  EXPECT_EQ(cancelled.get().error().code(), Errc::cancelled);
  Future<void> moved = session_.noop_async(work(kLong));
  moved = session_.noop_async(work(kNone));
  EXPECT_TRUE(moved.get());
}

TEST_P(Futures, EndAtTheirDeadline) {
  EXPECT_EQ(session_.noop_async(work(kLong), {.deadline = 20ms}).get().error().code(),
            Errc::timed_out);
}

TEST_P(Futures, TellWhenTheyAreDone) {
  std::atomic<int> told{0};
  Future<void> future = session_.noop_async(work(kNone), {.done = [&] { ++told; }});
  EXPECT_TRUE(future.wait());
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(future.get());
}

/// The least that a coroutine needs.
struct Task {
  struct promise_type {  // NOLINT(readability-identifier-naming): the language wants this name
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

struct Seen {
  std::atomic<bool> over{false};
  int calls = 0;
  std::optional<Errc> blocking, refused;
};

Task three_calls(const Session& session, Seen& seen) {
  for (int i = 0; i < 3; ++i) {
    Future<void> future = session.noop_async(work(kNone));
    const Status done = co_await future;
    if (done) ++seen.calls;
  }
  const Status wrong = co_await session.noop_async(std::span<const std::byte>());
  if (!wrong) seen.refused = wrong.error().code();
  seen.over = true;
}

TEST_P(Futures, ResumeCoroutines) {
  Seen seen;
  three_calls(session_, seen);
  while (!seen.over) std::this_thread::yield();
  EXPECT_EQ(seen.calls, 3);
  EXPECT_EQ(seen.refused, Errc::invalid);
}

TEST_P(Futures, GoOnManyAtATime) {
  std::vector<Future<void>> futures;
  for (int i = 0; i < 1000; ++i) futures.push_back(session_.noop_async(work(kNone)));
  for (Future<void>& future : futures) EXPECT_TRUE(future.get());
}

}  // namespace
}  // namespace vac
