// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/isolation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vac::plugin_check {
namespace {

using testing::HasSubstr;

struct Seen {
  std::vector<Outcome> outcomes;
  std::vector<std::string> facts;
  std::optional<Outcome> end;
};

Seen run(const std::function<void(Reporter&)>& body, int patience_s = 60) {
  Seen run;
  run.end = run_isolated(
      body, std::chrono::seconds(patience_s),
      [&](const Outcome& outcome) { run.outcomes.push_back(outcome); },
      [&](const std::string& key, const std::string& value) {
        run.facts.push_back(key + "=" + value);
      });
  return run;
}

TEST(Isolation, PassesOnWhatIsReported) {
  const Seen seen = run([](Reporter& reporter) {
    reporter.step("first", "a step");
    reporter.ok("first", std::string(100'000, 'x'));
    reporter.fact("caps", "7");
    reporter.failed("second", "because");
  });
  EXPECT_FALSE(seen.end);
  ASSERT_EQ(seen.outcomes.size(), 2U);
  EXPECT_EQ(seen.outcomes[0].text.size(), 100'000U);
  EXPECT_EQ(seen.outcomes[1].verdict, Verdict::failed);
  EXPECT_EQ(seen.outcomes[1].check, "second");
  EXPECT_THAT(seen.facts, testing::ElementsAre("caps=7"));
}

TEST(Isolation, ACrashFailsTheStepThatItHappenedIn) {
  const Seen seen = run([](Reporter& reporter) {
    reporter.ok("load", "");
    reporter.step("minmax: answers", "call 3");
    ::raise(SIGKILL);
  });
  ASSERT_TRUE(seen.end);
  EXPECT_EQ(seen.end->verdict, Verdict::failed);
  EXPECT_EQ(seen.end->check, "minmax: answers");
  EXPECT_THAT(seen.end->text, HasSubstr("call 3: the process was killed by SIGKILL"));
  EXPECT_EQ(seen.outcomes.size(), 1U);
}

TEST(Isolation, AnEndBeforeItsTimeIsAFailure) {
  const Seen seen = run([](Reporter&) { ::_exit(0); });
  ASSERT_TRUE(seen.end);
  EXPECT_THAT(seen.end->text, HasSubstr("ended the process, exit status 0"));
}

TEST(Isolation, ASilentProcessIsKilled) {
  const Seen seen = run(
      [](Reporter& reporter) {
        reporter.step("x: answers", "call 1");
        for (;;) ::pause();
      },
      1);
  ASSERT_TRUE(seen.end);
  EXPECT_EQ(seen.end->check, "x: answers");
  EXPECT_EQ(seen.end->text, "call 1: not over after 1 s");
}

TEST(Isolation, AFailingEndAfterAllWasDoneIsAFailure) {
  const Seen seen = run([](Reporter& reporter) {
    reporter.step("end", "the process ends");
    reporter.done();
    std::_Exit(9);
  });
  ASSERT_TRUE(seen.end);
  EXPECT_THAT(seen.end->text, HasSubstr("exit status 9"));
}

TEST(Isolation, WhatIsPrintedIsNotPartOfTheReport) {
  testing::internal::CaptureStdout();
  const Seen seen = run([](Reporter&) {
    const char text[] = "printed by a plugin\n";
    (void)!::write(STDOUT_FILENO, text, sizeof text - 1);
  });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_FALSE(seen.end);
}

}  // namespace
}  // namespace vac::plugin_check
