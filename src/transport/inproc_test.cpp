// SPDX-License-Identifier: Apache-2.0
#include "transport/inproc.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "base/fd.hpp"

namespace vac::transport {
namespace {

constexpr std::chrono::milliseconds kPatience{10'000};

std::string refusal(std::string_view target) {
  const Status status = check_inproc_target(target);
  return status ? "" : status.error().text();
}

/// The name that "inproc://test" has in the process.
sockaddr_un name_in(pid_t process, socklen_t& size) {
  const std::string text = "vac-inproc-" + std::to_string(process) + "-test";
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path + 1, text.data(), text.size());
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

/// Whether a child process gets a connection to the name that this process would use.
bool another_process_connects() {
  socklen_t size = 0;
  const sockaddr_un name = name_in(::getpid(), size);
  const pid_t child = ::fork();
  if (child == 0) {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ::_exit(::connect(socket, reinterpret_cast<const sockaddr*>(&name), size) == 0 ? 0 : 1);
  }
  int status = 1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status == 0;
}

TEST(Inproc, HasAShortName) {
  EXPECT_EQ(refusal("test-1_a"), "");
  constexpr const char* kRule =
      "must be a name of at most 64 characters a-z, 0-9, - and _, such as inproc://test";
  for (const auto* bad : {"", "a/b", "A", " "}) EXPECT_EQ(refusal(bad), kRule);
  EXPECT_EQ(refusal(std::string(64, 'x')), "");
  EXPECT_EQ(refusal(std::string(65, 'x')), kRule);
}

TEST(Inproc, SendsAnotherProcessAway) {
  auto listener = listen_inproc({"inproc", "test"}, {});
  ASSERT_TRUE(listener) << listener.error().message();
  ASSERT_TRUE(another_process_connects());
  auto channel = (*listener)->accept();
  ASSERT_TRUE(channel) << channel.error().message();
  EXPECT_EQ(*channel, nullptr);
}

TEST(Inproc, GoesNotToAnotherProcessThatHasTakenTheName) {
  // The child listens; the socket lives on here when the child is gone.
  socklen_t size = 0;
  const sockaddr_un name = name_in(::getpid(), size);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), size), 0);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::listen(socket.get(), 1));
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto channel = connect_inproc({"inproc", "test"}, kPatience);
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().text(), "open inproc://test: another process has taken that name");
}

}  // namespace
}  // namespace vac::transport
