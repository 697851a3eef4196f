// SPDX-License-Identifier: Apache-2.0
// `vaccel plugin check` on the torch plugin with a real model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/shell.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(PluginCheckTorch, PassesWithAModel) {
  const std::string model =
      (test::build_directory() / "test-models" / "no_description.pt").string();
  const test::ShellResult result = test::shell(
      test::program("vaccel").string() + " plugin check " + test::plugin("torch").string() +
      " --timeout-s 100 --calls 200 --resource " + model + ",threads=1 2>/dev/null");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr("model_run: outputs"), Not(HasSubstr("skipped")),
                                   Not(HasSubstr("warning"))));
}

}  // namespace
}  // namespace vac
