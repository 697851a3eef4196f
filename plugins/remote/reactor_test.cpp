// SPDX-License-Identifier: Apache-2.0
#include "reactor.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/futex_word.hpp"
#include "patience.hpp"
#include "support/process_state.hpp"

namespace vac::remote {
namespace {

/// Counts how often it is called, with something of its event or without.
class Counter final : public Reactor::Client {
 public:
  int descriptor() const noexcept override { return event_.get(); }
  Reactor::Interest react(bool ready) noexcept override {
    then();
    if (ready) {
      eventfd_t count = 0;
      (void)::eventfd_read(event_.get(), &count);
    }
    FutexWord& word = ready ? ready_ : called_;
    word.fetch_add(1);
    word.wake_all();
    return interest;
  }
  void raise() { (void)::eventfd_write(event_.get(), 1); }
  void wait_until_called(std::uint32_t times) const { wait(called_, times); }
  void wait_until_ready(std::uint32_t times) const { wait(ready_, times); }

  std::function<void()> then = [] {};
  Reactor::Interest interest;

 private:
  static void wait(const FutexWord& word, std::uint32_t times) {
    for (std::uint32_t seen = word.load(); seen < times; seen = word.load()) word.wait(seen);
  }
  const Fd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  FutexWord called_, ready_;
};

class ReactorTest : public testing::Test {
 protected:
  std::unique_ptr<Reactor> reactor_ = std::move(Reactor::create()).value();
};

TEST_F(ReactorTest, AsksANewClientWhatItWaitsFor) {
  // Each time the thread may be on its way to sleep, or just starting.
  for (int i = 0; i < 2000; ++i) {
    Counter counter;
    ASSERT_TRUE(reactor_->watch(counter));
    counter.wait_until_called(1);
    reactor_->forget(counter);
    if (i % 10 == 0) reactor_->rest();
  }
}

TEST_F(ReactorTest, CallsForTheEventsOfItsInterest) {
  Counter deaf, listening;
  listening.interest.events = POLLIN;
  ASSERT_TRUE(reactor_->watch(deaf) && reactor_->watch(listening));
  deaf.raise();
  for (std::uint32_t i = 1; i <= 3; ++i) {
    listening.raise();
    listening.wait_until_ready(i);
  }
  deaf.then = [&] { deaf.interest.events = POLLIN; };
  reactor_->wake(deaf);
  deaf.wait_until_ready(1);
  for (Counter* const one : {&deaf, &listening}) reactor_->forget(*one);
}

TEST_F(ReactorTest, CallsWhomIsWoken) {
  Counter counter;
  ASSERT_TRUE(reactor_->watch(counter));
  for (std::uint32_t i = 1; i < 5000; ++i) {
    counter.wait_until_called(i);
    reactor_->wake(counter);
  }
  counter.wait_until_called(5000);
  reactor_->forget(counter);
}

TEST_F(ReactorTest, CallsWhoseTimeHasCome) {
  Counter counter;
  const std::int64_t start_ns = now_ns();
  counter.interest.until_ns = start_ns + 5'000'000;
  ASSERT_TRUE(reactor_->watch(counter));
  counter.wait_until_called(2);
  EXPECT_GE(now_ns(), start_ns + 5'000'000);
  reactor_->forget(counter);
}

TEST_F(ReactorTest, HasLeftAClientThatItForgets) {
  for (int i = 0; i < 1000; ++i) {
    auto counter = std::make_unique<Counter>();
    std::atomic<bool> inside{false}, gone{false};
    counter->then = [&] {
      EXPECT_FALSE(gone);
      inside = true;
    };
    ASSERT_TRUE(reactor_->watch(*counter));
    while (!inside) reactor_->wake(*counter);
    reactor_->wake(*counter);
    reactor_->forget(*counter);
    gone = true;
    counter.reset();
  }
}

TEST_F(ReactorTest, HasAThreadWithoutSignalsFromTheFirstClientToItsRest) {
  const auto threads = [] { return test::state_of(::getpid()).threads; };
  {
    Counter warm;  // a sanitizer may have a thread of its own from the first one on
    ASSERT_TRUE(reactor_->watch(warm));
    reactor_->forget(warm);
    reactor_->rest();
  }
  const std::size_t before = threads();
  Counter counter;
  std::atomic<bool> blocked{false};
  counter.then = [&] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked = ::sigismember(&mask, SIGINT) == 1 && ::sigismember(&mask, SIGUSR1) == 1;
  };
  ASSERT_TRUE(reactor_->watch(counter));
  counter.wait_until_called(1);
  EXPECT_TRUE(blocked);
  EXPECT_EQ(threads(), before + 1);
  reactor_->rest();
  EXPECT_EQ(threads(), before + 1) << "it has a client";
  reactor_->forget(counter);
  reactor_->rest();
  EXPECT_EQ(threads(), before);
}

}  // namespace
}  // namespace vac::remote
