// SPDX-License-Identifier: Apache-2.0
#include "list_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "doctor_plugins.hpp"

namespace vac::cli {
namespace {

using testing::HasSubstr;

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

TEST(List, ShowsTheVersionThatDoctorShows) {
  constexpr const char* kTorch = R"({"plugins": [{"name": "torch", "version": "1.0",
      "describe": {"framework_version": "1.13.1", "devices": ["cpu", "cuda"]}}]})";
  EXPECT_THAT(*list_text(kTorch, "plugins", false), HasSubstr("\ntorch   1.13.1 (cpu, cuda)  "));
  Findings doctor;
  list_plugins(kTorch, doctor);
  ASSERT_EQ(doctor.all().size(), 1U);
  EXPECT_EQ(doctor.all()[0].text, "torch 1.13.1 (cpu, cuda)");
}

TEST(List, ShowsModelsAndSessions) {
  EXPECT_EQ(*list_text(kDescription, "models", false), "a\nb\n");
  EXPECT_EQ(*list_text(kDescription, "sessions", false),
            "The agent has 3 sessions open, this command's own among them.\n");
  EXPECT_EQ(*list_text(R"({"sessions": 1})", "sessions", false),
            "The agent has 1 session open, this command's own.\n");
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
