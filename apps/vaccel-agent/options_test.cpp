// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

using testing::ElementsAre;

ParsedOptions parse(std::vector<const char*> words) {
  words.insert(words.begin(), "vaccel-agent");
  return parse_options(static_cast<int>(words.size()), words.data());
}

TEST(Options, TakeSeveralAddressesAndPluginsWithCommas) {
  const auto parsed =
      parse({"--listen", "unix:///a", "--listen", "unix:///b", "--plugin", "x,y", "--plugin", "z"});
  ASSERT_TRUE(parsed.options);
  EXPECT_THAT(parsed.options->listen, ElementsAre("unix:///a", "unix:///b"));
  EXPECT_THAT(parsed.options->plugins, ElementsAre("x", "y", "z"));
}

TEST(Options, TrimTheNamesOfPlugins) {
  const auto parsed = parse({"--plugin", "x, y ,z"});
  ASSERT_TRUE(parsed.options);
  EXPECT_THAT(parsed.options->plugins, ElementsAre("x", "y", "z"));
}

TEST(Options, AreRefusedWhenTheyCannotBeMeant) {
  const std::vector<std::vector<const char*>> wrong = {
      {"--plugin", "x,x"},       {"--plugin", "x", "--plugin", " x"},
      {"--plugin", "remote"},    {"--plugin", "/lib/remote.so"},
      {"--plugin", " "},         {"--config", ""},
      {"--models", ""},          {"--log-level", ""},
      {"--listen", ""},          {"--ready-fd", "-1"},
      {"--ready-fd", "1000000"},
  };
  for (const std::vector<const char*>& words : wrong) {
    const auto parsed = parse(words);
    EXPECT_FALSE(parsed.options) << words[0] << " " << words[1];
    EXPECT_EQ(parsed.status, ExitStatus::wrong_use) << words[0] << " " << words[1];
  }
}

TEST(Options, OfTheCommandLineWinOverTheFile) {
  const test::TempDirectory folder;
  const std::string file = (folder / "agent.toml").string();
  std::ofstream(file)
      << "[[listen]]\naddress = \"unix:///a\"\n[[listen]]\naddress = \"unix:///b\"\n"
         "uids = [7]\n[limits]\ncalls_in_flight = 3\n";
  Options options;
  options.config_file = file;
  options.listen = {"unix:///b", "unix:///c"};
  options.plugins = {"noop"};
  options.models = folder.path().string();
  const AgentConfig config = make_config(options).value();
  ASSERT_EQ(config.listeners.size(), 2U);
  EXPECT_THAT(config.listeners[0].uids, ElementsAre(7)) << "what the file says of that address";
  EXPECT_TRUE(config.listeners[1].uids.empty());
  EXPECT_EQ(config.limits.calls_in_flight, 3U);
  EXPECT_THAT(config.plugins, ElementsAre("noop"));
  EXPECT_EQ(config.models_directory, folder.path().string());
}

TEST(Options, NameAModelsFolderThatIsThere) {
  Options options;
  options.models = "/nowhere";
  EXPECT_FALSE(make_config(options));
}

}  // namespace
}  // namespace vac::agent
