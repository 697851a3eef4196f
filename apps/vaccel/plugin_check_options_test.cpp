// SPDX-License-Identifier: Apache-2.0
#include "plugin_check_options.hpp"

#include <gtest/gtest.h>

namespace vac::cli {
namespace {

TEST(PluginCheckOptions, AFileAlone) {
  const auto resource = parse_resource("a model.pt");
  ASSERT_TRUE(resource);
  EXPECT_EQ(resource->file, "a model.pt");
  EXPECT_EQ(resource->options_json, "{}");
}

TEST(PluginCheckOptions, ValuesAreJsonWhereTheyCanBe) {
  const auto resource = parse_resource("m.pt,threads=2,device=cpu,stateful=true,name=");
  ASSERT_TRUE(resource);
  EXPECT_EQ(resource->file, "m.pt");
  EXPECT_EQ(resource->options_json, R"({"device":"cpu","name":"","stateful":true,"threads":2})");
}

TEST(PluginCheckOptions, WhatIsNoOptionIsNamed) {
  EXPECT_EQ(parse_resource("").error().text(), "--resource names no file");
  EXPECT_EQ(parse_resource("m.pt,=1").error().text(),
            "--resource has '=1' behind the file: write OPTION=VALUE");
  EXPECT_EQ(parse_resource("m.pt,").error().text(),
            "--resource has '' behind the file: write OPTION=VALUE");
}

}  // namespace
}  // namespace vac::cli
