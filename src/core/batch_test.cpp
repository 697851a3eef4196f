// SPDX-License-Identifier: Apache-2.0
// Batches: which calls may go together, and what becomes of each in one submit.
#include "core/batch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/monotonic.hpp"
#include "core/session_fixture.hpp"

namespace vac::core {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace fixture;  // NOLINT(google-build-using-namespace)

using Calls = std::span<vac_call* const>;

/// A minmax call with one number, which its plugin sends back in place.
struct Minmax {
  explicit Minmax(double number) : in(number) {}
  vac_call& call() {
    records = {array(VAC_F64, VAC_IN, &in, sizeof in), record(VAC_I32, VAC_SCALAR, VAC_IN),
               record(VAC_I32, VAC_SCALAR, VAC_IN),    array(VAC_F64, VAC_OUT, &out, sizeof out),
               record(VAC_F64, VAC_SCALAR, VAC_OUT),   record(VAC_F64, VAC_SCALAR, VAC_OUT)};
    raw.op = kMinmax;
    raw.args = records.data();
    raw.arg_count = static_cast<std::uint32_t>(records.size());
    return raw;
  }
  double in, out = 0;
  std::array<vac_arg, 6> records{};
  vac_call raw{};
  CallContext context;
};

double& number(vac_call& call, std::size_t position) {
  return *reinterpret_cast<double*>(call.args[position].value);
}

/// A plugin with one slot that doubles each number, up to eight calls at once.
class BatchTest : public testing::Test {
 protected:
  BatchTest() {
    plugin_.offers = {{kMinmax, 8, 1, 0}, {kNoop, 1, 0, 0}, {kLoad, 8, 0, 0}};
    plugin_.on_batch_key = [](const vac_call& call) { return call.op == kMinmax ? 7U : 8U; };
    plugin_.on_submit = [](vac_call& call) {
      if (call.op == kMinmax) number(call, 3) = 2 * number(call, 0);
      return VAC_OK;
    };
    plugin_.on_batch = [this](Calls calls) {
      sizes_.push_back(calls.size());
      for (vac_call* call : calls) {
        if (number(*call, 0) < 0) {
          complete(*call, VAC_EINVAL, "no negative numbers");
        } else {
          complete(*call, plugin_.on_submit(*call));
        }
      }
      return VAC_EINPROGRESS;
    };
  }
  void open(const std::string& config = "{}") {
    rig_ = std::make_unique<Rig>(std::vector{&plugin_}, SessionOptions{}, no_plugins(), config);
  }
  void complete(vac_call& call, int code, const char* message = nullptr) const {
    plugin_.host->complete(&call, code, message);
  }
  /// Runs one call for each number; the codes.
  std::vector<int> run(const std::vector<double>& numbers) {
    calls_.clear();
    for (const double one : numbers) calls_.emplace_back(one);
    return run_calls();
  }
  std::vector<int> run_calls() {
    std::vector<BatchCall> batch;
    for (Minmax& call : calls_) batch.push_back({rig_->session.get(), &call.call(), &call.context});
    Session::dispatch_batch(batch);
    std::vector<int> codes;
    for (const BatchCall& call : batch) codes.push_back(call.code);
    return codes;
  }
  std::vector<double> results() const {
    std::vector<double> all;
    for (const Minmax& call : calls_) all.push_back(call.out);
    return all;
  }
  BatchGroup group(Minmax& call) { return rig_->session->batch_group(call.call(), call.context); }
  /// Of a model_load of that resource.
  BatchGroup group_of(Session& session, Resource* resource) {
    vac_arg arg = resource_arg();
    vac_call call{};
    call.op = kLoad;
    call.args = &arg;
    call.arg_count = 1;
    CallContext context;
    context.resources = {&resource, 1};
    return session.batch_group(call, context);
  }

  FakePlugin plugin_;
  std::unique_ptr<Rig> rig_;
  std::deque<Minmax> calls_;
  std::vector<std::size_t> sizes_;
};

TEST_F(BatchTest, IsOneSubmitInOneSlot) {
  std::vector<std::uint32_t> slots;
  plugin_.on_submit = [&](vac_call& call) {
    slots.push_back(call.slot);
    number(call, 3) = 2 * number(call, 0);
    return VAC_OK;
  };
  open();
  EXPECT_THAT(run({1, 2, 3}), Each(VAC_OK));
  EXPECT_THAT(results(), ElementsAre(2, 4, 6));
  EXPECT_THAT(sizes_, ElementsAre(3U));
  EXPECT_THAT(slots, ElementsAre(0U, 0U, 0U));
  EXPECT_THAT(run({1, 2}), Each(VAC_OK)) << "the slot is free again";
}

TEST_F(BatchTest, ChargesEachCallItsShareOfTheTime) {
  plugin_.on_batch = [this](Calls calls) {
    const std::int64_t until = now_ns() + 2'000'000;
    while (now_ns() < until) {
    }
    calls[0]->plugin_us = 5;  // the plugin knows better
    for (vac_call* call : calls) complete(*call, VAC_OK);
    return VAC_EINPROGRESS;
  };
  open();
  run({1, 2, 3, 4});
  EXPECT_EQ(calls_[0].raw.plugin_us, 5U);
  EXPECT_GE(calls_[1].raw.plugin_us, 500U);
  EXPECT_EQ(calls_[1].raw.plugin_us, calls_[2].raw.plugin_us);
}

TEST_F(BatchTest, FailsACallAlone) {
  open();
  EXPECT_THAT(run({1, -2, 3}), ElementsAre(VAC_OK, VAC_EINVAL, VAC_OK));
  EXPECT_EQ(calls_[1].context.message, "minmax: no negative numbers");
  EXPECT_THAT(results(), ElementsAre(2, 0, 6));
}

TEST_F(BatchTest, ChecksEachCall) {
  open();
  calls_.emplace_back(1);
  calls_.emplace_back(2);
  calls_.emplace_back(3);
  std::vector<BatchCall> batch;
  for (Minmax& call : calls_) batch.push_back({rig_->session.get(), &call.call(), &call.context});
  calls_[1].records[0].bytes = 7;
  Session::dispatch_batch(batch);
  EXPECT_EQ(batch[0].code, VAC_OK);
  EXPECT_EQ(batch[1].code, VAC_EINVAL);
  EXPECT_THAT(calls_[1].context.message, HasSubstr("minmax"));
  EXPECT_EQ(batch[2].code, VAC_OK);
  EXPECT_THAT(sizes_, ElementsAre(2U));
}

TEST_F(BatchTest, LeavesOutWhatIsCancelledOrLate) {
  open();
  for (const double one : {1, 2, 3, 4}) calls_.emplace_back(one);
  calls_[0].context.cancel();
  calls_[2].raw.deadline_ns = 1;
  EXPECT_THAT(run_calls(), ElementsAre(VAC_ECANCELED, VAC_OK, VAC_ETIMEDOUT, VAC_OK));
  EXPECT_THAT(calls_[0].context.message, HasSubstr("cancelled before it was started"));
  EXPECT_THAT(sizes_, ElementsAre(2U));
}

TEST_F(BatchTest, OfOneIsAnOrdinaryCall) {
  open();
  for (const double one : {1, 2}) calls_.emplace_back(one);
  calls_[0].context.cancel();
  EXPECT_THAT(run_calls(), ElementsAre(VAC_ECANCELED, VAC_OK));
  EXPECT_THAT(sizes_, IsEmpty());
  EXPECT_EQ(calls_[1].out, 4);
  sizes_.clear();
  EXPECT_THAT(run({1, 2}), Each(VAC_OK));
}

TEST_F(BatchTest, IsToldOfACancelForThatCallAlone) {
  plugin_.on_batch = [this](Calls calls) {
    calls_[1].context.cancel();
    for (vac_call* call : calls) {
      complete(*call, plugin_.host->cancelled(call) != 0 ? VAC_ECANCELED : VAC_OK);
    }
    return VAC_EINPROGRESS;
  };
  open();
  EXPECT_THAT(run({1, 2, 3}), ElementsAre(VAC_OK, VAC_ECANCELED, VAC_OK));
}

TEST_F(BatchTest, RefusedByThePluginFailsAsAWhole) {
  plugin_.on_batch = [this](Calls) {
    plugin_.host->error(nullptr, nullptr, 0, "no such device");
    return VAC_ENODEV;
  };
  open();
  EXPECT_THAT(run({1, 2}), Each(VAC_ENODEV));
  EXPECT_EQ(calls_[0].context.message, "minmax: no such device");
  EXPECT_EQ(calls_[1].context.message, "minmax: no such device");
}

TEST_F(BatchTest, ContainsWhatThePluginThrows) {
  plugin_.on_batch = [this](Calls calls) -> int {
    complete(*calls[0], VAC_OK);
    throw std::runtime_error("it broke");
  };
  open();
  EXPECT_THAT(run({1, 2}), ElementsAre(VAC_OK, VAC_EIO));
  EXPECT_THAT(calls_[1].context.message, HasSubstr("threw from submit: it broke"));
  plugin_.on_batch = nullptr;
  EXPECT_THAT(run({1, 2}), Each(VAC_OK));
}

TEST_F(BatchTest, ContainsAPluginThatForgetsACallOrCompletesItTwice) {
  vac_call* forgotten = nullptr;
  plugin_.on_batch = [&](Calls calls) {
    complete(*calls[0], VAC_OK);
    complete(*calls[0], VAC_EINVAL, "not any more");
    forgotten = calls[1];
    complete(*calls[2], VAC_EINPROGRESS);
    return VAC_EINPROGRESS;
  };
  open();
  EXPECT_THAT(run({1, 2, 3}), ElementsAre(VAC_OK, VAC_EIO, VAC_EIO));
  EXPECT_THAT(calls_[1].context.message, HasSubstr("has not completed a call of the batch"));
  plugin_.on_batch = nullptr;
  complete(*forgotten, VAC_OK);
  EXPECT_EQ(plugin_.host->output(forgotten, 3, 0, 8, VAC_F64, 0, nullptr), nullptr);
  EXPECT_EQ(plugin_.host->cancelled(forgotten), 1);
  EXPECT_THAT(run({1, 2}), Each(VAC_OK)) << "its slot is free";
}

TEST_F(BatchTest, BlamesAPluginThatChangesRecords) {
  plugin_.on_batch = [this](Calls calls) {
    calls[0]->args[3].bytes = 4096;
    for (vac_call* call : calls) complete(*call, VAC_OK);
    return VAC_EINPROGRESS;
  };
  open();
  EXPECT_THAT(run({1, 2}), ElementsAre(VAC_EIO, VAC_OK));
  EXPECT_THAT(calls_[0].context.message, HasSubstr("there was room for 8"));
}

TEST_F(BatchTest, IsCompletedByAnyThread) {
  plugin_.on_batch = [this](Calls calls) {
    std::vector<std::thread> threads;
    for (vac_call* call : calls) {
      threads.emplace_back([this, call] {
        number(*call, 3) = 2 * number(*call, 0);
        complete(*call, VAC_OK);
      });
    }
    for (std::thread& thread : threads) thread.join();
    return VAC_EINPROGRESS;
  };
  open();
  EXPECT_THAT(run({1, 2, 3}), Each(VAC_OK));
  EXPECT_THAT(results(), ElementsAre(2, 4, 6));
}

// --- Groups

TEST_F(BatchTest, PutsCallsOfEqualKeysTogether) {
  plugin_.on_batch_key = [](const vac_call& call) {
    return static_cast<std::uint64_t>(number(const_cast<vac_call&>(call), 0));
  };
  open();
  Minmax one(1), again(1), other(2), alone(0);
  EXPECT_TRUE(group(one));
  EXPECT_EQ(group(one), group(again));
  EXPECT_NE(group(one), group(other));
  EXPECT_FALSE(group(alone));
  EXPECT_EQ(group(one).most, 8U);
  EXPECT_EQ(group(one).delay_ns, 0);
}

TEST_F(BatchTest, TakesTheLowerOfOfferAndSetting) {
  Minmax call(1);
  open(R"({"max_batch":3,"max_delay_us":250})");
  EXPECT_EQ(group(call).most, 3U);
  EXPECT_EQ(group(call).delay_ns, 250'000);
  open(R"({"max_batch":100})");
  EXPECT_EQ(group(call).most, 8U);
  open(R"({"max_batch":1})");
  EXPECT_FALSE(group(call));
}

TEST_F(BatchTest, OnRequestNeedsTheSetting) {
  plugin_.offers[0].flags = VAC_OFFER_BATCH_ON_REQUEST;
  Minmax call(1);
  open();
  EXPECT_FALSE(group(call));
  open(R"({"max_batch":3})");
  EXPECT_EQ(group(call).most, 3U);
}

TEST_F(BatchTest, NeverHoldsCallsOfAPluginWithoutKeysOrWithItsOwnThreads) {
  Minmax call(1);
  plugin_.on_batch_key = nullptr;
  open();
  EXPECT_FALSE(group(call));
  plugin_.on_batch_key = [](const vac_call&) { return 7U; };
  plugin_.caps = VAC_CAP_ASYNC;
  open();
  EXPECT_FALSE(group(call));
}

TEST_F(BatchTest, ContainsAKeyThatThrowsOrAsksForMore) {
  plugin_.on_batch_key = [this](const vac_call& call) -> std::uint64_t {
    auto& asking = const_cast<vac_call&>(call);
    EXPECT_EQ(plugin_.host->output(&asking, 3, 0, 8, VAC_F64, 0, nullptr), nullptr);
    plugin_.host->error(nullptr, &asking, 3, "not here");
    throw std::runtime_error("no key");
  };
  open();
  const LogCapture log;
  Minmax call(1);
  EXPECT_FALSE(group(call));
  EXPECT_EQ(call.context.message, "");
}

class BatchOfModels : public BatchTest {
 protected:
  std::shared_ptr<const ResourceData> data(std::string_view text) {
    return ResourceData::from_bytes({reinterpret_cast<const std::byte*>(text.data()), text.size()},
                                    "{}")
        .value();
  }
  std::unique_ptr<Session> session_of(const char* tenant) {
    SessionOptions options;
    options.tenant = tenant;
    return rig_->runtime.open_session(std::move(options)).value();
  }
};

TEST_F(BatchOfModels, KeepsModelsAndTenantsApart) {
  open();
  const auto one = session_of("one"), same = session_of("one"), other = session_of("other");
  const auto a = one->add_resource(data("a")), b = one->add_resource(data("b")),
             same_a = same->add_resource(data("a")), other_a = other->add_resource(data("a"));
  EXPECT_FALSE(group_of(*one, a.get())) << "nobody has attached it";
  Resource* resource = nullptr;
  for (const auto& [session, model] :
       {std::pair{one.get(), a.get()}, {one.get(), b.get()}, {other.get(), other_a.get()}}) {
    vac_arg arg = resource_arg();
    vac_call call{};
    call.op = kLoad;
    call.args = &arg;
    call.arg_count = 1;
    CallContext context;
    resource = model;
    context.resources = {&resource, 1};
    ASSERT_EQ(session->dispatch(call, context), VAC_OK) << context.message;
  }
  EXPECT_TRUE(group_of(*one, a.get()));
  EXPECT_EQ(group_of(*one, a.get()), group_of(*same, same_a.get())) << "attached by the other";
  EXPECT_NE(group_of(*one, a.get()), group_of(*one, b.get()));
  EXPECT_NE(group_of(*one, a.get()), group_of(*other, other_a.get()));
  EXPECT_EQ(plugin_.attached, 3);
}

// --- Settings

class BatchSettings : public BatchTest, public testing::WithParamInterface<const char*> {};

TEST_P(BatchSettings, RefusesWhatCannotBe) {
  EXPECT_EQ(Plugin::from_table(plugin_.table("first"), 0, GetParam()).error().code(), Errc::invalid)
      << GetParam();
}
INSTANTIATE_TEST_SUITE_P(Batch, BatchSettings,
                         testing::Values(R"({"max_batch":0})", R"({"max_batch":4097})",
                                         R"({"max_batch":"2"})", R"({"max_batch":1.5})",
                                         R"({"max_delay_us":-1})", R"({"max_delay_us":1000001})",
                                         R"({"max_batch":1,"max_delay_us":5})"));

TEST_F(BatchTest, SettingsForBatchesThatAreNotOfferedAreRefused) {
  plugin_.offers = {{kMinmax, 1, 0, 0}};
  const auto refused = Plugin::from_table(plugin_.table("first"), 0, R"({"max_batch":2})");
  EXPECT_THAT(refused.error().text(), HasSubstr("offers no operation in batches"));
  EXPECT_TRUE(Plugin::from_table(plugin_.table("first"), 0, R"({"max_batch":1})"));
}

TEST_F(BatchTest, WithoutALimitThereAreAsManySlotsAsProcessors) {
  plugin_.offers = {{kMinmax, 8, 0, 0}, {kNoop, 1, 0, 0}};
  const auto slots = [&](const char* config, std::size_t offer) {
    const auto plugin = Plugin::from_table(plugin_.table("first"), 0, config).value();
    const SlotPool* const pool = plugin->slots(plugin->offers()[offer]);
    return pool == nullptr ? 0 : pool->count();
  };
  EXPECT_EQ(slots("{}", 0), std::max(1U, std::thread::hardware_concurrency()));
  EXPECT_EQ(slots("{}", 1), 0U);
  EXPECT_EQ(slots(R"({"slots":0})", 0), 0U);
  EXPECT_EQ(slots(R"({"slots":3})", 0), 3U);
  EXPECT_EQ(slots(R"({"max_batch":1})", 0), 0U);
  plugin_.offers[0].flags = VAC_OFFER_QUICK;
  EXPECT_EQ(slots("{}", 0), 0U) << "what is quick never waits";
}

}  // namespace
}  // namespace vac::core
