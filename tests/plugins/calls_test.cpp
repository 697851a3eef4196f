// SPDX-License-Identifier: Apache-2.0
// Plugins that misbehave in a call: the same answer in process and through an agent, and the next
// call works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "plugins/bad_plugins_fixture.hpp"
#include "support/agent_process.hpp"
#include "support/memory_may_run_out.hpp"
#include "support/temp_directory.hpp"

namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::unique_ptr<vac::test::AgentProcess> agent_of(const char* plugin,
                                                  const std::string& config = "") {
  std::vector<std::string> arguments = {"--plugin", plugin};
  if (!config.empty()) arguments.insert(arguments.end(), {"--config", config});
  return std::make_unique<vac::test::AgentProcess>(arguments);
}

/// A session whose calls have 20 ms; on a busy machine opening it may take longer than that.
vac_session* open_hurried(const char* address) {
  vac_session* hurried = nullptr;
  for (int i = 0; i < 100; ++i) {
    const int code = vac_session_open(address, R"({"timeout_ms":20})", &hurried);
    if (code != VAC_ETIMEDOUT) break;
  }
  return hurried;
}

/// A session in process, or with an agent that has loaded the plugin.
class Calls : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    vac::test::find_bad_plugins();
    if (!GetParam()) agent_ = agent_of("neighbour");
    const std::string address = GetParam() ? "local:" : agent_->address();
    ASSERT_EQ(vac_session_open(address.c_str(), nullptr, &session_), VAC_OK) << vac_error_message();
  }
  void TearDown() override { vac_session_close(session_); }

  int tell(const char* what) { return vac_noop(session_, what, std::strlen(what)); }
  int minmax() {
    double result[4] = {}, low = 0, high = 0;
    std::size_t count = 0;
    return vac_minmax(session_, data_, 2, 0, 1, result, 4, &count, &low, &high);
  }
  int run() {
    vac_resource* model = nullptr;
    EXPECT_EQ(vac_resource_open_bytes(session_, "model", 5, nullptr, &model), VAC_OK);
    vac_tensor* outputs[4] = {};
    std::size_t count = 0;
    const int code = vac_model_run(session_, model, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, 0,
                                   outputs, 4, &count);
    for (vac_tensor* output : outputs) {
      EXPECT_TRUE(code == VAC_OK || output == nullptr);
      vac_tensor_free(output);
    }
    vac_resource_close(model);
    return code;
  }

  std::unique_ptr<vac::test::AgentProcess> agent_;
  vac_session* session_ = nullptr;
  const double data_[2] = {1, 2};
};

INSTANTIATE_TEST_SUITE_P(Bad, Calls, testing::Bool(), [](const auto& info) {
  return info.param ? "InProcess" : "ThroughAnAgent";
});

struct Answer {
  const char* told;
  int code;
  const char* words;
};

TEST_P(Calls, OfAPluginThatMisbehavesFailWithWhatItDid) {
  for (const Answer& answer :
       {Answer{"throw", VAC_EIO, "noop: the plugin threw from submit: boom (VAC_EIO)"},
        Answer{"throw int", VAC_EIO, "something that is no std::exception"},
        Answer{"throw bad_alloc", VAC_ENOMEM, "noop: out of memory (VAC_ENOMEM)"},
        Answer{"code -1", VAC_EIO, "(the plugin answered -1, which is no error code)"},
        Answer{"code 9999", VAC_EIO, "(the plugin answered 9999, which is no error code)"},
        Answer{"in progress", VAC_EIO, "does not offer VAC_CAP_ASYNC"},
        Answer{"no text", VAC_EBUSY, "noop: busy (VAC_EBUSY)"},
        Answer{"bad text", VAC_EBUSY, "noop: a\\xff\\nb (VAC_EBUSY)"},
        Answer{"complete twice", VAC_EIO, "does not offer VAC_CAP_ASYNC"}}) {
    EXPECT_EQ(tell(answer.told), answer.code) << answer.told;
    EXPECT_THAT(vac_error_message(), HasSubstr(answer.words)) << answer.told;
    EXPECT_EQ(tell("nothing"), VAC_OK) << answer.told;
  }
  EXPECT_EQ(tell("long text"), VAC_EBUSY);
  EXPECT_LT(std::strlen(vac_error_message()), 1100U);
  EXPECT_EQ(tell("complete and return"), VAC_OK) << "the code counts";
}

TEST_P(Calls, OfAPluginThatLiesAboutResultsFailWithTheLie) {
  for (const Answer& answer :
       {Answer{"wrong size", VAC_EIO,
               GetParam()
                   ? "wrote 1048576 bytes of minmax: argument 'result', there was room for 32"
                   : "wrote 1048576 bytes of minmax: argument 'result', for which it asked "
                     "for no memory"},
        Answer{"wrong record", VAC_EIO, "changed the record of minmax: argument 'data'"},
        Answer{"wrong argument", VAC_EIO, "argument 'data', which is f64[] and no output"},
        Answer{"no such argument", VAC_EIO, "argument 77 of 6"},
        Answer{"too large", VAC_ENOMEM, "no memory for"},
        Answer{"array asked twice", VAC_ENOMEM, "output 'result', or it was asked for twice"},
        Answer{"middle of an element", VAC_EIO, "of 9 bytes, which is not a multiple of 8"}}) {
    EXPECT_EQ(tell((std::string("next:") + answer.told).c_str()), VAC_OK);
    EXPECT_EQ(minmax(), answer.code) << answer.told;
    EXPECT_THAT(vac_error_message(), HasSubstr(answer.words)) << answer.told;
  }
  for (const Answer& answer :
       {Answer{"huge shape", VAC_EIO, "which is no shape"},
        Answer{"negative shape", VAC_EIO, "f32 [-1,-4], which is no shape"},
        Answer{"other size", VAC_EIO, "f32 [1] and has 400 bytes"},
        Answer{"no shape", VAC_EIO, "has no dims"},
        Answer{"too many items", VAC_EIO, "item 70000, more than a call has room for"},
        Answer{"item left out", VAC_EIO, "item 0"},
        Answer{"asked twice", VAC_ENOMEM, "or it was asked for twice"}}) {
    EXPECT_EQ(tell((std::string("next:") + answer.told).c_str()), VAC_OK);
    EXPECT_EQ(run(), answer.code) << answer.told;
    EXPECT_THAT(vac_error_message(), HasSubstr(answer.words)) << answer.told;
  }
  EXPECT_EQ(tell("next:"), VAC_OK);
  EXPECT_EQ(run(), VAC_OK) << vac_error_message();
}

TEST_P(Calls, WithADeadlineEndInAPluginThatAsksForIt) {
  vac_session* hurried = open_hurried(vac_session_address(session_));
  ASSERT_NE(hurried, nullptr) << vac_error_message();
  EXPECT_EQ(vac_noop(hurried, "poll", 4), VAC_ETIMEDOUT);
  EXPECT_THAT(vac_error_message(), AllOf(StartsWith("noop: "), EndsWith("(VAC_ETIMEDOUT)")));
  EXPECT_EQ(tell("nothing"), VAC_OK) << vac_error_message();
  vac_session_close(hurried);
}

/// Two sessions with the asynchronous neighbour, which has two slots for noop.
class AsyncSessions {
 public:
  explicit AsyncSessions(const char* address) {
    EXPECT_EQ(vac_session_open(address, nullptr, &patient_), VAC_OK) << vac_error_message();
    hurried_ = open_hurried(address);
    EXPECT_NE(hurried_, nullptr) << vac_error_message();
  }
  ~AsyncSessions() {
    vac_session_close(patient_);
    vac_session_close(hurried_);
  }
  AsyncSessions(const AsyncSessions&) = delete;
  AsyncSessions& operator=(const AsyncSessions&) = delete;

  int tell(const char* what) { return vac_noop(patient_, what, std::strlen(what)); }
  int tell_in_a_hurry(const char* what) { return vac_noop(hurried_, what, std::strlen(what)); }
  /// An operation without slots.
  int minmax() {
    const double data[2] = {1, 2};
    double result[4] = {}, low = 0, high = 0;
    std::size_t count = 0;
    return vac_minmax(patient_, data, 2, 0, 1, result, 4, &count, &low, &high);
  }

 private:
  vac_session *patient_ = nullptr, *hurried_ = nullptr;
};

void expect_completions(AsyncSessions& sessions) {
  EXPECT_EQ(sessions.tell("complete elsewhere"), VAC_OK) << vac_error_message();
  EXPECT_EQ(sessions.tell("complete twice"), VAC_EBUSY);
  EXPECT_STREQ(vac_error_message(), "noop: first (VAC_EBUSY)");
  EXPECT_EQ(sessions.tell("complete and return"), VAC_OK) << "the code counts";
  EXPECT_EQ(sessions.tell("complete badly"), VAC_EIO);
  EXPECT_THAT(vac_error_message(), HasSubstr("(the plugin answered -7, which is no error code)"));
  EXPECT_EQ(sessions.tell("throw"), VAC_EIO);
  EXPECT_STREQ(vac_error_message(), "noop: the plugin threw from submit: boom (VAC_EIO)");
  EXPECT_EQ(sessions.tell("nothing"), VAC_OK) << vac_error_message();
}

void expect_no_slot_left(AsyncSessions& sessions) {
  EXPECT_EQ(sessions.tell("nothing"), VAC_EBUSY);
  EXPECT_THAT(vac_error_message(), HasSubstr("each of the plugin's 2 slots is held by a call that "
                                             "it never completed: restart"));
  EXPECT_EQ(sessions.minmax(), VAC_OK) << "it needs no slot: " << vac_error_message();
}

testing::Matcher<const std::string&> says_what_it_did() {
  const std::string plugin = "plugin 'async_neighbour' ";
  return AllOf(
      HasSubstr("async_neighbour.so' has completed a call that is not waited for"),
      HasSubstr(plugin + "has completed a call of noop and returned a code as well"),
      HasSubstr(plugin + "does not complete a call of noop: it is given up, with its memory and "
                         "slot 0; calls of its that are lost: 1"),
      HasSubstr("and slot 1; calls of its that are lost: 2"));
}

/// In a child, whose plugins are its own and whose log is compared.
[[noreturn]] void use_async_neighbour_in_process() {
  ::setenv("VAC_PLUGINS", "async_neighbour", 1);
  AsyncSessions sessions("local:");
  expect_completions(sessions);
  for (int slot = 0; slot < 2; ++slot) {
    EXPECT_EQ(sessions.tell("nothing"), VAC_OK) << "a slot is left: " << vac_error_message();
    EXPECT_EQ(sessions.tell_in_a_hurry("in progress"), VAC_ETIMEDOUT);
    EXPECT_STREQ(vac_error_message(),
                 "noop: its time is over, and plugin 'async_neighbour' has not completed it "
                 "(VAC_ETIMEDOUT)");
  }
  expect_no_slot_left(sessions);
  std::exit(testing::Test::HasFailure() ? 1 : 0);
}

TEST(AsyncNeighbour, IsContainedInProcess) {
  vac::test::find_bad_plugins();
  EXPECT_EXIT(use_async_neighbour_in_process(), testing::ExitedWithCode(0), says_what_it_did());
}

TEST(AsyncNeighbour, IsContainedByAnAgent) {
  vac::test::find_bad_plugins();
  const auto agent = agent_of("async_neighbour");
  AsyncSessions sessions(agent->address().c_str());
  expect_completions(sessions);
  // On a busy machine the time of a call may be over before the plugin has it.
  for (int i = 0; i < 1000 && agent->log().find("are lost: 2") == std::string::npos; ++i) {
    EXPECT_THAT(sessions.tell_in_a_hurry("in progress"), AnyOf(VAC_ETIMEDOUT, VAC_EBUSY));
  }
  expect_no_slot_left(sessions);
  EXPECT_THAT(agent->log(), says_what_it_did());
}

/// What model_load is answered with by an agent whose plugin is told so, twice.
struct LoadedTwice {
  int first, second;
  std::string first_text;
};
LoadedTwice load_twice(const char* how) {
  vac::test::find_bad_plugins();
  const vac::test::TempDirectory folder;
  const std::string config = (folder / "agent.toml").string();
  std::ofstream(config) << "[plugin.neighbour]\nhow = \"" << how << "\"\n";
  const auto agent = agent_of("neighbour", config);
  vac_session* session = nullptr;
  EXPECT_EQ(vac_session_open(agent->address().c_str(), nullptr, &session), VAC_OK);
  vac_resource* model = nullptr;
  EXPECT_EQ(vac_resource_open_bytes(session, "model", 5, nullptr, &model), VAC_OK);
  LoadedTwice loaded{vac_model_load(session, model), 0, vac_error_message()};
  loaded.second = vac_model_load(session, model);
  vac_session_close(session);
  return loaded;
}

TEST(Hooks, ThatMisbehaveInAnAgentFailTheCall) {
  struct Case {
    const char* how;
    int first, second;
    const char* words;
  };
  for (const Case& c :
       {Case{"throw in session_open", VAC_ENOTSUP, VAC_ENOTSUP, "no plugin offers it"},
        Case{"throw in accepts", VAC_EIO, VAC_EIO, "the plugin threw from accepts: boom"},
        Case{"refuse silently", VAC_EINVAL, VAC_EINVAL, "is not for plugin 'neighbour'"},
        Case{"throw in attach", VAC_EIO, VAC_EIO, "the plugin threw from resource_attach: boom"},
        Case{"attach later", VAC_EAGAIN, VAC_OK, "model_load: not yet"}}) {
    const LoadedTwice loaded = load_twice(c.how);
    EXPECT_EQ(loaded.first, c.first) << c.how << ": " << loaded.first_text;
    EXPECT_EQ(loaded.second, c.second) << c.how;
    EXPECT_THAT(loaded.first_text, HasSubstr(c.words));
  }
}

}  // namespace
