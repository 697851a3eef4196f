// SPDX-License-Identifier: Apache-2.0
// What is wrong with a plugin's file, table or hooks is said when it is loaded: in process, and by
// an agent that refuses to start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime.hpp"
#include "plugins/bad_plugins_fixture.hpp"
#include "support/shell.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

using test::bad_plugin;
using testing::HasSubstr;
using testing::StartsWith;

core::RuntimeOptions with(const std::string& name, const std::string& how = "") {
  core::RuntimeOptions options;
  options.plugins = {bad_plugin(name)};
  options.only_these = true;
  options.configs[name] = R"({"how":")" + how + R"("})";
  return options;
}

struct Refused {
  const char *name, *how, *words;
};

constexpr Refused kRefused[] = {
    {"other_major", "", "built for plugin ABI 2, this vAccel has ABI 1: rebuild the plugin"},
    {"no_symbol", "", "has no symbol vac_plugin_entry: it is not a vAccel plugin"},
    {"no_table", "", "does not serve plugin ABI 1.0"},
    {"short_table", "", "its table says to have 32 bytes, the least is"},
    {"no_name", "", "its table has no name"},
    {"other_name", "", "calls itself 'somebody_else': name the file somebody_else.so"},
    {"no_submit", "", "its table has no 'submit'"},
    {"throwing_entry", "", "the plugin threw from vac_plugin_entry: boom"},
    {"neighbour", "throw in open", "the plugin threw from open: boom"},
    {"neighbour", "fail in open", "there is no device"},
};

class RefusedPlugin : public testing::TestWithParam<Refused> {};

INSTANTIATE_TEST_SUITE_P(Bad, RefusedPlugin, testing::ValuesIn(kRefused), [](const auto& info) {
  std::string name = std::string(info.param.name) + "_" + info.param.how;
  for (char& c : name) {
    if (c == ' ') c = '_';
  }
  return name;
});

TEST_P(RefusedPlugin, IsSaidInProcess) {
  core::Runtime runtime(with(GetParam().name, GetParam().how));
  const Status loaded = runtime.load_plugins();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text(), HasSubstr(GetParam().words));
  EXPECT_THAT(loaded.error().text(), StartsWith("plugin '" + bad_plugin(GetParam().name)));
  EXPECT_TRUE(runtime.plugins().empty());
}

TEST_P(RefusedPlugin, StartsNoAgent) {
  const test::TempDirectory folder;
  test::find_bad_plugins();
  const std::string name = GetParam().name;
  std::ofstream(folder / "agent.toml")
      << "[plugin." << name << "]\nhow = \"" << GetParam().how << "\"\n";
  const auto result = test::shell("XDG_CACHE_HOME=" + folder.path().string() + " " +
                                  test::program("vaccel-agent").string() + " --listen unix://" +
                                  (folder / "a.sock").string() + " --plugin " + name +
                                  " --config " + (folder / "agent.toml").string());
  EXPECT_EQ(result.status, 1) << result.output;
  EXPECT_THAT(result.output, StartsWith("vaccel-agent: "));
  EXPECT_THAT(result.output, HasSubstr(GetParam().words));
}

TEST(TakenPlugin, OfAnOlderOrANewerMinor) {
  for (const char* name : {"older_minor", "newer_minor"}) {
    core::Runtime runtime(with(name));
    const Status loaded = runtime.load_plugins();
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_TRUE(runtime.open_session({}));
    EXPECT_THAT(runtime.describe_json(), HasSubstr(R"("describe":{})"));
  }
}

TEST(TakenPlugin, DescribesItselfAsFarAsItCan) {
  struct Case {
    const char *how, *words;
  };
  for (const Case& c : {Case{"throw in describe", "the plugin threw from describe: boom"},
                        Case{"no json", "the plugin's description is no JSON object"},
                        Case{"endless description", "does not fit the 4096"}}) {
    core::Runtime runtime(with("neighbour", c.how));
    ASSERT_TRUE(runtime.load_plugins());
    const std::string text = runtime.describe_json();
    EXPECT_THAT(text, HasSubstr(c.words));
    EXPECT_THAT(text, HasSubstr(R"("version":"1.0\\n\\xff")"));
  }
}

TEST(TakenPlugin, IsLoadedOnceHoweverOftenItIsNamed) {
  core::RuntimeOptions options = with("neighbour");
  options.plugins.push_back(options.plugins.front());
  core::Runtime runtime(options);
  ASSERT_TRUE(runtime.load_plugins());
  EXPECT_EQ(runtime.plugins().size(), 1U);
}

TEST(TwoPlugins, OfOneNameAreRefused) {
  const test::TempDirectory folder;
  const std::string copy = (folder / "neighbour.so").string();
  std::filesystem::copy_file(bad_plugin("neighbour"), copy);
  core::RuntimeOptions options = with("neighbour");
  options.plugins.push_back(copy);
  core::Runtime runtime(options);
  const Status loaded = runtime.load_plugins();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text(), HasSubstr("plugin '" + copy +
                                               "': a plugin 'neighbour' is "
                                               "loaded already, from '" +
                                               bad_plugin("neighbour")));
}

}  // namespace
}  // namespace vac
