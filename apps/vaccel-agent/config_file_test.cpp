// SPDX-License-Identifier: Apache-2.0
#include "config_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac::agent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

AgentConfig parse(std::string_view text) { return parse_config(text, "agent.toml").value(); }
std::string complaint(std::string_view text) {
  const auto parsed = parse_config(text, "agent.toml");
  return parsed ? "none" : parsed.error().text();
}

TEST(ConfigFile, ReadsEverySetting) {
  const AgentConfig config = parse(R"(
[[listen]]
address = "unix:///run/vaccel.sock"
group = "vaccel"
[[listen]]
address = "unix:///run/vm1.sock"
uids = [1000, 1001]
tenant = "vm1"
shared_input = "in_place"
[models]
directory = "/var/lib/vaccel/models"
[cache]
directory = "/var/cache/x"
size = "1GiB"
[limits]
memory = "2GiB"
frame = 1048576
regions = "64MiB"
calls_in_flight = 8
[plugin.torch]
slots = 2
threads = 1
nested = {a = [1, 2.5, true, "x"]}
)");
  ASSERT_EQ(config.listeners.size(), 2U);
  EXPECT_EQ(config.listeners[0].address, "unix:///run/vaccel.sock");
  EXPECT_EQ(config.listeners[0].group, "vaccel");
  EXPECT_THAT(config.listeners[1].uids, ElementsAre(1000, 1001));
  EXPECT_EQ(config.listeners[1].tenant, "vm1");
  EXPECT_EQ(config.models_directory, "/var/lib/vaccel/models");
  EXPECT_EQ(config.cache.directory, "/var/cache/x");
  EXPECT_EQ(config.cache.bytes, 1ULL << 30);
  EXPECT_EQ(config.limits.memory, 2ULL << 30);
  EXPECT_EQ(config.limits.frame, 1ULL << 20);
  EXPECT_EQ(config.limits.calls_in_flight, 8U);
  EXPECT_EQ(config.limits.regions, 64ULL << 20);
  EXPECT_EQ(config.listeners[0].shared_input, SharedInput::copy);
  EXPECT_EQ(config.listeners[1].shared_input, SharedInput::in_place);
  EXPECT_EQ(config.plugin_configs.at("torch"),
            R"({"nested":{"a":[1,2.5,true,"x"]},"slots":2,"threads":1})");
}

TEST(ConfigFile, OfNothingIsTheDefaults) {
  const AgentConfig config = parse("");
  EXPECT_TRUE(config.listeners.empty());
  EXPECT_EQ(config.limits.memory, 4ULL << 30);
}

TEST(ConfigFile, MayBeEmpty) {
  const test::TempDirectory folder;
  const std::string file = (folder / "agent.toml").string();
  std::ofstream(file) << "";
  EXPECT_TRUE(read_config_file(file));
}

TEST(ConfigFile, ThatCannotBeReadSaysWhy) {
  const test::TempDirectory folder;
  const auto missing = read_config_file((folder / "nowhere.toml").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Errc::not_found);
  EXPECT_THAT(missing.error().text(), HasSubstr("No such file or directory: create it"));
  const auto directory = read_config_file(folder.path().string());
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code(), Errc::is_directory);
  EXPECT_THAT(directory.error().text(), HasSubstr("Is a directory: name the file in it"));
  const std::string closed = (folder / "closed.toml").string();
  std::ofstream(closed) << "";
  std::filesystem::permissions(closed, std::filesystem::perms::none);
  if (std::ifstream(closed)) return;  // root reads everything
  EXPECT_EQ(read_config_file(closed).error().code(), Errc::access_denied);
}

TEST(ConfigFile, TellsAnUnknownKeyItsPlaceAndItsNeighbour) {
  EXPECT_EQ(complaint("[[listen]]\nadress = \"unix:///x\"\n"),
            "agent.toml:2:1: unknown key 'adress' in [[listen]], did you mean 'address'?");
  EXPECT_EQ(complaint("[limits]\nmemori = 1\n"),
            "agent.toml:2:1: unknown key 'memori' in [limits], did you mean 'memory'?");
  EXPECT_EQ(complaint("[limit]\n"),
            "agent.toml:1:2: unknown key 'limit' in the file, did you mean 'limits'?");
  EXPECT_THAT(complaint("[[listen]]\naddress = \"unix:///x\"\n  zzzzzz = 1\n"),
              HasSubstr("3:3: unknown key 'zzzzzz' in [[listen]]: known are address, group"));
}

TEST(ConfigFile, TellsAWrongTypeItsPlace) {
  EXPECT_EQ(complaint("[models]\ndirectory = 3\n"),
            "agent.toml:2:13: [models] directory is of type integer, must be a string");
  EXPECT_THAT(complaint("[limits]\nmemory = true\n"),
              StartsWith("agent.toml:2:10: [limits] memory"));
  EXPECT_THAT(complaint("[limits]\nmemory = \"4 parsecs\"\n"), HasSubstr("parsecs"));
  EXPECT_THAT(complaint("[limits]\nmemory = -1\n"), HasSubstr("not negative"));
  EXPECT_THAT(complaint("[limits]\ncalls_in_flight = -1\n"), HasSubstr("out of range"));
  EXPECT_EQ(complaint("[listen]\n"),
            "agent.toml:1:1: 'listen' is of type table, must be an array of tables, [[listen]]");
  EXPECT_THAT(complaint("listen = 3\n"), HasSubstr("[[listen]]"));
  EXPECT_THAT(complaint("listen = [3]\n"), HasSubstr("[[listen]]"));
  EXPECT_THAT(complaint("limits = 3\n"), HasSubstr("[limits]"));
  EXPECT_THAT(complaint("[[listen]]\naddress = \"unix:///x\"\nuids = [\"root\"]\n"),
              HasSubstr("agent.toml:3:9"));
  EXPECT_THAT(complaint("[plugin]\ntorch = 1\n"), HasSubstr("[plugin.torch]"));
  EXPECT_THAT(complaint("[plugin.torch]\nslots = \"two\"\n"), HasSubstr("slots"));
}

TEST(ConfigFile, TellsWhereALimitOfAPluginIsWrong) {
  EXPECT_THAT(complaint("[plugin.torch]\nmax_batch = 0\n"),
              AllOf(StartsWith("agent.toml:2:"), HasSubstr("max_batch"),
                    HasSubstr("is 0, must be 1 to 4096")));
  EXPECT_THAT(complaint("[plugin.torch]\nmax_batch = 5000\n"), HasSubstr("is 5000"));
  EXPECT_THAT(complaint("[plugin.torch]\nmax_batch = 1.5\n"), HasSubstr("a whole number"));
  EXPECT_THAT(complaint("[plugin.torch]\nmax_delay_us = 1000001\n"), HasSubstr("0 to 1000000"));
  EXPECT_THAT(complaint("[plugin.torch]\nmax_delay_us = -1\n"), HasSubstr("max_delay_us"));
  EXPECT_EQ(
      parse("[plugin.torch]\nmax_batch = 16\nmax_delay_us = 200\n").plugin_configs.at("torch"),
      R"({"max_batch":16,"max_delay_us":200})");
}

TEST(ConfigFile, TellsWhatIsNotToml) {
  EXPECT_THAT(complaint("[limits\n"), StartsWith("agent.toml:1:8: "));
  EXPECT_THAT(complaint("a = 1\na = 2\n"), StartsWith("agent.toml:2:"));
}

TEST(ConfigFile, IsQuotedInPrintableText) {
  EXPECT_THAT(complaint("\xc2\x93"), HasSubstr("\\u{93}"));
  EXPECT_THAT(complaint("\"a\\nb\" = 1"), HasSubstr("unknown key 'a\\nb' in the file"));
}

TEST(ConfigFile, TellsContradictions) {
  EXPECT_THAT(complaint("[[listen]]\ngroup = \"x\"\n"), HasSubstr("[[listen]] has no 'address'"));
  EXPECT_THAT(complaint("[[listen]]\naddress = \"tcpp://x\"\n"), StartsWith("agent.toml:1:1: "));
  EXPECT_THAT(
      complaint("[[listen]]\naddress = \"unix:///a\"\n[[listen]]\naddress = \"unix:///a\"\n"),
      StartsWith("agent.toml:4:11: [[listen]] address 'unix:///a' is given twice"));
  EXPECT_EQ(complaint("[limits]\ncalls_in_flight = 65\n"),
            "agent.toml:2:19: [limits] calls_in_flight is 65, must be 1 to 64");
  EXPECT_THAT(complaint("[limits]\nmemory = 3\n"),
              StartsWith("agent.toml:2:10: [limits] memory is 3 bytes"));
  EXPECT_THAT(complaint("[limits]\nframe = \"5GiB\"\n"),
              StartsWith("agent.toml:2:9: [limits] frame is 5368709120 bytes and a tenant's"));
}

TEST(ConfigFile, LowersTheFrameThatItDoesNotNameToTheMemory) {
  EXPECT_EQ(parse("[limits]\nmemory = \"1GiB\"\n").limits.frame, 1ULL << 30);
}

TEST(ConfigFile, RefusesWhatIsEmpty) {
  const std::string listen = "[[listen]]\naddress = \"unix:///x\"\n";
  EXPECT_THAT(complaint(listen + "uids = []\n"),
              StartsWith("agent.toml:3:8: [[listen]] uids is empty: name at least one"));
  EXPECT_THAT(complaint(listen + "group = \"\"\n"),
              StartsWith("agent.toml:3:9: [[listen]] group is empty: give it a value"));
  EXPECT_THAT(complaint(listen + "shared_input = \"always\"\n"),
              StartsWith("agent.toml:3:16: [[listen]] shared_input is 'always', must be copy or"));
  EXPECT_THAT(complaint(listen + "tenant = \"\"\n"), HasSubstr("[[listen]] tenant is empty"));
  EXPECT_THAT(complaint("[models]\ndirectory = \"\"\n"), HasSubstr("[models] directory is empty"));
}

TEST(ConfigFile, RefusesProtectionThatThereIsNot) {
  EXPECT_THAT(complaint("[plugin.torch]\nisolation = \"worker\"\n"),
              StartsWith("agent.toml:2:13: [plugin.torch] isolation is not offered"));
}

TEST(ConfigFile, OfTheDocumentationIsGood) {
  std::ostringstream page;
  page << std::ifstream(test::source_directory() / "docs" / "agent.md").rdbuf();
  const std::string text = page.str();
  const std::size_t begin = text.find("```toml\n");
  ASSERT_NE(begin, std::string::npos);
  const std::size_t from = begin + std::string_view("```toml\n").size();
  EXPECT_EQ(complaint(std::string_view(text).substr(from, text.find("```", from) - from)), "none");
}

}  // namespace
}  // namespace vac::agent
