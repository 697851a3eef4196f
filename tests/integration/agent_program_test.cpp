// SPDX-License-Identifier: Apache-2.0
// The program vaccel-agent as an operator uses it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vac/ops.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "support/agent_process.hpp"
#include "support/process_state.hpp"
#include "support/raw_client.hpp"
#include "support/shell.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::RawClient;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

auto run_agent(const std::string& arguments, const std::string& environment = "") {
  return test::shell(environment + " " + test::program("vaccel-agent").string() + " " + arguments);
}

std::string write(const test::TempDirectory& folder, std::string_view text) {
  const std::filesystem::path file = folder / "agent.toml";
  std::ofstream(file) << text;
  return file.string();
}

TEST(AgentProgram, TellsItsVersionAndItsOptions) {
  const auto version = run_agent("--version");
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.output, StartsWith("vaccel-agent "));
  const auto help = run_agent("--help");
  EXPECT_EQ(help.status, 0);
  for (const char* option : {"--listen", "--plugin", "--config", "--check-config", "--models"}) {
    EXPECT_THAT(help.output, HasSubstr(option));
  }
}

TEST(AgentProgram, EndsWithTwoWhenItIsUsedWrongly) {
  for (const char* wrong :
       {"--listenn unix:///tmp/x", "stray", "--log-level loud", "--ready-fd x", "--ready-fd 99",
        "--ready-fd -1", "--config ''", "--models ''", "--plugin noop,noop", "--plugin remote"}) {
    const auto result = run_agent(wrong);
    EXPECT_EQ(result.status, 2) << wrong << ": " << result.output;
    EXPECT_THAT(result.output, HasSubstr("vaccel-agent: "));
  }
}

TEST(AgentProgram, ChecksAConfigurationAndSaysWhereItIsWrong) {
  const test::TempDirectory folder;
  const std::string good = write(folder, "[[listen]]\naddress = \"unix:///tmp/x.sock\"\n");
  const auto accepted = run_agent("--check-config --config " + good);
  EXPECT_EQ(accepted.status, 0) << accepted.output;
  const std::string bad = write(folder, "[[listen]]\nadress = \"unix:///tmp/x.sock\"\n");
  const auto refused = run_agent("--check-config --config " + bad);
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr("agent.toml:"));
  const auto missing = run_agent("--check-config --config /nowhere/agent.toml");
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.output, HasSubstr("/nowhere/agent.toml"));
}

TEST(AgentProgram, ChecksWhatTheConfigurationNames) {
  const test::TempDirectory folder;
  const std::string check = "--check-config --plugin noop --listen unix://";
  const std::string environment = "XDG_CACHE_HOME=" + folder.path().string();
  std::ofstream(folder / "file") << "not a socket";
  const auto good = run_agent(check + (folder / "a.sock").string(), environment);
  EXPECT_EQ(good.status, 0) << good.output;
  const std::string settings = write(folder, "[plugin.noop]\nslots = 5000\n");
  struct Case {
    std::string arguments, words;
  };
  for (const Case& c :
       {Case{check + "/nowhere/a.sock", "there is no directory '/nowhere'"},
        Case{check + (folder / "file").string(), "is not a socket"},
        Case{"--check-config --plugin nooop", "did you mean 'noop'"},
        Case{check + (folder / "a.sock").string() + " --config " + settings, "'slots'"}}) {
    const auto result = run_agent(c.arguments + " ", environment + " XDG_RUNTIME_DIR=/tmp");
    EXPECT_EQ(result.status, 1) << c.arguments << ": " << result.output;
    EXPECT_THAT(result.output, HasSubstr(c.words));
  }
}

TEST(AgentProgram, WarnsOnceOfALogLevelThatItDoesNotKnow) {
  ::setenv("VAC_LOG_LEVEL", "loud", 1);
  {
    const test::AgentProcess agent({"--plugin", "noop"});
    const std::string log = agent.log();
    EXPECT_THAT(log, HasSubstr("VAC_LOG_LEVEL is 'loud', which is no level and has no effect"));
    EXPECT_EQ(log.find("VAC_LOG_LEVEL"), log.rfind("VAC_LOG_LEVEL"));
    EXPECT_THAT(log, HasSubstr("listening"));
    const test::AgentProcess told({"--plugin", "noop", "--log-level", "info"});
    EXPECT_THAT(told.log(), Not(HasSubstr("VAC_LOG_LEVEL")));
  }
  ::unsetenv("VAC_LOG_LEVEL");
}

TEST(AgentProgram, OpensNoPluginThatWasNotChosenWhateverAClientCalls) {
  const test::AgentProcess agent({});
  BuiltCall noop(32);
  noop.absent(VAC_BYTE, VAC_IN);
  const test::RawReply reply = RawClient::greeted(agent.address()).run(noop);
  EXPECT_EQ(reply.code(), VAC_ENOTSUP);
  EXPECT_THAT(reply.text(), HasSubstr("noop: no plugin offers it: ask who runs the agent"));
  std::ostringstream maps;
  maps << std::ifstream("/proc/" + std::to_string(agent.pid()) + "/maps").rdbuf();
  EXPECT_THAT(maps.str(), HasSubstr("vaccel-agent"));
  EXPECT_THAT(maps.str(), Not(HasSubstr("noop.so")));
}

TEST(AgentProgram, FailsWithOneClearLine) {
  const test::TempDirectory folder;
  const std::string socket = "--listen unix://" + (folder / "a.sock").string();
  struct Case {
    std::string arguments, words;
  };
  std::ofstream(folder / "file") << "not a socket";
  for (const Case& c : {Case{socket + " --plugin nooop", "did you mean 'noop'"},
                        Case{socket + " --models /nowhere", "/nowhere"},
                        Case{"--listen unix://" + (folder / "file").string(), "not a socket"},
                        Case{"--listen nonsense", "nonsense"},
                        Case{"--listen unix:///nowhere/x.sock --plugin noop", "/nowhere"}}) {
    const auto result = run_agent(c.arguments, "XDG_CACHE_HOME=" + folder.path().string());
    EXPECT_EQ(result.status, 1) << c.arguments << ": " << result.output;
    EXPECT_THAT(result.output, HasSubstr(c.words));
    EXPECT_THAT(result.output, StartsWith("vaccel-agent: "));
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }
}

TEST(AgentProgram, SaysWhereItListensAndWithWhat) {
  test::AgentProcess agent({"--plugin", "noop"});
  EXPECT_THAT(agent.log(), HasSubstr("listening on " + agent.address() + ", plugins: noop 1.0"));
}

TEST(AgentProgram, LogsWhatItIsAskedFor) {
  test::AgentProcess quiet({"--plugin", "noop", "--log-level", "error"});
  EXPECT_EQ(quiet.log(), "");
  test::AgentProcess talkative({"--plugin", "noop", "--log-level", "debug"});
  RawClient::greeted(talkative.address());
  EXPECT_THAT(talkative.log(), HasSubstr("connection of uid"));
}

TEST(AgentProgram, StopsCleanlyWhenTold) {
  test::AgentProcess agent({"--plugin", "noop"});
  RawClient client = RawClient::greeted(agent.address());
  const std::string path = agent.address().substr(std::strlen("unix://"));
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(agent.stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto goodbye = client.receive_or_end();
  ASSERT_TRUE(goodbye);
  EXPECT_THAT(goodbye->text(), HasSubstr("stopping"));
  EXPECT_FALSE(client.receive_or_end());
}

/// Running calls have 5 s to end; one that nobody waits for is told to.
TEST(AgentProgram, StopsWithoutCallsWhoseClientHasGoneMeanwhile) {
  test::AgentProcess agent({"--plugin", "mbench"});
  auto client = std::make_unique<RawClient>(RawClient::greeted(agent.address()));
  const std::vector<std::uint64_t> a_minute_us = {60'000'000};
  BuiltCall burn(VAC_OP_NOOP), ping(VAC_OP_PING);
  burn.array(VAC_BYTE, std::as_bytes(std::span(a_minute_us)));
  client->call(burn);
  const std::uint64_t ping_request = client->call(ping);
  EXPECT_EQ(client->receive().header.request, ping_request) << "both have been read";
  ::kill(agent.pid(), SIGTERM);
  ASSERT_TRUE(
      test::eventually([&] { return agent.log().find("stopping (TERM)") != std::string::npos; }));
  client.reset();
  EXPECT_EQ(agent.stop(), 0) << agent.log();
}

TEST(AgentProgram, TakesTheSocketOfAnAgentThatWasKilledAndOfNoOther) {
  const test::TempDirectory folder;
  const std::string address = "unix://" + (folder / "a.sock").string();
  test::AgentProcess first({"--plugin", "noop", "--listen", address});
  const auto second =
      run_agent("--plugin noop --listen " + address, "XDG_CACHE_HOME=" + folder.path().string());
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.output, HasSubstr("listens there"));
  first.kill();
  EXPECT_TRUE(std::filesystem::exists(folder / "a.sock"));
  test::AgentProcess third({"--plugin", "noop", "--listen", address});
  BuiltCall ping(1);
  EXPECT_EQ(RawClient::greeted(address).run(ping).code(), VAC_OK);
}

TEST(AgentProgram, ServesItsOwnUserAloneUntilConfigured) {
  test::AgentProcess agent({"--plugin", "noop"});
  struct stat status{};
  ASSERT_EQ(::stat(agent.address().substr(std::strlen("unix://")).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(AgentProgram, TellsAServiceManagerThatItIsReady) {
  const test::TempDirectory folder;
  const std::string path = (folder / "notify").string();
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  {
    test::AgentProcess agent({"--plugin", "noop"});
    char text[64] = {};
    ASSERT_GT(::recv(socket.get(), text, sizeof text - 1, 0), 0);
    EXPECT_STREQ(text, "READY=1");
  }
  ::unsetenv("NOTIFY_SOCKET");
}

TEST(AgentProgram, ListensOnSeveralAddresses) {
  const test::TempDirectory folder;
  const std::string second = "unix://" + (folder / "b.sock").string();
  test::AgentProcess agent({"--plugin", "noop", "--listen", second});
  BuiltCall ping(1);
  EXPECT_EQ(RawClient::greeted(agent.address()).run(ping).code(), VAC_OK);
  EXPECT_EQ(RawClient::greeted(second).run(ping).code(), VAC_OK);
}

}  // namespace
}  // namespace vac
