// SPDX-License-Identifier: Apache-2.0
// A client of a remote run has nothing of the framework and nothing of the agent's files, and needs
// the agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/agent_process.hpp"
#include "support/shell.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using testing::HasSubstr;

TEST(RemoteClient, RunsAModelOfTheAgentWithoutItsFilesAndFramework) {
  const std::filesystem::path models =
      testing::TempDir() + "/vac-agent-models-" + std::to_string(::getpid());
  std::filesystem::create_directories(models);
  std::filesystem::copy_file(test::build_directory() / "test-models" / "scale_add.pt",
                             models / "scale_add.pt",
                             std::filesystem::copy_options::overwrite_existing);
  test::AgentProcess agent({"--plugin", "torch", "--models", models.string()});
  const std::string command = (test::build_directory() / "test" / "client_program").string() +
                              " model " + agent.address() + " model://scale_add";
  const auto hidden = test::shell(
      "unshare --mount --propagation private sh -c 'mount -t tmpfs none " + models.string() +
      " && test -z \"$(ls " + models.string() + ")\" && " + command + "'");
  EXPECT_EQ(hidden.status, 0) << hidden.output << agent.log();
  EXPECT_EQ(hidden.output, "output 3\noutput 5\noutput 7\nlibtorch absent\n");

  agent.kill();
  const auto alone = test::shell(command);
  EXPECT_EQ(alone.status, 1);
  EXPECT_THAT(alone.output,
              HasSubstr("no agent listens there; start one with: vaccel-agent --listen " +
                        agent.address()));
  std::filesystem::remove_all(models);
}

TEST(RemoteClient, SeesTheFrameworkWhenItRunsInItsOwnProcess) {
  const auto local = test::shell(
      "VAC_PLUGINS=torch " + (test::build_directory() / "test" / "client_program").string() +
      " model local: " + (test::build_directory() / "test-models" / "scale_add.pt").string());
  EXPECT_EQ(local.status, 0);
  EXPECT_EQ(local.output, "output 3\noutput 5\noutput 7\nlibtorch mapped\n");
}

}  // namespace
}  // namespace vac
