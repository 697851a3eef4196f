// SPDX-License-Identifier: Apache-2.0
// Calls that their plugin takes without waiting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/session_fixture.hpp"

namespace vac::core {
namespace {

using fixture::FakePlugin;
using ::testing::HasSubstr;

/// A plugin at remote addresses that keeps what it is given until the test completes it.
struct TakingPlugin : FakePlugin {
  TakingPlugin() {
    caps = VAC_CAP_REMOTE | VAC_CAP_NO_WAIT;
    offers.clear();
    on_submit = [this](vac_call& call) {
      taken.push_back(&call);
      return VAC_EINPROGRESS;
    };
    on_cancel = [this](vac_call& call) { cancelled.push_back(&call); };
    on_session_cancel = [this] { ++session_cancels; };
  }
  void complete(int code, const char* message = nullptr) {
    vac_call* const call = taken.front();
    taken.erase(taken.begin());
    host->complete(call, code, message);
  }
  std::vector<vac_call*> taken, cancelled;
  int session_cancels = 0;
};

/// A call of no-op or another with records of the test's.
class Call final : public TakenCall {
 public:
  explicit Call(std::uint32_t op = fixture::kNoop, std::vector<vac_arg> args = {fixture::no_data()})
      : args_(std::move(args)) {
    call.op = op;
    call.args = args_.data();
    call.arg_count = static_cast<std::uint32_t>(args_.size());
  }
  void on_end(int code) noexcept override {
    ++ends;
    ended_with = code;
  }
  vac_call call{};
  CallContext context;
  std::optional<int> ended_with;
  int ends = 0;

 private:
  std::vector<vac_arg> args_;
};

class SessionTaken : public testing::Test {
 protected:
  static SessionOptions at(const char* address) {
    SessionOptions options;
    options.address = address;
    return options;
  }
  void open() { rig_.emplace(std::vector<FakePlugin*>{&plugin_}, at("fake://there")); }
  bool start(Call& call) { return rig_->session->start(call.call, call.context, call); }

  TakingPlugin plugin_;
  std::optional<fixture::Rig> rig_;
};

TEST_F(SessionTaken, EndWhenTheirPluginCompletesThem) {
  open();
  Call good, bad;
  ASSERT_TRUE(start(good) && start(bad));
  EXPECT_FALSE(good.ended_with || bad.ended_with);
  plugin_.complete(VAC_OK);
  EXPECT_EQ(good.ended_with, VAC_OK);
  plugin_.host->error(plugin_.host->host, &bad.call, 7, "it is broken");
  plugin_.complete(VAC_EREMOTEIO);
  EXPECT_EQ(bad.ended_with, VAC_EREMOTEIO);
  EXPECT_EQ(bad.context.message, "it is broken");
  EXPECT_EQ(bad.context.detail, 7U);
}

TEST_F(SessionTaken, MayEndBeforeTheyAreTaken) {
  plugin_.on_submit = [this](vac_call& call) {
    plugin_.host->complete(&call, VAC_OK, nullptr);
    return VAC_EINPROGRESS;
  };
  open();
  Call call;
  EXPECT_TRUE(start(call));
  EXPECT_EQ(call.ended_with, VAC_OK);
}

TEST_F(SessionTaken, AreGivenWithoutLeaveToBlock) {
  std::uint32_t flags = 99;
  plugin_.on_submit = [&](vac_call& call) {
    flags = call.flags;
    return VAC_EAGAIN;
  };
  open();
  Call call;
  EXPECT_FALSE(start(call)) << "it is left as it was";
  EXPECT_EQ(flags, 0U);
  plugin_.on_submit = [](vac_call&) { return VAC_OK; };
  EXPECT_EQ(rig_->session->dispatch(call.call, call.context), VAC_OK);
  EXPECT_EQ(call.ends, 0);
}

TEST_F(SessionTaken, AreNotStartedWhereTheyWouldFail) {
  open();
  Call unknown(9999), unsound(fixture::kNoop, {});
  EXPECT_FALSE(start(unknown) || start(unsound));
  plugin_.on_submit = [](vac_call&) -> int { throw std::string("plugins do not throw"); };
  Call thrown;
  EXPECT_FALSE(start(thrown));
  EXPECT_EQ(unknown.ends + unsound.ends + thrown.ends, 0);
}

TEST_F(SessionTaken, AreOfPluginsThatSaySoAlone) {
  const auto takes = [](FakePlugin& plugin, const char* address) {
    fixture::Rig rig({&plugin}, at(address));
    Call call;
    return rig.session->start(call.call, call.context, call);
  };
  TakingPlugin local, without_cap, without_hook, asynchronous;
  local.offers = {{fixture::kNoop, 1, 0, 0}};
  EXPECT_FALSE(takes(local, "local:"));
  without_cap.caps = VAC_CAP_REMOTE;
  EXPECT_FALSE(takes(without_cap, "fake://there"));
  without_hook.on_session_cancel = nullptr;
  EXPECT_FALSE(takes(without_hook, "fake://there"));
  asynchronous.caps |= VAC_CAP_ASYNC;
  EXPECT_FALSE(takes(asynchronous, "fake://there")) << "such a plugin gets copies";
}

TEST_F(SessionTaken, AreHeldToTheirRecords) {
  open();
  std::array<double, 2> data{}, result{};
  const auto minmax = [&] {
    using fixture::array;
    using fixture::record;
    return std::vector<vac_arg>{array(VAC_F64, VAC_IN, data.data(), sizeof data),
                                record(VAC_I32, VAC_SCALAR, VAC_IN),
                                record(VAC_I32, VAC_SCALAR, VAC_IN),
                                array(VAC_F64, VAC_OUT, result.data(), sizeof result),
                                record(VAC_F64, VAC_SCALAR, VAC_OUT),
                                record(VAC_F64, VAC_SCALAR, VAC_OUT)};
  };
  Call honest(fixture::kMinmax, minmax()), liar(fixture::kMinmax, minmax());
  ASSERT_TRUE(start(honest) && start(liar));
  plugin_.taken[0]->args[3].bytes = sizeof(double);
  plugin_.taken[1]->args[3].bytes = 1000;
  plugin_.complete(VAC_OK);
  plugin_.complete(VAC_OK);
  EXPECT_EQ(honest.ended_with, VAC_OK);
  EXPECT_EQ(liar.ended_with, VAC_EIO);
  EXPECT_THAT(liar.context.message, HasSubstr("says that it wrote 1000 bytes"));
}

TEST_F(SessionTaken, HaveTheirResourcesAttached) {
  open();
  auto resource = rig_->session->add_resource(ResourceData::from_bytes({}, "{}").value());
  Resource* resources[] = {resource.get()};
  Call call(fixture::kLoad, {fixture::resource_arg()});
  call.context.resources = resources;
  ASSERT_TRUE(start(call));
  EXPECT_EQ(plugin_.taken[0]->resource_states[0], &plugin_);
  plugin_.complete(VAC_OK);
  EXPECT_EQ(call.ended_with, VAC_OK);
}

TEST_F(SessionTaken, AreCompletedOnce) {
  fixture::LogCapture log;
  open();
  Call call;
  ASSERT_TRUE(start(call));
  plugin_.complete(VAC_OK);
  plugin_.host->complete(&call.call, VAC_EIO, "again");
  EXPECT_EQ(call.ends, 1);
  EXPECT_EQ(call.ended_with, VAC_OK);
}

TEST_F(SessionTaken, AreCancelledByTheirPlugin) {
  open();
  Call one, other;
  ASSERT_TRUE(start(one) && start(other));
  one.context.cancel();
  rig_->session->cancel_taken(one.call);
  EXPECT_EQ(plugin_.cancelled, std::vector<vac_call*>{&one.call});
  EXPECT_EQ(plugin_.host->cancelled(&one.call), 1);
  EXPECT_EQ(plugin_.host->cancelled(&other.call), 0);
  rig_->session->cancel_calls();
  EXPECT_EQ(plugin_.session_cancels, 1);
  EXPECT_EQ(plugin_.host->cancelled(&other.call), 1);
  plugin_.complete(VAC_ECANCELED);
  plugin_.complete(VAC_ECANCELED);
  EXPECT_EQ(one.ended_with, VAC_ECANCELED);
  EXPECT_EQ(other.ended_with, VAC_ECANCELED);
}

TEST_F(SessionTaken, HaveTheTimeOfTheirSession) {
  SessionOptions options = at("fake://there");
  options.timeout_ms = 60'000;
  rig_.emplace(std::vector<FakePlugin*>{&plugin_}, std::move(options));
  Call call;
  ASSERT_TRUE(start(call));
  EXPECT_NE(call.call.deadline_ns, 0);
  plugin_.complete(VAC_OK);
}

}  // namespace
}  // namespace vac::core
