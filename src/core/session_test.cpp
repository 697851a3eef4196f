// SPDX-License-Identifier: Apache-2.0
// Dispatch: what is refused, which plugin serves, what plugins are told.
#include "core/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/plugin.hpp"
#include "core/runtime.hpp"
#include "core/session_fixture.hpp"
#include "support/temp_directory.hpp"

namespace vac::core {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace fixture;  // NOLINT(google-build-using-namespace)

TEST(Dispatch, ReachesThePluginThatOffersTheOperation) {
  FakePlugin plugin;
  int calls = 0;
  plugin.on_submit = [&](vac_call& call) {
    ++calls;
    EXPECT_EQ(call.op, kNoop);
    EXPECT_EQ(call.slot, VAC_NO_SLOT);
    return VAC_OK;
  };
  Rig rig({&plugin});
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
  EXPECT_EQ(calls, 1);
}

TEST(Dispatch, RefusesArgumentOfWrongType) {
  FakePlugin plugin;
  Rig rig({&plugin});
  EXPECT_EQ(rig.call(kNoop, {record(VAC_F32, VAC_ARRAY, VAC_IN)}), VAC_EINVAL);
  EXPECT_THAT(rig.message, HasSubstr("noop: argument 'data'"));
}

TEST(Dispatch, RefusesAnOperationThatNobodyKnows) {
  FakePlugin plugin;
  Rig rig({&plugin});
  EXPECT_EQ(rig.call(9999, {}), VAC_ENOTSUP);
}

TEST(Dispatch, SaysWhenNoPluginOffersTheOperation) {
  FakePlugin plugin;
  Rig rig({&plugin});
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}), VAC_ENOTSUP);
  EXPECT_THAT(rig.message, HasSubstr("model_load: no plugin offers it"));
}

TEST(Dispatch, LooksForOtherPluginsOnlyWhereThatIsWanted) {
  for (const bool wanted : {true, false}) {
    RuntimeOptions options = no_plugins();
    options.suggest_plugins = wanted;
    FakePlugin plugin;
    Rig rig({&plugin}, {}, std::move(options));
    EXPECT_EQ(rig.call(kLoad, {resource_arg()}), VAC_ENOTSUP);
    EXPECT_THAT(rig.message,
                HasSubstr(wanted ? "see 'vaccel list plugins'" : "who runs the agent"));
  }
}

TEST(Dispatch, PutsTheOperationBeforeAPluginsText) {
  FakePlugin plugin;
  plugin.on_submit = [&](vac_call& call) {
    plugin.host->error(plugin.host->host, &call, 7, "the device is on fire");
    return VAC_EIO;
  };
  Rig rig({&plugin});
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EIO);
  EXPECT_EQ(rig.message, "noop: the device is on fire");
}

TEST(Dispatch, WaitsForACallThatCompletesLater) {
  FakePlugin plugin;
  plugin.caps = VAC_CAP_ASYNC;
  std::thread worker;
  plugin.on_submit = [&](vac_call& call) {
    worker = std::thread([&] { plugin.host->complete(&call, VAC_EBUSY, "come back"); });
    return VAC_EINPROGRESS;
  };
  Rig rig({&plugin});
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
  EXPECT_EQ(rig.message, "noop: come back");
  worker.join();
}

TEST(Dispatch, AsksTheFirstPluginThatAcceptsTheResource) {
  FakePlugin first, second;
  first.offers = second.offers = {{kLoad, 1, 0, 0}};
  first.on_accepts = [&](const vac_resource_view&) {
    first.host->error(first.host->host, nullptr, 0, "not mine");
    return VAC_EINVAL;
  };
  int served = 0;
  second.on_submit = [&](vac_call& call) {
    ++served;
    EXPECT_EQ(call.resource_states[0], &second);
    return VAC_OK;
  };
  Rig rig({&first, &second});
  const auto resource = rig.session->add_resource(ResourceData::from_bytes({}, "").value());
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_OK);
  EXPECT_EQ(served, 1);
  EXPECT_EQ(first.attached, 0);
}

TEST(Dispatch, SaysWhyNoPluginAcceptsTheResource) {
  FakePlugin plugin;
  plugin.offers = {{kLoad, 1, 0, 0}};
  plugin.on_accepts = [&](const vac_resource_view&) {
    plugin.host->error(plugin.host->host, nullptr, 0, "resource 'x' is a poem");
    return VAC_EINVAL;
  };
  Rig rig({&plugin});
  const auto resource = rig.session->add_resource(ResourceData::from_bytes({}, "").value());
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_EINVAL);
  EXPECT_EQ(rig.message, "resource 'x' is a poem");
}

TEST(Dispatch, LeavesAResourceOfAnotherSessionAlone) {
  FakePlugin plugin;
  plugin.offers = {{kLoad, 1, 0, 0}};
  Rig rig({&plugin});
  const auto other = rig.runtime.open_session({}).value();
  const auto resource = other->add_resource(ResourceData::from_bytes({}, "").value());
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_EBADF);
}

TEST(Dispatch, RestrictsAFormatToThePluginsThatListIt) {
  FakePlugin plugin;
  plugin.offers = {{kLoad, 1, 0, 0}};
  Rig rig({&plugin});
  const auto resource =
      rig.session->add_resource(ResourceData::from_bytes({}, R"({"format":"onnx"})").value());
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_ENOTSUP);
  EXPECT_THAT(rig.message, HasSubstr("does not load format 'onnx'"));
}

TEST(Attachments, AreMadeOnceForSessionsOfOneTenant) {
  FakePlugin plugin;
  plugin.offers = {{kLoad, 1, 0, 0}};
  {
    Rig rig({&plugin});
    const auto data = ResourceData::from_bytes({}, "").value();
    const auto one = rig.session->add_resource(data);
    const auto two = rig.session->add_resource(data);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        vac_arg arg = resource_arg();
        vac_call call{};
        call.op = kLoad;
        call.args = &arg;
        call.arg_count = 1;
        Resource* const resources[] = {i % 2 == 0 ? one.get() : two.get()};
        CallContext context;
        context.resources = resources;
        EXPECT_EQ(rig.session->dispatch(call, context), VAC_OK);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(plugin.attached, 1);
    EXPECT_EQ(plugin.detached, 0);
  }
  EXPECT_EQ(plugin.detached, 1);
}

TEST(Slots, BoundHowManyCallsRunAtOnce) {
  FakePlugin plugin;
  plugin.offers = {{kNoop, 1, 2, 0}};
  std::atomic<int> inside{0}, most{0};
  plugin.on_submit = [&](vac_call& call) {
    EXPECT_LT(call.slot, 2U);
    const int now = ++inside;
    int seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    std::this_thread::yield();
    --inside;
    return VAC_OK;
  };
  Rig rig({&plugin});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        vac_arg arg = no_data();
        vac_call call{};
        call.op = kNoop;
        call.args = &arg;
        call.arg_count = 1;
        CallContext context;
        EXPECT_EQ(rig.session->dispatch(call, context), VAC_OK);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 2);
}

TEST(Slots, GiveUpAtTheDeadline) {
  FakePlugin plugin;
  plugin.offers = {{kNoop, 1, 1, 0}};
  SessionOptions options;
  options.timeout_ms = 1;
  Rig rig({&plugin}, options);
  plugin.on_submit = [&](vac_call&) {
    return rig.call(kNoop, {no_data()});
  };  // holds the only slot
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_ETIMEDOUT);
}

TEST(Runtime, RefusesAnAddressWithoutAScheme) {
  Runtime runtime(no_plugins());
  SessionOptions options;
  options.address = "/run/vaccel.sock";
  const auto session = runtime.open_session(options);
  ASSERT_FALSE(session);
  EXPECT_THAT(session.error().text(), HasSubstr("has no scheme"));
}

TEST(Runtime, SuggestsThePluginThatWasMeant) {
  RuntimeOptions options = no_plugins();
  options.plugins = {"no_such_plugin"};
  Runtime runtime(options);
  const Status loaded = runtime.load_plugins();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text(), HasSubstr("'no_such_plugin' is not installed"));
}

TEST(Runtime, NamesEveryFolderThatItSearched) {
  RuntimeOptions options = no_plugins();
  options.plugins = {"no_such_plugin"};
  options.search_path = {"/nowhere/a", "/nowhere/b"};
  Runtime runtime(options);
  EXPECT_THAT(runtime.load_plugins().error().text(),
              HasSubstr("searched /nowhere/a, /nowhere/b: "));
}

TEST(Runtime, TakesAnEmptyChoiceInTheEnvironmentForNone) {
  ::setenv("VAC_PLUGINS", "", 1);
  EXPECT_FALSE(RuntimeOptions::from_environment().only_these);
  ::setenv("VAC_PLUGINS", "one", 1);
  EXPECT_TRUE(RuntimeOptions::from_environment().only_these);
  ::unsetenv("VAC_PLUGINS");
}

/// What Plugin::load says of the first `part` of this program's bytes.
std::string complaint_about(double part) {
  const test::TempDirectory folder;
  const std::filesystem::path file = folder / "cut.so";
  std::filesystem::copy_file("/proc/self/exe", file);
  const auto whole = static_cast<double>(std::filesystem::file_size(file));
  std::filesystem::resize_file(file, static_cast<std::uintmax_t>(whole * part));
  return Plugin::load(file.string(), 0, "{}").error().text();
}

TEST(PluginFile, IsRefusedWhenItIsCutShort) {
  for (const double part : {0.0, 0.000001, 0.00005, 0.3, 0.999}) {
    EXPECT_THAT(complaint_about(part), HasSubstr("is cut short")) << part;
  }
  EXPECT_THAT(complaint_about(1), Not(HasSubstr("is cut short")));
}

TEST(PluginFile, MustBeALibrary) {
  const test::TempDirectory folder;
  std::ofstream(folder / "text.so") << std::string(1000, 'x');
  const auto loaded = Plugin::load((folder / "text.so").string(), 0, "{}");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text(), HasSubstr("invalid ELF header"));
}

}  // namespace
}  // namespace vac::core
