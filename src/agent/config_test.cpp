// SPDX-License-Identifier: Apache-2.0
#include "agent/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

using testing::HasSubstr;

AgentConfig listening(std::initializer_list<const char*> addresses) {
  AgentConfig config;
  for (const char* address : addresses) config.listeners.push_back({address, {}, {}, {}});
  return config;
}

std::string complaint(const AgentConfig& config) {
  const Status valid = validate(config);
  return valid ? "none" : valid.error().text();
}

TEST(Config, AcceptsItsOwnDefaults) {
  EXPECT_EQ(complaint(AgentConfig{}), "none");
  EXPECT_EQ(complaint(listening({"unix:///tmp/a.sock", "unix:///tmp/b.sock"})), "none");
}

TEST(Config, RefusesAnAddressTwice) {
  EXPECT_THAT(complaint(listening({"unix:///tmp/a.sock", "unix:///tmp/a.sock"})),
              HasSubstr("given twice"));
}

TEST(Config, RefusesAddressesThatNobodyKnows) {
  EXPECT_THAT(complaint(listening({"unixx:///tmp/a.sock"})), HasSubstr("unixx"));
}

TEST(Config, RefusesLimitsThatShutEverybodyOut) {
  AgentConfig config;
  config.limits.calls_in_flight = 65;
  EXPECT_THAT(complaint(config), HasSubstr("calls_in_flight is 65"));
  config = {};
  config.limits.frame = 1000;
  EXPECT_THAT(complaint(config), HasSubstr("frame is 1000"));
  config = {};
  config.limits.memory = 0;
  EXPECT_THAT(complaint(config), HasSubstr("memory is 0"));
}

TEST(Config, RefusesAFrameThatNoTenantHasMemoryFor) {
  AgentConfig config;
  config.limits.memory = 2 << 20;
  config.limits.frame = 3 << 20;
  EXPECT_THAT(complaint(config), HasSubstr("frame is 3145728 bytes and a tenant's memory only"));
}

/// An agent's surroundings: a folder for its socket, its cache and its plugins.
class Surroundings : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "", 1);
    config_ = listening({});
    config_.listeners.push_back({"unix://" + path("agent.sock"), {}, {}, {}});
    config_.cache.directory = path("cache/inner");
    std::ofstream(path("file")) << "not a socket";
  }
  void TearDown() override { ::unsetenv("VAC_PLUGINS"); }

  std::string path(const char* name) const { return (folder_ / name).string(); }
  std::string complaint() const {
    const Status good = check_surroundings(config_);
    return good ? "none" : good.error().text();
  }

  test::TempDirectory folder_;
  AgentConfig config_;
};

TEST_F(Surroundings, MayBeGood) { EXPECT_EQ(complaint(), "none"); }

TEST_F(Surroundings, HaveAFolderForEachSocket) {
  config_.listeners[0].address = "unix://" + path("nowhere/agent.sock");
  EXPECT_THAT(complaint(), HasSubstr("there is no directory '" + path("nowhere") + "'"));
  config_.listeners[0].address = "unix://" + path("file/agent.sock");
  EXPECT_THAT(complaint(), HasSubstr("there is no directory '" + path("file") + "'"));
}

TEST_F(Surroundings, HaveNothingElseWhereASocketIsToBe) {
  config_.listeners[0].address = "unix://" + path("file");
  EXPECT_THAT(complaint(), HasSubstr("is not a socket"));
}

TEST_F(Surroundings, HaveTheGroupThatIsNamed) {
  config_.listeners[0].group = "no-such-group";
  EXPECT_THAT(complaint(), HasSubstr("there is no group 'no-such-group'"));
}

TEST_F(Surroundings, HaveRoomForTheCache) {
  for (const char* name : {"file", "file/inner"}) {
    config_.cache.directory = path(name);
    EXPECT_THAT(complaint(), HasSubstr("'" + path("file") + "' is no directory")) << name;
  }
}

TEST_F(Surroundings, HaveThePluginsThatAreChosenAndConfigured) {
  config_.plugins = {"no_such_plugin"};
  EXPECT_THAT(complaint(), HasSubstr("'no_such_plugin' is not installed"));
  config_.plugins.clear();
  config_.plugin_configs["no_such_plugin"] = "{}";
  EXPECT_THAT(complaint(), HasSubstr("plugin.no_such_plugin: the plugin is configured and would"));
}

TEST(Config, RefusesSettingsOfAPluginThatIsNotChosen) {
  AgentConfig config;
  config.plugin_configs["torch"] = "{}";
  EXPECT_EQ(complaint(config), "none");  // all that are installed
  config.plugins = {"other"};
  EXPECT_THAT(complaint(config), HasSubstr("plugin.torch"));
}

TEST(Config, RefusesTenantsThatAreNoNames) {
  AgentConfig config = listening({"unix:///tmp/a.sock"});
  config.listeners[0].tenant = "a b";
  EXPECT_THAT(complaint(config), HasSubstr("tenant 'a b'"));
}

}  // namespace
}  // namespace vac::agent
