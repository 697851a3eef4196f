// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "support/terminal.hpp"

namespace vac::cli {
namespace {

/// What `write` leaves on a terminal that is the stderr of its process.
std::string on_a_terminal(const std::function<void()>& write) {
  test::Terminal terminal;
  const pid_t child = ::fork();
  if (child == 0) {
    const int device = ::open(terminal.path().c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (::dup2(device, STDERR_FILENO) < 0) ::_exit(1);
    write();
    ::_exit(0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return terminal.text();
}

TEST(Command, TakesProgressAwayBeforeItComplains) {
  EXPECT_EQ(on_a_terminal([] {
              show_progress("bench: block 1 of 3");
              EXPECT_EQ(report("bench", Error{Errc::remote_io, "it is gone"}), ExitStatus::failed);
            }),
            "\r\x1b[Kbench: block 1 of 3\r\x1b[Kvaccel bench: it is gone (VAC_EREMOTEIO)\n");
}

TEST(Command, LeavesTheLineAloneWhereItShowsNoProgress) {
  EXPECT_EQ(
      on_a_terminal([] { EXPECT_EQ(report_wrong_use("run", "no photo"), ExitStatus::wrong_use); }),
      "vaccel run: no photo: see vaccel run --help\n");
}

TEST(Command, ComplainsWithoutWhatDrivesTheTerminal) {
  EXPECT_EQ(on_a_terminal([] { complain("", "no command '\x1b[31m'"); }),
            "vaccel: no command '?[31m'\n");
}

}  // namespace
}  // namespace vac::cli
