// SPDX-License-Identifier: Apache-2.0
// Several plugins in one session: which of them serves what, in this process and behind an agent.
// noop makes its results up and takes every resource; what another plugin computes is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/sha256.hpp"
#include "core/runtime.hpp"
#include "support/agent_process.hpp"
#include "support/built_call.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using core::ResourceData;
using test::BuiltCall;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::uint32_t op(const char* name) { return find_op(name)->id; }

std::string sample() {
  return (test::build_directory() / "test" / "libraries" / "sample.so").string();
}

/// An agent's configuration that allows sample.so.
std::string allow_sample(const test::TempDirectory& folder) {
  std::ifstream file(sample(), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::string path = (folder / "agent.toml").string();
  std::ofstream(path) << "[plugin.exec]\nallow = [\"sha256:"
                      << sha256_hex(std::as_bytes(std::span(bytes))) << "\"]\n";
  return path;
}

core::RuntimeOptions installed_plugins() {
  core::RuntimeOptions options;
  options.search_path = {test::plugin("noop").parent_path().string()};
  return options;
}

/// One session with these plugins; the parameter says whether behind an agent.
class PluginChoice : public testing::TestWithParam<bool> {
 protected:
  /// `plugins` in order of choice.
  void open(const std::vector<std::string>& plugins, std::vector<std::string> arguments = {}) {
    core::RuntimeOptions options = installed_plugins();
    core::SessionOptions session;
    options.only_these = true;
    if (GetParam()) {
      std::string names;
      for (const std::string& plugin : plugins) names += (names.empty() ? "" : ",") + plugin;
      arguments.insert(arguments.end(), {"--plugin", names});
      agent_ = std::make_unique<test::AgentProcess>(std::move(arguments));
      session.address = agent_->address();
    } else {
      options.plugins = plugins;
    }
    runtime_ = std::make_unique<core::Runtime>(options);
    session_ = runtime_->open_session(session).value();
  }
  void open_and_allow(const std::vector<std::string>& plugins) {
    open(plugins, GetParam() ? std::vector<std::string>{"--config", allow_sample(folder_)}
                             : std::vector<std::string>{});
  }
  void TearDown() override {
    library_.reset();
    session_.reset();
  }

  int dispatch(BuiltCall& call) {
    core::CallContext context;
    core::Resource* const resources[] = {library_.get()};
    if (library_ != nullptr) context.resources = resources;
    const int code = session_->dispatch(call.call(), context);
    message_ = context.message;
    return code;
  }
  /// 1 + 2 as fpga_vadd has it; NaN where the call fails.
  float one_and_two() {
    BuiltCall call(op("fpga_vadd"));
    call.array(VAC_F32, std::vector<float>{1}).array(VAC_F32, std::vector<float>{2});
    call.out_array_in_place(VAC_F32, sizeof(float));
    float sum = std::bit_cast<float>(0x7fc00000U);
    if (dispatch(call) == VAC_OK) {
      std::memcpy(&sum, reinterpret_cast<const void*>(call.records()[2].value), sizeof sum);
    }
    return sum;
  }
  /// What exec's `increment` makes of 41, which is 42 unless noop makes it up; 0 where the call
  /// fails.
  std::int32_t increment(const std::string& path, std::string_view options = "{}") {
    library_ = session_->add_resource(ResourceData::from_file(path, options).value());
    BuiltCall call(op("exec"));
    call.resource(1).string("increment").list(VAC_IN, 0).list(VAC_INOUT, 1);
    call.array(VAC_I32, std::vector<std::int32_t>{41}, VAC_INOUT);
    std::int32_t value = 0;
    if (dispatch(call) == VAC_OK) {
      std::memcpy(&value, reinterpret_cast<const void*>(call.records()[4].value), sizeof value);
    }
    return value;
  }

  test::TempDirectory folder_;
  std::unique_ptr<test::AgentProcess> agent_;
  std::unique_ptr<core::Runtime> runtime_;
  std::unique_ptr<core::Session> session_;
  std::unique_ptr<core::Resource> library_;
  std::string message_;
};

INSTANTIATE_TEST_SUITE_P(Everywhere, PluginChoice, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "agent" : "local");
});

TEST_P(PluginChoice, EachOperationIsServedByThePluginThatOffersIt) {
  open({"mbench", "reference"});
  EXPECT_EQ(one_and_two(), 3) << message_;
  BuiltCall noop(op("noop"));
  noop.bytes(std::string(8, '\0'));
  EXPECT_EQ(dispatch(noop), VAC_OK) << message_;
  BuiltCall without(op("noop"));
  without.absent(VAC_BYTE, VAC_IN);
  EXPECT_EQ(dispatch(without), VAC_EINVAL);
  EXPECT_THAT(message_, StartsWith("noop: data has 0 bytes, mbench takes 8"));
}

TEST_P(PluginChoice, TheFirstThatOffersAnOperationServesIt) {
  open({"reference", "noop"});
  EXPECT_EQ(one_and_two(), 3) << message_;
}

TEST_P(PluginChoice, TheOrderOfThePluginsIsTheOrderOfChoice) {
  open({"noop", "reference"});
  const float made_up = one_and_two();
  EXPECT_EQ(made_up, made_up) << message_;
  EXPECT_NE(made_up, 3);
}

TEST_P(PluginChoice, TheFirstThatAcceptsAResourceServesIt) {
  open_and_allow({"exec", "noop"});
  EXPECT_EQ(increment(sample()), 42) << message_;
  const std::string poem = (folder_ / "poem.txt").string();
  std::ofstream(poem) << "roses are red";
  const std::int32_t made_up = increment(poem);
  EXPECT_NE(made_up, 0) << "exec does not accept a text, noop does: " << message_;
  EXPECT_NE(made_up, 42);
}

TEST_P(PluginChoice, AnEarlierOneThatAcceptsAResourceWins) {
  open_and_allow({"noop", "exec"});
  const std::int32_t made_up = increment(sample());
  EXPECT_NE(made_up, 0) << message_;
  EXPECT_NE(made_up, 42);
}

TEST_P(PluginChoice, ALibraryRunsInAnAgentOnlyWhereItIsAllowed) {
  open({"exec"});
  const std::int32_t value = increment(sample());
  if (!GetParam()) {
    EXPECT_EQ(value, 42) << message_;
    return;
  }
  EXPECT_EQ(value, 0);
  EXPECT_THAT(message_, AllOf(StartsWith("resource 'sample.so' may not be run here: who runs"),
                              HasSubstr("[plugin.exec] allow = [\"sha256:")));
}

TEST_P(PluginChoice, NoOptionMakesALibraryAllowed) {
  open({"exec"});
  for (const char* options :
       {R"({"allow":["sha256:*"]})", R"({"tenant":""})", R"({"plugin.exec":{"allow":[]}})"}) {
    EXPECT_EQ(increment(sample(), options), 0);
    EXPECT_THAT(message_, HasSubstr("is not known to exec: there is stateful"));
  }
  EXPECT_EQ(increment(sample(), R"({"stateful":true})"), GetParam() ? 0 : 42) << message_;
}

TEST_P(PluginChoice, WhatAFunctionShortensComesBackShorter) {
  open_and_allow({"exec"});
  library_ = session_->add_resource(ResourceData::from_file(sample(), "{}").value());
  BuiltCall call(op("exec"));
  call.resource(1).string("scale").list(VAC_IN, 2);
  call.scalar(VAC_F64, std::bit_cast<std::uint64_t>(2.0));
  call.array(VAC_F64, std::vector<double>{1, 2.5}).list(VAC_INOUT, 1);
  call.array(VAC_F64, std::vector<double>(3), VAC_INOUT);
  ASSERT_EQ(dispatch(call), VAC_OK) << message_;
  const vac_arg& written = call.records()[6];
  ASSERT_EQ(written.bytes, 16U);
  double values[2];
  std::memcpy(values, reinterpret_cast<const void*>(written.value), sizeof values);
  EXPECT_EQ(values[0], 2);
  EXPECT_EQ(values[1], 5);
}

TEST(PluginDefaults, LeaveOutWhatMustBeNamed) {
  core::Runtime runtime(installed_plugins());
  ASSERT_TRUE(runtime.load_plugins());
  std::vector<std::string> names;
  for (const core::Plugin* plugin : runtime.plugins()) names.emplace_back(plugin->name());
  EXPECT_THAT(names, Contains("reference"));
  for (const char* name : {"exec", "mbench", "noop", "older"}) {
    EXPECT_THAT(names, Not(Contains(name)));
  }
  const test::AgentProcess agent({});
  EXPECT_THAT(agent.log(), HasSubstr("reference 1.0"));
  EXPECT_THAT(agent.log(), Not(testing::ContainsRegex("(exec|mbench|noop) 1\\.0")));
}

TEST(PluginSettings, ThatAPluginDoesNotTakeKeepTheAgentFromStarting) {
  const test::TempDirectory folder;
  const std::string file = (folder / "agent.toml").string();
  const auto complaint = [&](const char* settings, const char* plugins) -> std::string {
    std::ofstream(file) << settings;
    try {
      const test::AgentProcess agent({"--config", file, "--plugin", plugins});
    } catch (const std::exception& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint("[plugin.exec]\nslots = 1\nallow = []\n", "exec"), "none");
  EXPECT_THAT(complaint("[plugin.exec]\nallow = [\"all\"]\n", "exec"),
              HasSubstr("setting 'allow' has \"all\", must be a list of texts"));
  EXPECT_THAT(complaint("[plugin.exec]\nalow = []\n", "exec"),
              HasSubstr("setting 'alow' is not known to exec: there is allow"));
  EXPECT_THAT(
      complaint("[plugin.reference]\nallow = 1\n", "reference"),
      HasSubstr("the plugin takes no settings and was given {\"allow\":1}: leave them out"));
}

}  // namespace
}  // namespace vac
