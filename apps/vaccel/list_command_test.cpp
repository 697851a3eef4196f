// SPDX-License-Identifier: Apache-2.0
#include "list_command.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vac::cli {
namespace {

constexpr const char* kDescription = R"({
  "version": "0.1.0",
  "plugins": [
    {"name": "torch", "version": "1.0", "operations": ["model_load", "model_run"], "formats": ["torchscript"]},
    {"name": "noop", "version": "1.0", "operations": ["noop", "model_run"], "formats": []}],
  "models": ["a", "b"], "sessions": 3})";

TEST(List, ShowsPluginsAsTable) {
  EXPECT_EQ(*list_text(kDescription, "plugins", false),
            "PLUGIN  VERSION  FORMATS      OPERATIONS\n"
            "torch   1.0      torchscript  model_load model_run\n"
            "noop    1.0      -            noop model_run\n");
}

TEST(List, ShowsWhoOffersEachOperationInOrderOfChoice) {
  EXPECT_EQ(*list_text(kDescription, "ops", false),
            "OPERATION   PLUGINS\n"
            "model_load  torch\n"
            "model_run   torch noop\n"
            "noop        noop\n");
}

TEST(List, ShowsModelsAndSessions) {
  EXPECT_EQ(*list_text(kDescription, "models", false), "a\nb\n");
  EXPECT_EQ(*list_text(kDescription, "sessions", false), "3 sessions\n");
  EXPECT_EQ(*list_text(R"({"sessions": 1})", "sessions", false), "1 session\n");
}

TEST(List, GivesThePartAloneAsJson) {
  const auto json = nlohmann::json::parse(*list_text(kDescription, "ops", true));
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json["ops"][1]["name"], "model_run");
  EXPECT_EQ(json["ops"][1]["plugins"], (std::vector<std::string>{"torch", "noop"}));
}

TEST(List, SaysWhatIsNotTold) {
  const auto text = list_text(R"({"plugins": []})", "models", false);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message(), "the session does not tell its models (VAC_ENOTSUP)");
  EXPECT_FALSE(list_text("nonsense", "plugins", false));
}

}  // namespace
}  // namespace vac::cli
