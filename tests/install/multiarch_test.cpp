// SPDX-License-Identifier: Apache-2.0
// Programs find plugins where the distribution's libraries lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/shell.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

namespace fs = std::filesystem;

/// The agent of such a build in a tree whose plugins are in that folder.
test::ShellResult check_config(const test::TempDirectory& tree, const char* plugins) {
  fs::create_directories(tree / "bin");
  fs::create_directories(tree / plugins);
  const fs::path agent = tree / "bin/vaccel-agent";
  fs::copy_file(test::build_directory() / "test" / "agent_of_multiarch", agent);
  fs::copy_file(test::plugin("noop"), tree / plugins / "noop.so");
  return test::shell("XDG_RUNTIME_DIR=" + tree.path().string() + " " + agent.string() +
                     " --plugin noop --check-config");
}

TEST(Multiarch, FindsPluginsBesideTheDistributionsLibraries) {
  const test::TempDirectory tree;
  const test::ShellResult result = check_config(tree, "lib/x86_64-linux-gnu/vac");
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST(Multiarch, DoesNotLookInLib) {
  const test::TempDirectory tree;
  const test::ShellResult result = check_config(tree, "lib/vac");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, testing::HasSubstr("lib/x86_64-linux-gnu/vac"));
}

}  // namespace
}  // namespace vac
