// SPDX-License-Identifier: Apache-2.0
// The states of a call: new -> queued -> running -> done, and the sticky cancel bit. Each row of
// the table of transitions is a test.
//
//   state    event     then
//   new      dispatch  queued where no slot is free or another call attaches its resource, else
//                      running
//   queued   slot      running
//   queued   attached  running
//   queued   deadline  done: VAC_ETIMEDOUT, never submitted
//   queued   cancel    done: VAC_ECANCELED, never submitted; so does a cancel before the dispatch
//   queued   close     as cancel
//   running  return    done
//   running  deadline  `cancelled` says so; the plugin ends it: VAC_ECANCELED becomes VAC_ETIMEDOUT
//   running  cancel    `cancelled` says so; late success is success
//   running  close     as cancel, and the plugin's `cancel` is called once; close waits
//   done     anything  nothing
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/futex_word.hpp"
#include "base/process_number.hpp"
#include "core/session_fixture.hpp"
#include "core/visit.hpp"

namespace vac::core {
namespace {

using testing::HasSubstr;
using namespace fixture;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;
using std::chrono::minutes;

/// Opens once.
class Gate {
 public:
  void open() {
    word_.store(1);
    word_.wake_all();
  }
  void pass() const {
    while (word_.load() == 0) word_.wait(0);
  }

 private:
  FutexWord word_;
};

/// A call in a thread of its own, which can be cancelled. It visits the session, as calls of the C
/// interface do. It loads the resource that `before` gives it, else does nothing.
class Caller {
 public:
  Caller(const std::atomic<Session*>& place, std::function<void(CallContext&)> before = {})
      : thread_([this, &place, before = std::move(before)] {
          Visit visit(place, process_number());
          if (visit.session() == nullptr) return;
          context_.visit = &visit;
          if (before) before(context_);
          const bool loads = !context_.resources.empty();
          vac_arg arg = loads ? resource_arg() : no_data();
          vac_call call{};
          call.op = loads ? kLoad : kNoop;
          call.args = &arg;
          call.arg_count = 1;
          code_ = visit.session()->dispatch(call, context_);
        }) {}
  ~Caller() {
    if (thread_.joinable()) thread_.join();
  }
  int code() {
    thread_.join();
    return code_;
  }
  void cancel() { context_.cancel(); }
  bool queued() const { return context_.waits_for.load() != nullptr; }
  const std::string& message() const { return context_.message; }

 private:
  CallContext context_;
  int code_ = -1;
  std::thread thread_;
};

/// A plugin with one slot, whose call stays in submit until its gate opens.
class CallStates : public testing::Test {
 protected:
  CallStates() {
    take_process_number();
    prepare_visits();
    plugin_.offers = {{kNoop, 1, 1, 0}};
    plugin_.on_submit = [this](vac_call&) {
      ++submitted_;
      entered_.open();
      leave_.pass();
      returning_.open();
      return VAC_OK;
    };
  }
  void open(std::uint32_t timeout_ms = 0) {
    SessionOptions options;
    options.timeout_ms = timeout_ms;
    rig_ = std::make_unique<Rig>(std::vector{&plugin_}, options);
    place_.store(rig_->session.get());
  }
  static void await_queued(const Caller& caller) {
    while (!caller.queued()) std::this_thread::yield();
  }
  /// As plugins do in long loops.
  int poll(vac_call& call) {
    ++submitted_;
    entered_.open();
    while (plugin_.host->cancelled(&call) == 0) std::this_thread::yield();
    return VAC_ECANCELED;
  }

  FakePlugin plugin_;
  std::unique_ptr<Rig> rig_;
  std::atomic<Session*> place_{nullptr};
  std::atomic<int> submitted_{0};
  Gate entered_, leave_, returning_;
};

TEST_F(CallStates, QueuedWaitsForASlotAndRuns) {
  open();
  Caller first(place_);
  entered_.pass();
  Caller second(place_);
  await_queued(second);
  EXPECT_EQ(submitted_, 1);
  leave_.open();
  EXPECT_EQ(first.code(), VAC_OK);
  EXPECT_EQ(second.code(), VAC_OK);
  EXPECT_EQ(submitted_, 2);
}

#ifndef VAC_SANITIZED  // a sanitizer ends the program there
TEST_F(CallStates, RunningWithoutMemoryForItsCopyGivesItsSlotBack) {
  plugin_.caps = VAC_CAP_ASYNC;
  leave_.open();
  open();
  vac_arg arg{};
  arg.type = VAC_BYTE;
  arg.form = VAC_ARRAY;
  arg.dir = VAC_IN;
  arg.value = reinterpret_cast<std::uintptr_t>(&arg);
  arg.bytes = std::uint64_t{1} << 60U;  // never read
  vac_call call{};
  call.op = kNoop;
  call.args = &arg;
  call.arg_count = 1;
  CallContext context;
  EXPECT_EQ(rig_->session->dispatch(call, context), VAC_ENOMEM) << context.message;
  EXPECT_EQ(submitted_, 0);
  EXPECT_EQ(Caller(place_).code(), VAC_OK);
}
#endif

TEST_F(CallStates, QueuedEndsAtItsDeadlineUnsubmitted) {
  open();
  Caller first(place_);
  entered_.pass();
  SessionOptions options;
  options.timeout_ms = 1;
  const auto hurried = rig_->runtime.open_session(options).value();
  const std::atomic<Session*> place{hurried.get()};
  Caller second(place);
  EXPECT_EQ(second.code(), VAC_ETIMEDOUT);
  EXPECT_THAT(second.message(), HasSubstr("over before a slot of the plugin was free"));
  leave_.open();
  EXPECT_EQ(first.code(), VAC_OK);
  EXPECT_EQ(submitted_, 1);
}

TEST_F(CallStates, QueuedEndsWhenItIsCancelledUnsubmitted) {
  open();
  Caller first(place_);
  entered_.pass();
  Caller second(place_);
  await_queued(second);
  second.cancel();
  EXPECT_EQ(second.code(), VAC_ECANCELED);
  EXPECT_EQ(second.message(), "noop: cancelled before it was started");
  leave_.open();
  EXPECT_EQ(first.code(), VAC_OK);
  EXPECT_EQ(submitted_, 1);
}

TEST_F(CallStates, QueuedEndsWithItsSessionUnsubmitted) {
  open();
  Caller first(place_);
  entered_.pass();
  const auto other = rig_->runtime.open_session({}).value();
  std::atomic<Session*> place{other.get()};
  Caller second(place);
  await_queued(second);
  place.store(nullptr);
  EXPECT_TRUE(end_visits(*other, minutes(1)));
  EXPECT_EQ(second.code(), VAC_ECANCELED);
  leave_.open();
  EXPECT_EQ(first.code(), VAC_OK);
}

TEST_F(CallStates, CancelledBeforeItMustWaitIsNeverSubmitted) {
  open();
  Caller first(place_);
  entered_.pass();
  Caller second(place_, [](CallContext& context) { context.cancel(); });
  EXPECT_EQ(second.code(), VAC_ECANCELED);
  leave_.open();
  EXPECT_EQ(first.code(), VAC_OK);
  EXPECT_EQ(submitted_, 1);
}

/// One call is in the plugin's attach hook; others want the same resource.
class CallStatesOfAResource : public CallStates {
 protected:
  CallStatesOfAResource() {
    plugin_.offers = {{kLoad, 1, 0, 0}};
    plugin_.on_attach = [this] {
      entered_.open();
      leave_.pass();
      return VAC_OK;
    };
    plugin_.on_submit = [this](vac_call&) {
      ++submitted_;
      return VAC_OK;
    };
    open();
    resource_ = rig_->session->add_resource(data_);
    first_.emplace(place_, loading(*resource_));
    entered_.pass();
  }
  static std::function<void(CallContext&)> loading(Resource& resource) {
    return [pointer = &resource](CallContext& context) { context.resources = {&pointer, 1}; };
  }
  void expect_one_attach() {
    leave_.open();
    EXPECT_EQ(first_->code(), VAC_OK);
    EXPECT_EQ(plugin_.attached, 1);
  }

  const std::shared_ptr<const ResourceData> data_ = ResourceData::from_bytes({}, "").value();
  std::unique_ptr<Resource> resource_;
  std::optional<Caller> first_;
};

TEST_F(CallStatesOfAResource, QueuedWaitsForTheAttachAndRuns) {
  Caller second(place_, loading(*resource_));
  await_queued(second);
  expect_one_attach();
  EXPECT_EQ(second.code(), VAC_OK);
  EXPECT_EQ(submitted_, 2);
  EXPECT_EQ(plugin_.detached, 0);
  resource_.reset();
  EXPECT_EQ(plugin_.detached, 1) << "a use was not given back";
}

TEST_F(CallStatesOfAResource, QueuedEndsAtItsDeadlineUnsubmitted) {
  SessionOptions options;
  options.timeout_ms = 1;
  const auto hurried = rig_->runtime.open_session(options).value();
  const auto resource = hurried->add_resource(data_);
  const std::atomic<Session*> place{hurried.get()};
  Caller second(place, loading(*resource));
  EXPECT_EQ(second.code(), VAC_ETIMEDOUT);
  EXPECT_EQ(second.message(),
            "model_load: the time given was over while another call gave the resource to the "
            "plugin");
  expect_one_attach();
  EXPECT_EQ(submitted_, 1);
}

TEST_F(CallStatesOfAResource, QueuedEndsWhenItIsCancelledUnsubmitted) {
  Caller second(place_, loading(*resource_));
  await_queued(second);
  second.cancel();
  EXPECT_EQ(second.code(), VAC_ECANCELED);
  EXPECT_EQ(second.message(), "model_load: cancelled before it was started");
  expect_one_attach();
  EXPECT_EQ(submitted_, 1);
}

TEST_F(CallStatesOfAResource, QueuedEndsWithItsSessionUnsubmitted) {
  const auto other = rig_->runtime.open_session({}).value();
  const auto resource = other->add_resource(data_);
  std::atomic<Session*> place{other.get()};
  Caller second(place, loading(*resource));
  await_queued(second);
  place.store(nullptr);
  EXPECT_TRUE(end_visits(*other, minutes(1)));
  EXPECT_EQ(second.code(), VAC_ECANCELED);
  expect_one_attach();
  EXPECT_EQ(submitted_, 1);
}

TEST_F(CallStates, RunningSeesItsDeadline) {
  plugin_.on_submit = [this](vac_call& call) { return poll(call); };
  open(1);
  Caller call(place_);
  EXPECT_EQ(call.code(), VAC_ETIMEDOUT);
  EXPECT_EQ(submitted_, 1);
}

TEST_F(CallStates, RunningSeesThatItIsCancelled) {
  plugin_.on_submit = [this](vac_call& call) { return poll(call); };
  open();
  Caller call(place_);
  entered_.pass();
  call.cancel();
  EXPECT_EQ(call.code(), VAC_ECANCELED);
}

TEST_F(CallStates, RunningMaySucceedAllTheSame) {
  plugin_.on_submit = [this](vac_call& call) {
    poll(call);
    return VAC_OK;
  };
  open(1);
  Caller call(place_);
  EXPECT_EQ(call.code(), VAC_OK);
}

TEST_F(CallStates, RunningIsCancelledWithItsSessionOnce) {
  std::atomic<int> told{0};
  plugin_.on_cancel = [&](vac_call& call) {
    ++told;
    EXPECT_EQ(plugin_.host->cancelled(&call), 1);
    leave_.open();
  };
  open();
  Caller call(place_);
  entered_.pass();
  place_.store(nullptr);
  EXPECT_TRUE(end_visits(*rig_->session, minutes(1)));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(call.code(), VAC_OK) << "late success is success";
}

TEST_F(CallStates, RunningLivesUntilCancelHasReturned) {
  std::atomic<bool> in_cancel{false};
  plugin_.on_cancel = [&](vac_call& call) {
    in_cancel = true;
    leave_.open();
    returning_.pass();
    EXPECT_EQ(call.op, kNoop);
    in_cancel = false;
  };
  open();
  Caller call(place_);
  entered_.pass();
  place_.store(nullptr);
  std::thread closer([&] { end_visits(*rig_->session, minutes(1)); });
  EXPECT_EQ(call.code(), VAC_OK);
  EXPECT_FALSE(in_cancel);
  closer.join();
}

TEST_F(CallStates, RunningPluginThatDoesNotEndIsLeftBehind) {
  open();
  Caller call(place_);
  entered_.pass();
  place_.store(nullptr);
  EXPECT_FALSE(end_visits(*rig_->session, milliseconds(0)));
  leave_.open();
  EXPECT_EQ(call.code(), VAC_OK);
  EXPECT_TRUE(end_visits(*rig_->session, minutes(1)));
}

TEST_F(CallStates, DoneIgnoresWhatComesLate) {
  open();
  leave_.open();
  CallContext context;
  vac_arg arg = no_data();
  vac_call call{};
  call.op = kNoop;
  call.args = &arg;
  call.arg_count = 1;
  EXPECT_EQ(rig_->session->dispatch(call, context), VAC_OK);
  context.cancel();
  EXPECT_EQ(submitted_, 1);
}

TEST_F(CallStates, NothingIsNewInAClosedSession) {
  open();
  leave_.open();
  place_.store(nullptr);
  Caller call(place_);
  EXPECT_EQ(call.code(), -1);
  EXPECT_EQ(submitted_, 0);
}

TEST_F(CallStates, CallsAreInsideEachOtherOnlySoDeep) {
  int depth = 0;
  plugin_.offers = {{kNoop, 1, 0, 0}};
  plugin_.on_submit = [&](vac_call&) -> int {
    const Visit visit(place_, process_number());
    if (visit.session() == nullptr) return VAC_EDEADLK;
    ++depth;
    return rig_->call(kNoop, {no_data()});
  };
  open();
  EXPECT_EQ(rig_->call(kNoop, {no_data()}), VAC_EDEADLK);
  EXPECT_EQ(depth, 16);
  EXPECT_FALSE(visits(*rig_->session));
}

}  // namespace
}  // namespace vac::core
