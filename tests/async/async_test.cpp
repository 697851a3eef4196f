// SPDX-License-Identifier: Apache-2.0
// The C interface's asynchronous calls, in process and through a real agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vac/vac.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/agent_process.hpp"
#include "support/process_state.hpp"

namespace {

using testing::HasSubstr;
using vac::test::AgentProcess;

/// As many microseconds of work as mbench's noop is to do.
constexpr std::uint64_t kLongUs = 60'000'000;

/// "local": in this process, where mbench answers noop; "unix": through an agent with it.
class Async : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "mbench,noop", 1);
    std::string address = "local:";
    if (GetParam() == std::string("unix")) {
      agent_ = std::make_unique<AgentProcess>(std::vector<std::string>{"--plugin", "mbench,noop"});
      address = agent_->address();
    }
    ASSERT_EQ(vac_session_open(address.c_str(), nullptr, &session_), VAC_OK) << vac_error_message();
  }
  void TearDown() override { vac_session_close(session_); }

  vac_call_handle* submit_work(const std::uint64_t& microseconds,
                               const vac_call_options* options = nullptr) {
    vac_call_handle* call = nullptr;
    EXPECT_EQ(vac_noop_submit(session_, options, &microseconds, sizeof microseconds, &call), VAC_OK)
        << vac_error_message();
    return call;
  }

  std::unique_ptr<AgentProcess> agent_;
  vac_session* session_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(At, Async, testing::Values("local", "unix"),
                         [](const auto& info) { return std::string(info.param); });

constexpr std::uint64_t kNone = 0;
constexpr std::uint64_t kLong = kLongUs;

TEST_P(Async, HasItsResultsWhenItIsFinished) {
  const std::array<double, 4> data = {3, 1, 4, 1};
  double low = 0, high = 0, blocking_low = 0, blocking_high = 0;
  std::array<double, 4> result{}, blocking{};
  std::size_t count = 0, blocking_count = 0;
  vac_call_handle* call = nullptr;
  ASSERT_EQ(vac_minmax_submit(session_, nullptr, data.data(), 4, 1, 2, result.data(), 4, &count,
                              &low, &high, &call),
            VAC_OK);
  EXPECT_EQ(vac_call_finish(call), VAC_OK) << vac_error_message();
  ASSERT_EQ(vac_minmax(session_, data.data(), 4, 1, 2, blocking.data(), 4, &blocking_count,
                       &blocking_low, &blocking_high),
            VAC_OK);
  EXPECT_EQ(result, blocking);
  EXPECT_EQ(count, blocking_count);
  EXPECT_EQ(low, blocking_low);
  EXPECT_EQ(high, blocking_high);
}

TEST_P(Async, SaysHowMuchRoomItsResultsNeed) {
  vac_resource* model = nullptr;
  ASSERT_EQ(vac_resource_open_bytes(session_, "model", 5, nullptr, &model), VAC_OK);
  std::size_t bytes = 0;
  char text[4096];
  const auto describe = [&](std::size_t capacity) {
    vac_call_handle* call = nullptr;
    EXPECT_EQ(vac_model_describe_submit(session_, nullptr, model, text, capacity, &bytes, &call),
              VAC_OK);
    return vac_call_finish(call);
  };
  EXPECT_EQ(describe(3), VAC_ENOSPC);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'json' needs a capacity of"));
  EXPECT_EQ(describe(bytes), VAC_OK) << vac_error_message();
  EXPECT_THAT(text, HasSubstr("\"framework\""));
}

TEST_P(Async, GoesOnThousandsAtATime) {
  constexpr std::size_t kCalls = 3000;
  std::vector<vac_call_handle*> calls;
  for (std::size_t i = 0; i < kCalls; ++i) calls.push_back(submit_work(kNone));
  for (vac_call_handle* const call : calls) {
    EXPECT_EQ(vac_call_finish(call), VAC_OK) << vac_error_message();
  }
}

TEST_P(Async, TellsWhyItFailed) {
  vac_call_handle* call = nullptr;
  ASSERT_EQ(vac_noop_submit(session_, nullptr, "xyz", 3, &call), VAC_OK);
  EXPECT_EQ(vac_call_finish(call), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("noop: data has 3 bytes, mbench takes 8"));
}

TEST_P(Async, CanBeWaitedForInParts) {
  vac_call_handle* const call = submit_work(kLong);
  EXPECT_EQ(vac_call_is_done(call), 0);
  EXPECT_EQ(vac_call_wait(call, 1), VAC_ETIMEDOUT);
  EXPECT_STREQ(vac_error_message(), "call_wait: the call is not done yet (VAC_ETIMEDOUT)");
  vac_call_cancel(call);
  EXPECT_EQ(vac_call_wait(call, VAC_FOREVER), VAC_OK);
  EXPECT_EQ(vac_call_is_done(call), 1);
  EXPECT_EQ(vac_call_finish(call), VAC_ECANCELED);
}

TEST_P(Async, EndsAtItsDeadlineQueuedOrNot) {
  const vac_call_options options = {sizeof options, nullptr, nullptr, nullptr, 20};
  std::vector<vac_call_handle*> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(submit_work(kLong, &options));
  for (vac_call_handle* const call : calls) {
    EXPECT_EQ(vac_call_finish(call), VAC_ETIMEDOUT) << vac_error_message();
  }
}

TEST_P(Async, CanBeCancelledQueuedOrNot) {
  std::vector<vac_call_handle*> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(submit_work(kLong));
  for (vac_call_handle* const call : calls) vac_call_cancel(call);
  for (vac_call_handle* const call : calls) {
    EXPECT_EQ(vac_call_finish(call), VAC_ECANCELED) << vac_error_message();
  }
}

TEST_P(Async, EndsWithItsSession) {
  std::vector<vac_call_handle*> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(submit_work(kLong));
  vac_session_close(session_);
  for (vac_call_handle* const call : calls) {
    EXPECT_EQ(vac_call_finish(call), VAC_ECANCELED) << vac_error_message();
  }
  session_ = nullptr;
}

TEST_P(Async, EndsWithItsSessionByTheThousand) {
  constexpr std::size_t kCalls = 3000;
  std::vector<vac_call_handle*> calls;
  for (std::size_t i = 0; i < kCalls; ++i) calls.push_back(submit_work(kLong));
  vac_session_close(session_);
  session_ = nullptr;
  for (vac_call_handle* const call : calls) EXPECT_EQ(vac_call_finish(call), VAC_ECANCELED);
}

TEST_P(Async, GoesOnBesideCallsThatAreWaitedFor) {
  constexpr int kThreads = 3, kCalls = 300;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this] {
      std::vector<vac_call_handle*> calls;
      for (int i = 0; i < kCalls; ++i) {
        calls.push_back(submit_work(kNone));
        EXPECT_EQ(vac_noop(session_, &kNone, sizeof kNone), VAC_OK) << vac_error_message();
      }
      for (vac_call_handle* const call : calls) EXPECT_EQ(vac_call_finish(call), VAC_OK);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(Async, IsWaitedForWithOthers) {
  std::array<vac_call_handle*, 3> calls = {submit_work(kLong), nullptr, submit_work(kNone)};
  std::size_t index = 77;
  ASSERT_EQ(vac_call_wait_any(calls.data(), calls.size(), VAC_FOREVER, &index), VAC_OK);
  EXPECT_EQ(index, 2U);
  EXPECT_EQ(vac_call_finish(calls[2]), VAC_OK);
  calls[2] = nullptr;
  EXPECT_EQ(vac_call_wait_any(calls.data(), calls.size(), 1, &index), VAC_ETIMEDOUT);
  vac_call_cancel(calls[0]);
  EXPECT_EQ(vac_call_wait_any(calls.data(), calls.size(), VAC_FOREVER, &index), VAC_OK);
  EXPECT_EQ(index, 0U);
  EXPECT_EQ(vac_call_finish(calls[0]), VAC_ECANCELED);
  calls[0] = nullptr;
  EXPECT_EQ(vac_call_wait_any(calls.data(), calls.size(), VAC_FOREVER, &index), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("there is no call to wait for"));
}

/// What a function was told.
struct Told {
  std::atomic<int> times{0};
  std::atomic<int> code{-1};
  vac_session* session = nullptr;
  std::array<int, 3> refused{};
  std::string text;
};

TEST_P(Async, TellsAFunctionOnce) {
  Told told;
  const vac_call_options options = {sizeof options,
                                    [](void* user, vac_call_handle*, int code) {
                                      static_cast<Told*>(user)->code = code;
                                      ++static_cast<Told*>(user)->times;
                                    },
                                    &told, nullptr, 0};
  vac_call_handle* const call = submit_work(kNone, &options);
  EXPECT_EQ(vac_call_wait(call, VAC_FOREVER), VAC_OK);
  EXPECT_EQ(told.times, 1) << "the call is done when the function has returned";
  EXPECT_EQ(told.code, VAC_OK);
  EXPECT_EQ(vac_call_finish(call), VAC_OK);
  EXPECT_EQ(told.times, 1);
}

TEST_P(Async, RefusesToBlockInTheFunctionThatIsTold) {
  Told told;
  told.session = session_;
  const vac_call_options options = {
      sizeof options,
      [](void* user, vac_call_handle* call, int) {
        auto& told = *static_cast<Told*>(user);
        told.refused[0] = vac_noop(told.session, &kNone, sizeof kNone);
        told.text = vac_error_message();
        vac_call_handle* other = nullptr;
        told.refused[1] = vac_noop_submit(told.session, nullptr, &kLong, sizeof kLong, &other);
        told.refused[2] = vac_call_wait(other, VAC_FOREVER);
        vac_call_cancel(other);
        EXPECT_EQ(vac_call_is_done(call), 1);
        EXPECT_EQ(vac_call_wait(call, VAC_FOREVER), VAC_OK);
        // Not finished here: somebody else does.
        std::thread([other] { EXPECT_EQ(vac_call_finish(other), VAC_ECANCELED); }).join();
      },
      &told, nullptr, 0};
  EXPECT_EQ(vac_call_finish(submit_work(kNone, &options)), VAC_OK);
  EXPECT_EQ(told.refused, (std::array<int, 3>{VAC_EDEADLK, VAC_OK, VAC_EDEADLK}));
  EXPECT_EQ(told.text,
            "noop: it would wait, in a function that is told of a call: submit calls there "
            "(VAC_EDEADLK)");
}

/// Each call's function finishes it and submits the next: nobody waits.
struct Chain {
  vac_session* session = nullptr;
  vac_call_options options{};
  std::atomic<int> left{200};
  std::atomic<int> failed{0};
};

TEST_P(Async, MayBeFinishedInTheFunctionThatIsTold) {
  Chain chain;
  chain.session = session_;
  chain.options = {
      sizeof chain.options,
      [](void* user, vac_call_handle* call, int) {
        auto& chain = *static_cast<Chain*>(user);
        if (vac_call_finish(call) != VAC_OK) ++chain.failed;
        if (chain.left == 1) {
          chain.left = 0;
          return;
        }
        --chain.left;
        vac_call_handle* next = nullptr;
        if (vac_noop_submit(chain.session, &chain.options, &kNone, sizeof kNone, &next) != VAC_OK) {
          ++chain.failed;
          chain.left = 0;
        }
      },
      &chain, nullptr, 0};
  (void)submit_work(kNone, &chain.options);
  while (chain.left != 0) std::this_thread::yield();
  EXPECT_EQ(chain.failed, 0);
}

TEST_P(Async, IsNotHeldUpByAFunctionThatIsTold) {
  std::atomic<bool> inside{false}, leave{false};
  std::pair<std::atomic<bool>*, std::atomic<bool>*> flags{&inside, &leave};
  const vac_call_options options = {
      sizeof options,
      [](void* user, vac_call_handle*, int) {
        const auto& [inside, leave] =
            *static_cast<std::pair<std::atomic<bool>*, std::atomic<bool>*>*>(user);
        *inside = true;
        while (!*leave) std::this_thread::yield();
      },
      &flags, nullptr, 0};
  vac_call_handle* const told = submit_work(kNone, &options);
  while (!inside) std::this_thread::yield();
  EXPECT_EQ(vac_call_finish(submit_work(kNone)), VAC_OK);
  EXPECT_EQ(vac_noop(session_, &kNone, sizeof kNone), VAC_OK);
  leave = true;
  EXPECT_EQ(vac_call_finish(told), VAC_OK);
}

TEST_P(Async, MayCloseItsSessionInTheFunctionThatIsTold) {
  Told told;
  told.session = session_;
  const vac_call_options options = {sizeof options,
                                    [](void* user, vac_call_handle*, int) {
                                      vac_session_close(static_cast<Told*>(user)->session);
                                      ++static_cast<Told*>(user)->times;
                                    },
                                    &told, nullptr, 0};
  std::vector<vac_call_handle*> others;
  for (int i = 0; i < 10; ++i) others.push_back(submit_work(kLong));
  const std::uint64_t soon = 0;
  vac_call_handle* const first = submit_work(soon, &options);
  vac_call_cancel(first);
  (void)vac_call_finish(first);
  EXPECT_EQ(told.times, 1);
  for (vac_call_handle* const call : others) EXPECT_EQ(vac_call_finish(call), VAC_ECANCELED);
  session_ = nullptr;
}

TEST_P(Async, RefusesWhatItCannotHave) {
  vac_call_handle* call = nullptr;
  vac_call_options options{};
  EXPECT_EQ(vac_noop_submit(session_, &options, nullptr, 0, &call), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(),
               "noop: the options' struct_size is 0: set it to sizeof(vac_call_options) "
               "(VAC_EINVAL)");
  EXPECT_EQ(vac_noop_submit(session_, nullptr, nullptr, 0, nullptr), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("the place for the call's handle is NULL"));
  EXPECT_EQ(call, nullptr);
  EXPECT_EQ(vac_call_finish(nullptr), VAC_EINVAL);
  EXPECT_EQ(vac_call_wait(nullptr, 0), VAC_EINVAL);
  EXPECT_EQ(vac_call_is_done(nullptr), 0);
  vac_call_cancel(nullptr);
  EXPECT_EQ(vac_call_wait_any(nullptr, 1, 0, nullptr), VAC_EINVAL);
  EXPECT_EQ(vac_completions_new(nullptr), VAC_EINVAL);
  EXPECT_EQ(vac_completions_next(nullptr, &call, nullptr), VAC_EINVAL);
  EXPECT_EQ(vac_completions_fd(nullptr), -1);
  vac_completions_free(nullptr);
}

TEST_P(Async, IsFinishedOnce) {
  vac_call_handle* const call = submit_work(kNone);
  EXPECT_EQ(vac_call_finish(call), VAC_OK);
  EXPECT_EQ(vac_call_finish(call), VAC_EBADF);
  EXPECT_STREQ(vac_error_message(), "call_finish: the call is finished (VAC_EBADF)");
  EXPECT_EQ(vac_call_wait(call, 0), VAC_EBADF);
  EXPECT_EQ(vac_call_is_done(call), 0);
  vac_call_cancel(call);
}

bool readable(const vac_completions* completions) {
  pollfd polled = {vac_completions_fd(completions), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

TEST_P(Async, ComesToAQueueThatADescriptorTellsOf) {
  vac_completions* completions = nullptr;
  ASSERT_EQ(vac_completions_new(&completions), VAC_OK);
  EXPECT_FALSE(readable(completions));
  vac_call_handle* call = nullptr;
  EXPECT_EQ(vac_completions_next(completions, &call, nullptr), VAC_EAGAIN);
  constexpr std::size_t kCalls = 50;
  std::array<bool, kCalls> came{};
  for (bool& one : came) {
    const vac_call_options options = {sizeof options, nullptr, &one, completions, 0};
    (void)submit_work(kNone, &options);
  }
  for (std::size_t i = 0; i < kCalls; ++i) {
    pollfd polled = {vac_completions_fd(completions), POLLIN, 0};
    ASSERT_EQ(::poll(&polled, 1, 60'000), 1);
    void* user = nullptr;
    ASSERT_EQ(vac_completions_next(completions, &call, &user), VAC_OK) << vac_error_message();
    EXPECT_FALSE(*static_cast<bool*>(user));
    *static_cast<bool*>(user) = true;
    EXPECT_EQ(vac_call_finish(call), VAC_OK) << vac_error_message();
  }
  EXPECT_FALSE(readable(completions));
  vac_completions_free(completions);
}

TEST_P(Async, MayBeFinishedWithoutItsQueue) {
  vac_completions* completions = nullptr;
  ASSERT_EQ(vac_completions_new(&completions), VAC_OK);
  const vac_call_options options = {sizeof options, nullptr, nullptr, completions, 0};
  vac_call_handle* const first = submit_work(kNone, &options);
  EXPECT_EQ(vac_call_wait(first, VAC_FOREVER), VAC_OK);
  EXPECT_TRUE(readable(completions));
  EXPECT_EQ(vac_call_finish(first), VAC_OK);
  EXPECT_FALSE(readable(completions));
  vac_call_handle* const second = submit_work(kNone, &options);
  vac_completions_free(completions);
  EXPECT_EQ(vac_call_finish(second), VAC_OK);
}

TEST_P(Async, LeavesNoThreadsBehindItsLastSession) {
  const auto threads = [] { return vac::test::state_of(::getpid()).threads; };
  // A sanitizer may have a thread of its own from the first one on.
  EXPECT_EQ(vac_call_finish(submit_work(kNone)), VAC_OK);
  vac_session_close(session_);
  const std::size_t before = threads();
  SetUp();
  EXPECT_EQ(vac_call_finish(submit_work(kNone)), VAC_OK);
  EXPECT_GT(threads(), before);
  vac_session_close(session_);
  EXPECT_EQ(threads(), before);
  session_ = nullptr;
}

TEST_P(Async, IsTheParentsAfterFork) {
  vac_call_handle* const call = submit_work(kNone);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = vac_call_finish(call) == VAC_EOWNERDEAD &&
                         vac_call_wait(call, VAC_FOREVER) == VAC_EOWNERDEAD &&
                         vac_call_is_done(call) == 0;
    vac_call_cancel(call);
    vac_call_handle* other = nullptr;
    const bool too =
        vac_noop_submit(session_, nullptr, &kNone, sizeof kNone, &other) == VAC_EOWNERDEAD;
    ::_exit(refused && too ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(vac_call_finish(call), VAC_OK);
}

}  // namespace
