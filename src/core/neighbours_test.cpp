// SPDX-License-Identifier: Apache-2.0
// Plugins that break the rules of plugin.h: each is refused or contained, with a text that says
// what it did, and what comes after it works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/plugin.hpp"
#include "core/runtime.hpp"
#include "core/session_fixture.hpp"

namespace vac::core {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace fixture;  // NOLINT(google-build-using-namespace)

[[noreturn]] int boom() { throw std::runtime_error("boom"); }

/// What adding a plugin of that table is answered with.
std::string refusal(const vac_plugin& table) {
  Runtime runtime(no_plugins());
  const Status added = runtime.add_plugin(table);
  return added ? "" : added.error().message();
}

TEST(BadTable, OfAnotherMajorIsRefused) {
  FakePlugin plugin;
  vac_plugin table = plugin.table("old");
  table.abi_major = 2;
  EXPECT_THAT(refusal(table), StartsWith("built for plugin ABI 2, this vAccel has ABI 1: rebuild"));
}

TEST(BadTable, OfANewerMinorIsTaken) {
  struct Newer {
    vac_plugin table;
    void* appended[4];
  };
  FakePlugin plugin;
  Newer newer{plugin.table("newer"), {}};
  newer.table.abi_minor = VAC_ABI_MINOR + 1;
  newer.table.struct_size = sizeof newer;
  EXPECT_EQ(refusal(newer.table), "");
}

TEST(BadTable, OfAnOlderMinorLacksItsLastSlots) {
  FakePlugin plugin;
  vac_plugin table = plugin.table("small");
  table.struct_size = offsetof(vac_plugin, cancel);
  table.describe =
      reinterpret_cast<decltype(table.describe)>(1);  // beyond the size: must not be called
  Runtime runtime(no_plugins());
  ASSERT_TRUE(runtime.add_plugin(table));
  EXPECT_THAT(runtime.describe_json(), HasSubstr(R"("describe":{})"));
}

TEST(BadTable, IsRefusedWithItsFault) {
  struct Case {
    void (*spoil)(vac_plugin&);
    const char* words;
  };
  const Case cases[] = {
      {[](vac_plugin& table) { table.struct_size = 0; }, "says to have 0 bytes, the least is"},
      {[](vac_plugin& table) { table.struct_size = 64; }, "says to have 64 bytes, the least is"},
      {[](vac_plugin& table) { table.name = nullptr; }, "has no name"},
      {[](vac_plugin& table) { table.name = ""; }, "its name '' is not"},
      {[](vac_plugin& table) { table.name = "a\nb"; }, "its name 'a\\nb' is not"},
      {[](vac_plugin& table) { table.name = "../../etc"; }, "its name '../../etc' is not"},
      {[](vac_plugin& table) { table.version = nullptr; }, "has no version"},
      {[](vac_plugin& table) { table.submit = nullptr; }, "has no 'submit'"},
      {[](vac_plugin& table) { table.ops = nullptr; }, "offers 1 operations and 'ops' is NULL"},
      {[](vac_plugin& table) { table.op_count = SIZE_MAX; }, "at most 10000 are possible"},
  };
  for (const Case& c : cases) {
    FakePlugin plugin;
    vac_plugin table = plugin.table("spoilt");
    c.spoil(table);
    const std::string text = refusal(table);
    EXPECT_THAT(text, HasSubstr(c.words));
    EXPECT_THAT(text, EndsWith("(VAC_ELIBBAD)"));
  }
}

TEST(BadTable, OfANameThatIsTakenIsRefused) {
  FakePlugin one, two;
  Runtime runtime(no_plugins());
  ASSERT_TRUE(runtime.add_plugin(one.table("same")));
  const Status added = runtime.add_plugin(two.table("same"));
  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().text(), HasSubstr("a plugin 'same' is loaded already"));
}

TEST(BadOffers, AreLeftOut) {
  FakePlugin plugin;
  // Twice, unknown, a gap of the table, the host's own.
  plugin.offers = {
      {kNoop, 1, 0, 0}, {kNoop, 1, 1, 0}, {9998, 1, 0, 0}, {31, 1, 0, 0}, {1, 1, 0, 0}};
  Rig rig({&plugin});
  EXPECT_EQ(rig.runtime.plugins().front()->offers().size(), 1U);
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
  EXPECT_EQ(rig.call(31, {}), VAC_ENOTSUP);
  EXPECT_EQ(rig.message, "operation 31 is not known here");
  EXPECT_EQ(rig.call(1, {}), VAC_ENOTSUP);
}

TEST(Throwing, FromOpenIsARefusal) {
  FakePlugin plugin;
  plugin.on_open = [](const char*) { return boom(); };
  EXPECT_EQ(refusal(plugin.table("bad")), "the plugin threw from open: boom (VAC_EIO)");
  plugin.on_open = [](const char*) -> int { throw 7; };
  EXPECT_EQ(refusal(plugin.table("bad")),
            "the plugin threw from open: something that is no std::exception (VAC_EIO)");
  plugin.on_open = [](const char*) -> int { throw std::bad_alloc(); };
  EXPECT_EQ(refusal(plugin.table("bad")), "out of memory (VAC_ENOMEM)");
}

TEST(Throwing, FromSessionOpenLeavesThePluginOut) {
  FakePlugin bad, good;
  bad.on_session_open = [] { return boom(); };
  Rig rig({&bad, &good});
  int served = 0;
  good.on_submit = [&](vac_call&) {
    ++served;
    return VAC_OK;
  };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
  EXPECT_EQ(served, 1);
}

TEST(Throwing, FromSubmitFailsTheCallAlone) {
  FakePlugin plugin;
  plugin.offers = {{kNoop, 1, 1, 0}};  // the slot must come back
  Rig rig({&plugin});
  plugin.on_submit = [](vac_call&) { return boom(); };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EIO);
  EXPECT_EQ(rig.message, "noop: the plugin threw from submit: boom");
  plugin.on_submit = [](vac_call&) -> int { throw std::bad_alloc(); };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_ENOMEM);
  EXPECT_EQ(rig.message, "noop: out of memory");
  plugin.on_submit = [](vac_call&) { return VAC_OK; };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_OK);
}

TEST(Throwing, FromAcceptsAndAttachFailsTheCallAlone) {
  FakePlugin plugin;
  plugin.offers = {{kLoad, 1, 0, 0}};
  Rig rig({&plugin});
  const auto resource = rig.session->add_resource(ResourceData::from_bytes({}, "").value());
  plugin.on_accepts = [](const vac_resource_view&) { return boom(); };
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_EIO);
  EXPECT_EQ(rig.message, "model_load: the plugin threw from accepts: boom");
  plugin.on_accepts = [](const vac_resource_view&) { return VAC_OK; };
  plugin.on_attach = [] { return boom(); };
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_EIO);
  EXPECT_EQ(rig.message, "model_load: the plugin threw from resource_attach: boom");
  plugin.on_attach = [] { return VAC_OK; };
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_OK);
}

TEST(Throwing, FromWhatReturnsNothingIsLogged) {
  FakePlugin plugin;
  plugin.on_session_close = [] { boom(); };
  plugin.on_close = [] { boom(); };
  {
    const Rig rig({&plugin});
  }
  SUCCEED() << "nothing left the plugin";
}

TEST(Throwing, FromDescribeIsItsDescription) {
  FakePlugin plugin;
  plugin.on_describe = [](char*, std::size_t*) { return boom(); };
  Rig rig({&plugin});
  EXPECT_THAT(rig.runtime.describe_json(),
              HasSubstr(R"("describe":{"error":"the plugin threw from describe: boom"})"));
}

TEST(Describing, IsBelievedOnlyWhereItCanBe) {
  struct Case {
    std::function<int(char*, std::size_t*)> describe;
    const char* words;
  };
  const Case cases[] = {
      {[](char*, std::size_t* bytes) { return *bytes = 1U << 30, VAC_OK; },
       "description of 1073741824 bytes does not fit the 4096"},
      {[](char*, std::size_t* bytes) { return *bytes = 1U << 30, VAC_ENOSPC; },
       "description of 1073741824 bytes does not fit"},
      {[](char*, std::size_t* bytes) { return ++*bytes, VAC_ENOSPC; }, "grows as it is asked"},
      {[](char* json, std::size_t* bytes) {
         std::copy_n("}],", 3, json);
         return *bytes = 3, VAC_OK;
       },
       "is no JSON object"},
      {[](char*, std::size_t*) { return 9999; }, "9999, which is no error code"},
  };
  for (const Case& c : cases) {
    FakePlugin plugin;
    plugin.on_describe = c.describe;
    Rig rig({&plugin});
    EXPECT_THAT(rig.runtime.describe_json(), HasSubstr(c.words));
  }
}

TEST(Codes, ThatAreNoneBecomeAFailure) {
  FakePlugin plugin;
  Rig rig({&plugin});
  for (const int code : {-1, 9999, 3, INT_MIN}) {
    plugin.on_submit = [&](vac_call&) { return code; };
    EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EIO);
    EXPECT_EQ(rig.message, "noop: the plugin or its framework failed (the plugin answered " +
                               std::to_string(code) + ", which is no error code)");
  }
}

TEST(Codes, OfACallThatGoesOnNeedTheCapability) {
  FakePlugin plugin;
  Rig rig({&plugin});
  plugin.on_submit = [](vac_call&) { return VAC_EINPROGRESS; };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EIO);
  EXPECT_EQ(rig.message,
            "noop: plugin 'first' says that the call goes on and does not offer VAC_CAP_ASYNC");
}

TEST(Codes, OfOpenAndAttachAreReadAlike) {
  FakePlugin plugin;
  plugin.on_open = [](const char*) { return -5; };
  EXPECT_THAT(refusal(plugin.table("bad")), HasSubstr("answered -5, which is no error code"));
  plugin.on_open = [](const char*) { return VAC_OK; };
  plugin.offers = {{kLoad, 1, 0, 0}};
  Rig rig({&plugin});
  const auto resource = rig.session->add_resource(ResourceData::from_bytes({}, "").value());
  plugin.on_attach = [] { return 9999; };
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_EIO);
  EXPECT_THAT(rig.message, HasSubstr("answered 9999, which is no error code"));
}

TEST(Texts, OfPluginsAreCutAndMended) {
  FakePlugin plugin;
  Rig rig({&plugin});
  const std::string long_text(10'000, 'x');
  const char* text = nullptr;
  plugin.on_submit = [&](vac_call& call) {
    plugin.host->error(plugin.host->host, &call, 7, text);
    return VAC_EBUSY;
  };
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
  EXPECT_EQ(rig.message, "noop: busy");
  text = "two\nlines \xff\xfe";
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
  EXPECT_EQ(rig.message, "noop: two\\nlines \\xff\\xfe");
  text = long_text.c_str();
  EXPECT_EQ(rig.call(kNoop, {no_data()}), VAC_EBUSY);
  EXPECT_EQ(rig.message, "noop: " + long_text.substr(0, 1024));
  EXPECT_EQ(rig.detail, 7U);
}

TEST(Attaching, MayFailAndWorkLater) {
  FakePlugin plugin;
  plugin.offers = {{kLoad, 1, 0, 0}};
  Rig rig({&plugin});
  const auto resource = rig.session->add_resource(ResourceData::from_bytes({}, "").value());
  plugin.on_attach = [&] {
    plugin.host->error(plugin.host->host, nullptr, 0, "resource 'bytes' is not here yet");
    return VAC_EAGAIN;
  };
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_EAGAIN);
  EXPECT_EQ(rig.message, "resource 'bytes' is not here yet");
  plugin.on_attach = [] { return VAC_EBUSY; };
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_EBUSY);
  EXPECT_EQ(rig.message, "model_load: busy");
  plugin.on_attach = [] { return VAC_OK; };
  EXPECT_EQ(rig.call(kLoad, {resource_arg()}, {resource.get()}), VAC_OK);
}

TEST(Sessions, NeedNoHookOfThePlugin) {
  FakePlugin plugin;
  vac_plugin table = plugin.table("plain");
  table.session_open = nullptr;
  table.session_close = nullptr;
  table.close = nullptr;
  Runtime runtime(no_plugins());
  ASSERT_TRUE(runtime.add_plugin(table));
  const auto session = runtime.open_session({}).value();
  vac_arg arg = no_data();
  vac_call call{};
  call.op = kNoop;
  call.args = &arg;
  call.arg_count = 1;
  CallContext context;
  EXPECT_EQ(session->dispatch(call, context), VAC_OK);
}

}  // namespace
}  // namespace vac::core
