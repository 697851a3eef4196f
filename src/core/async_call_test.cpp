// SPDX-License-Identifier: Apache-2.0
// Asynchronous plugins: those that keep to the rules, and those that complete twice, late, or
// never.
#include "core/async_call.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/plugin.hpp"
#include "core/session_fixture.hpp"

namespace vac::core {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace fixture;  // NOLINT(google-build-using-namespace)

RuntimeOptions without_grace() {
  RuntimeOptions options = no_plugins();
  options.cancel_grace = std::chrono::milliseconds(0);
  return options;
}

SessionOptions timeout(std::uint32_t milliseconds) {
  SessionOptions options;
  options.timeout_ms = milliseconds;
  return options;
}

/// An asynchronous plugin, which must outlive what it never completes.
struct AsyncPlugin : FakePlugin {
  AsyncPlugin() { caps = VAC_CAP_ASYNC; }
  void complete(vac_call* call, int code = VAC_OK, const char* text = nullptr) const {
    host->complete(call, code, text);
  }
};

TEST(Completing, FromAnotherThreadWhileSubmitRuns) {
  AsyncPlugin plugin;
  Rig rig({&plugin});
  plugin.on_submit = [&](vac_call& call) {
    std::thread([&] { plugin.complete(&call, VAC_EBUSY, "come back"); }).join();
    return VAC_EINPROGRESS;
  };
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
    ASSERT_EQ(rig.message, "noop: come back");
  }
}

TEST(Completing, WithNoCodeOrABadTextIsMended) {
  AsyncPlugin plugin;
  Rig rig({&plugin});
  int code = 0;
  const char* text = nullptr;
  plugin.on_submit = [&](vac_call& call) {
    plugin.complete(&call, code, text);
    return VAC_EINPROGRESS;
  };
  code = VAC_EINPROGRESS;
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EIO);
  code = -7;
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EIO);
  EXPECT_THAT(rig.message, HasSubstr("answered -7, which is no error code"));
  code = VAC_EBUSY;
  text = "\xff";
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
  EXPECT_EQ(rig.message, "noop: \\xff");
}

TEST(Completing, WhatIsNotWaitedForIsIgnoredAndSaidOnce) {
  LogCapture log;
  AsyncPlugin plugin;
  Rig rig({&plugin});
  plugin.on_submit = [&](vac_call& call) {
    plugin.complete(&call, VAC_EBUSY, "first");
    plugin.complete(&call, VAC_OK, "second");
    return VAC_EINPROGRESS;
  };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
  EXPECT_EQ(rig.message, "noop: first");
  vac_call* last = nullptr;
  plugin.on_submit = [&](vac_call& call) {
    last = &call;
    return VAC_OK;
  };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
  plugin.complete(last, VAC_EIO, "after its code");
  vac_call foreign{};
  plugin.complete(&foreign);
  plugin.complete(nullptr);
  EXPECT_THAT(log.lines(), ElementsAre(HasSubstr("has completed a call that is not waited for")));
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
}

TEST(Completing, BesideAReturnedCodeIsSaidOnceAndTheCodeCounts) {
  LogCapture log;
  AsyncPlugin plugin;
  Rig rig({&plugin});
  plugin.on_submit = [&](vac_call& call) {
    plugin.complete(&call, VAC_EBUSY, "completed");
    return VAC_OK;
  };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
  EXPECT_THAT(log.lines(), ElementsAre(HasSubstr("and returned a code as well, which counts")));
}

TEST(Completing, BySynchronousPluginsIsIgnored) {
  FakePlugin plugin;  // no VAC_CAP_ASYNC
  Rig rig({&plugin});
  plugin.on_submit = [&](vac_call& call) {
    plugin.host->complete(&call, VAC_EIO, "not mine to say");
    return VAC_OK;
  };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
}

TEST(AsyncCalls, ThrowWithoutHarm) {
  AsyncPlugin plugin;
  Rig rig({&plugin});
  plugin.on_submit = [](vac_call&) -> int { throw std::runtime_error("boom"); };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EIO);
  EXPECT_EQ(rig.message, "noop: the plugin threw from submit: boom");
}

/// Has one number for `result`, which it keeps.
class NumberSink final : public OutputSink {
 public:
  void* output(vac_call&, std::uint32_t, std::uint32_t, std::uint64_t bytes, std::uint8_t,
               std::uint8_t, const std::int64_t*) noexcept override {
    return bytes == sizeof number ? &number : nullptr;
  }
  double number = 0;
};

TEST(AsyncCalls, CarryArgumentsAndResults) {
  AsyncPlugin plugin;
  plugin.offers = {{kMinmax, 1, 0, 0}};
  Rig rig({&plugin});
  plugin.on_submit = [&](vac_call& call) {
    std::thread([&] {
      const auto* data = reinterpret_cast<const double*>(call.args[0].value);
      void* result = plugin.host->output(&call, 3, 0, sizeof(double), VAC_F64, 0, nullptr);
      std::memcpy(result, data, sizeof(double));
      call.args[4].value = 17;
      plugin.complete(&call);
    }).join();
    return VAC_EINPROGRESS;
  };
  std::array<double, 2> data{2.5, 1};
  vac_arg room = record(VAC_F64, VAC_ARRAY, VAC_OUT);
  room.where = VAC_WHERE_NOWHERE;
  const vac_arg low = record(VAC_I32, VAC_SCALAR, VAC_IN);
  const vac_arg number = record(VAC_F64, VAC_SCALAR, VAC_OUT);
  std::array<vac_arg, 6> args{
      array(VAC_F64, VAC_IN, data.data(), sizeof data), low, low, room, number, number};
  NumberSink sink;
  vac_call call{};
  call.op = kMinmax;
  call.args = args.data();
  call.arg_count = args.size();
  CallContext context;
  context.sink = &sink;
  ASSERT_EQ(rig.session->dispatch(call, context), VAC_OK) << context.message;
  EXPECT_EQ(sink.number, 2.5);
  EXPECT_EQ(args[4].value, 17U);
}

TEST(AsyncCalls, AreNotDisturbedBySignals) {
  struct sigaction before{}, ignore{};
  ignore.sa_handler = [](int) {};  // without SA_RESTART: system calls end with EINTR
  ::sigaction(SIGUSR1, &ignore, &before);
  AsyncPlugin plugin;
  Rig rig({&plugin});
  std::atomic<vac_call*> running{nullptr};
  plugin.on_submit = [&](vac_call& call) {
    running = &call;
    return VAC_EINPROGRESS;
  };
  std::thread caller([&] { EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK); });
  while (running == nullptr) std::this_thread::yield();
  for (int i = 0; i < 100; ++i) {
    ::pthread_kill(caller.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  plugin.complete(running);
  caller.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(NeverCompleting, IsAnsweredByTheDeadline) {
  LogCapture log;
  AsyncPlugin plugin;
  plugin.offers = {{kNoop, 1, 2, 0}};
  Rig rig({&plugin}, timeout(1), without_grace());
  std::vector<vac_call*> kept;
  plugin.on_submit = [&](vac_call& call) {
    kept.push_back(&call);
    return VAC_EINPROGRESS;
  };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_ETIMEDOUT);
  EXPECT_EQ(rig.message, "noop: its time is over, and plugin 'first' has not completed it");
  EXPECT_THAT(log.lines(),
              ElementsAre(HasSubstr(
                  "plugin 'first' does not complete a call of noop: "
                  "it is given up, with its memory and slot 0; calls of its that are lost: 1")));
  // The second slot, then none is left.
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_ETIMEDOUT);
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
  EXPECT_THAT(rig.message, HasSubstr("each of the plugin's 2 slots is held by a call that it never "
                                     "completed: restart"));
  // Late is better than never.
  for (vac_call* call : kept) plugin.complete(call, VAC_OK, "at last");
  plugin.on_submit = [](vac_call&) { return VAC_OK; };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
  EXPECT_EQ(rig.runtime.plugins().front()->lost_calls(), 0U);
}

TEST(NeverCompleting, KeepsTheMemoryThatThePluginMayUse) {
  AsyncPlugin plugin;
  plugin.offers = {{kNoop, 1, 0, 0}};
  Rig rig({&plugin}, timeout(1), without_grace());
  vac_call* late = nullptr;
  plugin.on_submit = [&](vac_call& call) {
    late = &call;
    return VAC_EINPROGRESS;
  };
  {
    std::vector<char> data(1000, 'x');
    EXPECT_EQ(rig.call(kNoop, {array(VAC_BYTE, VAC_IN, data.data(), data.size())}), VAC_ETIMEDOUT);
  }
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(late->args[0].value), 1000),
            std::string(1000, 'x'));
  EXPECT_EQ(plugin.host->cancelled(late), 1);
  EXPECT_EQ(plugin.host->output(late, 0, 0, 8, VAC_BYTE, 0, nullptr), nullptr);
  plugin.host->error(plugin.host->host, late, 1, "nobody listens");
  plugin.complete(late);
}

TEST(NeverCompleting, IsToldToCancelOnceAndGivenTime) {
  AsyncPlugin plugin;
  int told = 0;
  vac_call* running = nullptr;
  plugin.on_submit = [&](vac_call& call) {
    running = &call;
    return VAC_EINPROGRESS;
  };
  plugin.on_cancel = [&](vac_call& call) {
    ++told;
    EXPECT_EQ(&call, running);
    plugin.complete(&call, VAC_ECANCELED, nullptr);
  };
  Rig rig({&plugin}, timeout(1));  // with the usual grace
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_ETIMEDOUT);
  EXPECT_EQ(told, 1);
  // Late success is success.
  plugin.on_cancel = [&](vac_call& call) { plugin.complete(&call); };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
}

TEST(NeverCompleting, MayThrowFromCancel) {
  LogCapture log;
  AsyncPlugin plugin;
  plugin.on_submit = [](vac_call&) { return VAC_EINPROGRESS; };
  plugin.on_cancel = [](vac_call&) { throw std::runtime_error("boom"); };
  Rig rig({&plugin}, timeout(1), without_grace());
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_ETIMEDOUT);
  EXPECT_THAT(log.lines(), Contains("plugin 'first' threw from cancel: boom"));
}

TEST(NeverCompleting, MayBlockInCancelUntilItCompletes) {
  AsyncPlugin plugin;
  plugin.on_submit = [](vac_call&) { return VAC_EINPROGRESS; };
  plugin.on_cancel = [&](vac_call& call) {
    std::thread([&] { plugin.complete(&call, VAC_ECANCELED, nullptr); }).join();
  };
  Rig rig({&plugin}, timeout(1));
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_ETIMEDOUT);
}

TEST(NeverCompleting, EndsWithItsSessionAndLeavesThePluginWhatItHas) {
  LogCapture log;
  AsyncPlugin plugin;
  plugin.offers = {{kLoad, 1, 0, 0}};
  int closed = 0;
  plugin.on_session_close = plugin.on_close = [&] { ++closed; };
  vac_call* late = nullptr;
  plugin.on_submit = [&](vac_call& call) {
    late = &call;
    return VAC_EINPROGRESS;
  };
  {
    Rig rig({&plugin}, {}, without_grace());  // no deadline
    const auto resource = rig.session->add_resource(ResourceData::from_bytes({}, "").value());
    std::thread caller(
        [&] { EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_ECANCELED); });
    while (plugin.attached == 0) std::this_thread::yield();
    rig.session->cancel_calls();
    caller.join();
    EXPECT_THAT(rig.message, HasSubstr("cancelled, and plugin 'first' has not completed it"));
  }
  EXPECT_EQ(plugin.detached, 0);
  EXPECT_EQ(closed, 0);
  EXPECT_THAT(log.lines(), Contains(HasSubstr("what it keeps for the session is not closed")));
  EXPECT_EQ(late->resource_states[0], &plugin);
  plugin.complete(late);
}

}  // namespace
}  // namespace vac::core
