// SPDX-License-Identifier: Apache-2.0
#include "doctor_findings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/fd.hpp"
#include "doctor_command.hpp"
#include "doctor_plugins.hpp"
#include "doctor_socket.hpp"
#include "support/temp_directory.hpp"

namespace vac::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Findings, AreATableWithEachSubjectOnce) {
  Findings findings;
  findings.good("address", "unix:///x");
  findings.good("plugins", "torch 1.13.1");
  findings.good("plugins", "blas 1.0");
  EXPECT_TRUE(findings.healthy());
  EXPECT_EQ(findings.table(),
            "address  unix:///x     ok\n"
            "plugins  torch 1.13.1  ok\n"
            "         blas 1.0      ok\n");
  findings.note("tenant", "uid 0");
  EXPECT_TRUE(findings.healthy());
  findings.broken("agent", "it sleeps", "wake it");
  EXPECT_FALSE(findings.healthy());
  const auto json = nlohmann::json::parse(findings.json());
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["findings"][4]["health"], "broken");
  EXPECT_EQ(json["findings"][4]["verdict"], "wake it");
}

TEST(Doctor, ShowsModesAsLsDoes) {
  EXPECT_EQ(mode_text(S_IFSOCK | 0660), "srw-rw----");
  EXPECT_EQ(mode_text(S_IFREG | 0755), "-rwxr-xr-x");
}

TEST(Doctor, SaysThatNoSocketIsThere) {
  Findings findings;
  EXPECT_FALSE(check_socket("/nonexistent/vaccel.sock", findings));
  ASSERT_EQ(findings.all().size(), 1U);
  EXPECT_THAT(findings.all()[0].text, HasSubstr("'/nonexistent/vaccel.sock'"));
  EXPECT_THAT(findings.all()[0].verdict,
              HasSubstr("vaccel-agent --listen unix:///nonexistent/vaccel.sock"));
}

TEST(Doctor, SaysThatAFileIsNoSocket) {
  const test::TempDirectory folder;
  std::ofstream(folder / "x") << "x";
  Findings findings;
  EXPECT_FALSE(check_socket(folder / "x", findings));
  EXPECT_THAT(findings.all()[0].verdict, HasSubstr("is no socket"));
}

TEST(Doctor, SaysWhoseASocketIs) {
  const test::TempDirectory folder;
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, (folder / "s").c_str(), sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  Findings findings;
  EXPECT_TRUE(check_socket(folder / "s", findings));
  EXPECT_THAT(findings.all()[0].text, HasSubstr("you are its owner"));
}

TEST(Doctor, StopsAtAnAddressThatIsNone) {
  const Findings findings = examine("nonsense");
  ASSERT_EQ(findings.all().size(), 1U);
  EXPECT_EQ(findings.all()[0].subject, "address");
  EXPECT_THAT(findings.all()[0].verdict, HasSubstr("unix:///run/vaccel.sock"));
  EXPECT_FALSE(findings.healthy());
}

TEST(Doctor, FindsPluginsByTheirFilesEachOnce) {
  const test::TempDirectory one;
  const test::TempDirectory two;
  for (const std::filesystem::path& file :
       {one / "b.so", one / "a.so", one / "notes.txt", two / "b.so"}) {
    std::ofstream(file) << "x";
  }
  EXPECT_THAT(plugin_names({one.path(), two.path(), "/nonexistent"}), ElementsAre("a", "b"));
}

TEST(Doctor, ShowsTheFrameworksVersionAndDevices) {
  Findings findings;
  list_plugins(R"({"plugins": [
      {"name": "torch", "version": "1.0", "describe": {"framework_version": "1.13.1", "devices": ["cpu"]}},
      {"name": "noop", "version": "1.0", "describe": {}}]})",
               findings);
  ASSERT_EQ(findings.all().size(), 2U);
  EXPECT_EQ(findings.all()[0].text, "torch 1.13.1 (cpu)");
  EXPECT_EQ(findings.all()[1].text, "noop 1.0");
  list_plugins(R"({"plugins": []})", findings);
  EXPECT_FALSE(findings.healthy());
}

}  // namespace
}  // namespace vac::cli
