// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <bit>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/fake_host.hpp"
#include "support/test_paths.hpp"

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StrEq;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

/// The table of a plugin, as VAC_PLUGIN would export it. Each T is a plugin of its own.
template <class T>
const vac_plugin* table_of() {
  return vac::thunks::plugin_table<T>(VAC_ABI_MAJOR);
}

// --- The plugin of the manual, as a file of its own

class Mine : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = vac::test::build_directory() / "test" / "plugins" / "mine.so";
    library_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << ::dlerror();
    entry_ = reinterpret_cast<Entry>(::dlsym(library_, "vac_plugin_entry"));
    ASSERT_NE(entry_, nullptr);
  }
  void TearDown() override { ::dlclose(library_); }

  using Entry = const vac_plugin* (*)(std::uint32_t, std::uint32_t);
  void* library_ = nullptr;
  Entry entry_ = nullptr;
};

TEST_F(Mine, RefusesAnotherMajorAndTakesAnyMinor) {
  EXPECT_EQ(entry_(VAC_ABI_MAJOR + 1, 0), nullptr);
  EXPECT_EQ(entry_(VAC_ABI_MAJOR - 1, 0), nullptr);
  EXPECT_NE(entry_(VAC_ABI_MAJOR, VAC_ABI_MINOR + 7), nullptr);
}

TEST_F(Mine, TableSaysWhatItOffers) {
  const vac_plugin* table = entry_(VAC_ABI_MAJOR, VAC_ABI_MINOR);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->struct_size, sizeof(vac_plugin));
  EXPECT_STREQ(table->name, "mine");
  EXPECT_STREQ(table->version, "1.0");
  ASSERT_EQ(table->op_count, 1U);
  EXPECT_EQ(table->ops[0].op, vac::ops::Minmax::id);
  EXPECT_EQ(table->ops[0].max_batch, 1U);
  EXPECT_EQ(table->ops[0].concurrency, 0U);
  EXPECT_EQ(table->formats, nullptr);
  EXPECT_EQ(table->accepts, nullptr);
  EXPECT_EQ(table->resource_attach, nullptr);
  EXPECT_EQ(table->describe, nullptr);
}

TEST_F(Mine, AnswersACallInPlace) {
  FakeHost host;
  OpenPlugin plugin(host, entry_(VAC_ABI_MAJOR, VAC_ABI_MINOR));
  const std::vector<double> data = {-4, 2.5, 9};
  std::vector<double> result(3);
  FakeCall call(host, vac::ops::Minmax::id);
  call.array(VAC_F64, data.data(), 24).scalar(VAC_I32, std::uint32_t(-1)).scalar(VAC_I32, 5);
  call.out_array(VAC_F64, result.data(), 24).out_scalar(VAC_F64).out_scalar(VAC_F64);

  EXPECT_EQ(plugin.submit(call), VAC_OK);
  EXPECT_THAT(result, ElementsAre(-1, 2.5, 5));
  EXPECT_EQ(call.record(3).bytes, 24U);
  EXPECT_EQ(std::bit_cast<double>(call.record(4).value), -1);
  EXPECT_EQ(std::bit_cast<double>(call.record(5).value), 5);
  EXPECT_TRUE(host.outputs.empty());
}

TEST_F(Mine, TellsTheHostWhyACallFails) {
  FakeHost host;
  OpenPlugin plugin(host, entry_(VAC_ABI_MAJOR, VAC_ABI_MINOR));
  FakeCall call(host, vac::ops::Minmax::id);
  call.array(VAC_F64, nullptr, 0).scalar(VAC_I32, 2).scalar(VAC_I32, 1);
  call.out_array(VAC_F64, nullptr, 0).out_scalar(VAC_F64).out_scalar(VAC_F64);

  EXPECT_EQ(plugin.submit(call), VAC_EINVAL);
  EXPECT_EQ(host.error, "'low' is above 'high'");
}

// --- Handlers

vac::Status noop_ok(vac::Call& /*call*/, const vac::ops::Noop::Args& /*in*/) { return {}; }

struct Throws {
  static const auto& plugin() {
    static const auto made =
        vac::Plugin("throws", "1")
            .handles<vac::ops::Noop>([](vac::Call&, const vac::ops::Noop::Args& in) -> vac::Status {
              if (!in.data) throw std::bad_alloc();
              if (in.data->empty()) throw std::runtime_error("framework: no such device");
              throw 7;
            });
    return made;
  }
};

TEST(PluginHandler, TurnsExceptionsIntoErrors) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Throws>());
  FakeCall no_memory(host, vac::ops::Noop::id);
  EXPECT_EQ(plugin.submit(no_memory.absent(VAC_BYTE, VAC_IN)), VAC_ENOMEM);
  EXPECT_EQ(host.error, "out of memory");

  FakeCall framework(host, vac::ops::Noop::id);
  EXPECT_EQ(plugin.submit(framework.array(VAC_BYTE, "", 0)), VAC_EIO);
  EXPECT_EQ(host.error, "framework: no such device");

  FakeCall number(host, vac::ops::Noop::id);
  EXPECT_EQ(plugin.submit(number.array(VAC_BYTE, "x", 1)), VAC_EIO);
  EXPECT_THAT(host.error, HasSubstr("no std::exception"));
}

struct State {
  int calls = 0;
  std::string config;
  vac::Status count(vac::Call& /*call*/, const vac::ops::Noop::Args& /*in*/) {
    ++calls;
    return {};
  }
};

vac::Status fail_with_detail(State& state, vac::Call& /*call*/,
                             const vac::ops::Minmax::Args& /*in*/) {
  return vac::Error{vac::Errc::failed, "call " + std::to_string(state.calls)}.with_detail(77);
}

struct Stateful {
  static const auto& plugin() {
    static const auto made =
        vac::Plugin<State>("stateful", "1")
            .opens(
                [](vac::Host host, std::string_view config) -> vac::Result<std::unique_ptr<State>> {
                  host.log(VAC_LOG_INFO, "opening");
                  if (config == "bad") return vac::Error{vac::Errc::invalid, "no such key 'bad'"};
                  return std::make_unique<State>(State{0, std::string(config)});
                })
            .handles<vac::ops::Noop>(&State::count,
                                     {.quick = true, .concurrency = 2, .max_batch = 8})
            .handles<vac::ops::Minmax>(fail_with_detail)
            .describes([](State& state) -> vac::Result<std::string> { return state.config; });
    return made;
  }
};

TEST(PluginOpen, RefusesSettingsThatNobodyReads) {
  FakeHost host;
  const OpenPlugin none(host, table_of<Throws>(), "{}");
  EXPECT_EQ(none.code(), VAC_OK);
  const OpenPlugin some(host, table_of<Throws>(), R"({"threads":2})");
  EXPECT_EQ(some.code(), VAC_EINVAL);
  EXPECT_EQ(host.error,
            R"(the plugin takes no settings and was given {"threads":2}: leave them out)");
}

TEST(PluginHandler, TakesThePluginsState) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Stateful>(), R"({"threads":2})");
  EXPECT_THAT(host.log, ElementsAre(StrEq("opening")));
  for (int i = 0; i < 2; ++i) {
    FakeCall call(host, vac::ops::Noop::id);
    EXPECT_EQ(plugin.submit(call.absent(VAC_BYTE, VAC_IN)), VAC_OK);
  }
  FakeCall call(host, vac::ops::Minmax::id);
  call.array(VAC_F64, nullptr, 0).scalar(VAC_I32, 0).scalar(VAC_I32, 1);
  call.out_array(VAC_F64, nullptr, 0).out_scalar(VAC_F64).out_scalar(VAC_F64);
  EXPECT_EQ(plugin.submit(call), VAC_EIO);
  EXPECT_EQ(host.error, "call 2");
  EXPECT_EQ(host.detail, 77U);
}

TEST(PluginHandler, IsOfferedAsItSays) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Stateful>());
  const auto offer = plugin.offer(vac::ops::Noop::id);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->flags, VAC_OFFER_QUICK);
  EXPECT_EQ(offer->concurrency, 2U);
  EXPECT_EQ(offer->max_batch, 8U);
  EXPECT_EQ(plugin.offer(vac::ops::Minmax::id)->flags, 0U);
  EXPECT_FALSE(plugin.offer(vac::ops::Sgemm::id));
}

TEST(PluginHandler, IsMissedWithoutHarm) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Stateful>());
  for (const std::uint32_t op : {0U, vac::ops::Sgemm::id, vac::ops::Noop::id + 512U, 9999U}) {
    FakeCall call(host, op);
    EXPECT_EQ(plugin.submit(call), VAC_ENOTSUP) << op;
  }
}

TEST(PluginHandler, CompletesEachCallOfABatch) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Stateful>());
  FakeCall good(host, vac::ops::Noop::id);
  FakeCall missing(host, vac::ops::Sgemm::id);
  good.absent(VAC_BYTE, VAC_IN);
  vac_call* calls[] = {&good.call(), &missing.call()};
  EXPECT_EQ(plugin.table().submit(plugin.state(), calls, 2), VAC_EINPROGRESS);
  EXPECT_THAT(host.completed,
              ElementsAre(std::pair(calls[0], VAC_OK), std::pair(calls[1], VAC_ENOTSUP)));
}

TEST(PluginOpen, ReportsItsError) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Stateful>(), "bad");
  EXPECT_EQ(plugin.code(), VAC_EINVAL);
  EXPECT_EQ(host.error, "no such key 'bad'");
  EXPECT_EQ(plugin.state(), nullptr);
}

TEST(PluginDescribe, SaysTheSizeThatItNeeds) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Stateful>(), "0123456789");
  char json[10];
  std::size_t bytes = 9;
  EXPECT_EQ(plugin.table().describe(plugin.state(), json, &bytes), VAC_ENOSPC);
  EXPECT_EQ(bytes, 10U);
  EXPECT_EQ(plugin.table().describe(plugin.state(), json, &bytes), VAC_OK);
  EXPECT_EQ(std::string_view(json, bytes), "0123456789");
}

// --- Resources and sessions

int live_states = 0;
struct ModelState {
  explicit ModelState(std::string digest) : digest(std::move(digest)) { ++live_states; }
  ModelState(const ModelState&) = delete;
  ModelState& operator=(const ModelState&) = delete;
  ~ModelState() { --live_states; }
  std::string digest;
};
struct SessionState {
  std::string tenant;
};

vac::Status check_states(vac::Call& call, const vac::ops::ModelLoad::Args& in) {
  return vac::Error{vac::Errc::busy,
                    in.model.state<ModelState>().digest + call.session<SessionState>().tenant};
}

struct WithResources {
  static const auto& plugin() {
    static const auto made =
        vac::Plugin("resources", "1")
            .handles<vac::ops::ModelLoad>(check_states)
            .handles<vac::ops::ImageClassify>(
                [](vac::Call&, const vac::ops::ImageClassify::Args& in) -> vac::Status {
                  if (in.model) return vac::Error{vac::Errc::exists, "there is a model"};
                  return {};
                })
            .attaches(
                [](const vac_resource_view& view) -> vac::Result<std::unique_ptr<ModelState>> {
                  if (view.file_count == 0) return vac::Error{vac::Errc::invalid, "no file"};
                  return std::make_unique<ModelState>(view.digest);
                })
            .sessions(
                [](const vac_session_view& view) -> vac::Result<std::unique_ptr<SessionState>> {
                  return std::make_unique<SessionState>(SessionState{view.tenant});
                })
            .accepts([](const vac_resource_view& view) -> vac::Status {
              if (view.kind == VAC_RESOURCE_FILE) return {};
              return vac::Error{vac::Errc::not_supported, "not a file"};
            })
            .formats({"torchscript", "onnx"});
    return made;
  }
};

vac_resource_view view_of(const char* digest, std::uint32_t files) {
  vac_resource_view view{};
  view.struct_size = sizeof view;
  view.digest = digest;
  view.kind = files == 0 ? VAC_RESOURCE_BYTES : VAC_RESOURCE_FILE;
  view.file_count = files;
  return view;
}

TEST(PluginStates, ReachTheHandlerAndAreDestroyed) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<WithResources>());
  const vac_plugin& table = plugin.table();
  const vac_resource_view view = view_of("abc", 1);
  const vac_session_view session_view{sizeof(vac_session_view), "local:", "-vm1", "{}"};
  void* model = nullptr;
  void* session = nullptr;
  ASSERT_EQ(table.resource_attach(plugin.state(), nullptr, &view, &model), VAC_OK);
  ASSERT_EQ(table.session_open(plugin.state(), &session_view, &session), VAC_OK);
  EXPECT_EQ(live_states, 1);

  FakeCall call(host, vac::ops::ModelLoad::id);
  call.resource(model).call().session_state = session;
  vac_call* one = &call.call();
  one->session_state = session;
  EXPECT_EQ(table.submit(plugin.state(), &one, 1), VAC_EBUSY);
  EXPECT_EQ(host.error, "abc-vm1");

  table.resource_detach(plugin.state(), model);
  table.session_close(plugin.state(), session);
  EXPECT_EQ(live_states, 0);
}

TEST(PluginStates, HooksReportTheirErrors) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<WithResources>());
  const vac_resource_view empty = view_of("abc", 0);
  void* model = nullptr;
  EXPECT_EQ(plugin.table().resource_attach(plugin.state(), nullptr, &empty, &model), VAC_EINVAL);
  EXPECT_EQ(host.error, "no file");
  EXPECT_EQ(model, nullptr);
  EXPECT_EQ(plugin.table().accepts(plugin.state(), &empty), VAC_ENOTSUP);
  EXPECT_EQ(host.error, "not a file");
  const vac_resource_view file = view_of("abc", 1);
  EXPECT_EQ(plugin.table().accepts(plugin.state(), &file), VAC_OK);
}

TEST(PluginStates, AbsentResourceIsFalse) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<WithResources>());
  ModelState model("x");
  FakeCall without(host, vac::ops::ImageClassify::id);
  without.absent(VAC_RESOURCE, VAC_IN).array(VAC_BYTE, "", 0).scalar(VAC_U32, 1);
  without.out_array(VAC_CHAR, nullptr, VAC_ANY_BYTES).absent(VAC_BYTE, VAC_OUT);
  EXPECT_EQ(plugin.submit(without), VAC_OK);
  FakeCall with(host, vac::ops::ImageClassify::id);
  with.resource(&model).array(VAC_BYTE, "", 0).scalar(VAC_U32, 1);
  with.out_array(VAC_CHAR, nullptr, VAC_ANY_BYTES).absent(VAC_BYTE, VAC_OUT);
  EXPECT_EQ(plugin.submit(with), VAC_EEXIST);
}

TEST(PluginTable, ListsFormatsToANull) {
  const vac_plugin* table = table_of<WithResources>();
  ASSERT_NE(table->formats, nullptr);
  EXPECT_STREQ(table->formats[0], "torchscript");
  EXPECT_STREQ(table->formats[1], "onnx");
  EXPECT_EQ(table->formats[2], nullptr);
}

// --- Every operation

struct Generic {
  static const auto& plugin() {
    static const auto made =
        vac::Plugin("generic", "1")
            .handles<vac::ops::Noop>(noop_ok)
            .handles_all(
                [](vac::Call& call) -> vac::Status {
                  return vac::Error{vac::Errc::busy, std::to_string(call.op()) + " with " +
                                                         std::to_string(call.records().size())};
                },
                {.concurrency = 3});
    return made;
  }
};

TEST(PluginForAll, ServesEveryOperationThatHasNoHandler) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Generic>());
  for (const std::uint32_t op : vac::ops::kPublicIds) {
    FakeCall call(host, op);
    EXPECT_EQ(plugin.submit(call.absent(VAC_BYTE, VAC_IN)),
              op == vac::ops::Noop::id ? VAC_OK : VAC_EBUSY);
    EXPECT_EQ(plugin.offer(op)->concurrency, op == vac::ops::Noop::id ? 0U : 3U);
  }
  EXPECT_EQ(host.error, std::to_string(vac::ops::kPublicIds.back()) + " with 1");
}

struct TooMany {
  static const auto& plugin() {
    static const auto made = [] {
      vac::Plugin plugin("too_many", "1");
      std::array<std::uint32_t, decltype(plugin)::kMaxOperations + 1> ids{};
      for (std::size_t i = 0; i < ids.size(); ++i)
        ids[i] = static_cast<std::uint32_t>(32 + 512 * i);
      plugin.handles_all([](vac::Call&) -> vac::Status { return {}; }, ids);
      return plugin;
    }();
    return made;
  }
};

TEST(PluginForAll, MoreThanFitsIsRefused) { EXPECT_EQ(table_of<TooMany>(), nullptr); }

// --- The call

struct Telling {
  static const auto& plugin() {
    static const auto made =
        vac::Plugin("telling", "1")
            .handles<vac::ops::Noop>(
                [](vac::Call& call, const vac::ops::Noop::Args&) -> vac::Status {
                  call.progress(3, 4);
                  if (call.cancelled()) return vac::Error{vac::Errc::cancelled};
                  if (!call.deadline()) return {};
                  return vac::Error{vac::Errc::again,
                                    std::to_string(call.deadline()->time_since_epoch().count())};
                });
    return made;
  }
};

TEST(PluginCall, TellsDeadlineAndCancellation) {
  FakeHost host;
  OpenPlugin plugin(host, table_of<Telling>());
  FakeCall call(host, vac::ops::Noop::id);
  call.absent(VAC_BYTE, VAC_IN);
  vac_call* raw = &call.call();
  EXPECT_EQ(plugin.table().submit(plugin.state(), &raw, 1), VAC_OK);
  EXPECT_EQ(host.progress_done, 3U);
  raw->deadline_ns = 123456789;
  EXPECT_EQ(plugin.table().submit(plugin.state(), &raw, 1), VAC_EAGAIN);
  EXPECT_EQ(host.error, "123456789");
  host.cancelled = true;
  EXPECT_EQ(plugin.table().submit(plugin.state(), &raw, 1), VAC_ECANCELED);
  EXPECT_EQ(host.error, "cancelled");
}

}  // namespace
