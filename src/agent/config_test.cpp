// SPDX-License-Identifier: Apache-2.0
#include "agent/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
