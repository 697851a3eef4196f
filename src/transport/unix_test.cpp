// SPDX-License-Identifier: Apache-2.0
// What is special about sockets with a name in the file system. What every transport promises is in
// tests/conformance.
#include "transport/unix.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "support/sleeper.hpp"
#include "support/temp_directory.hpp"
#include "transport/socket_channel.hpp"

namespace vac::transport {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

constexpr milliseconds kPatience{10'000};

/// Root may do anything, so what is forbidden is tried as somebody else.
class AsNobody {
 public:
  AsNobody() { EXPECT_EQ(::seteuid(root_ ? 65534 : ::geteuid()), 0); }
  ~AsNobody() { EXPECT_EQ(::seteuid(root_ ? 0 : ::geteuid()), 0); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  const bool root_ = ::geteuid() == 0;
};

class UnixTransport : public testing::Test {
 protected:
  void TearDown() override { open_directory(); }
  void open_directory(std::filesystem::perms mode = std::filesystem::perms::all) {
    std::filesystem::permissions(directory_.path(), mode);
  }

  /// The refusal of connecting as somebody whom the files' modes keep out.
  std::string refusal_of_nobody() {
    const AsNobody nobody;
    const auto channel = connect_unix(address_, kPatience);
    return channel ? "none" : channel.error().message();
  }
  /// The same of listening.
  std::string refusal_to_listen(const ListenOptions& options = {}) {
    const AsNobody nobody;
    const auto listener = listen_unix(address_, options);
    return listener ? "none" : listener.error().message();
  }

  const char* path() const { return address_.target.c_str(); }

  std::unique_ptr<Listener> listen_now(const ListenOptions& options = {}) {
    auto listener = listen_unix(address_, options);
    EXPECT_TRUE(listener) << listener.error().message();
    return listener ? *std::move(listener) : nullptr;
  }

  bool connects() {
    const auto channel = connect_unix(address_, kPatience);
    return channel.has_value();
  }

  /// A listening socket that is not ours; without `listening` it is stale at once.
  Fd foreign_socket(bool listening, int backlog = 5, int type = SOCK_STREAM) {
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, path());
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    if (listening) {
      EXPECT_EQ(::listen(socket.get(), backlog), 0);
    }
    return socket;
  }

  test::TempDirectory directory_;
  Address address_{"unix", (directory_ / "agent.sock").string()};
};

TEST_F(UnixTransport, ReplacesAStaleSocket) {
  foreign_socket(false).reset();
  ASSERT_TRUE(std::filesystem::is_socket(path()));
  const auto listener = listen_now();
  EXPECT_TRUE(connects());
}

TEST_F(UnixTransport, LeavesALiveSocketAlone) {
  const Fd foreign = foreign_socket(true);
  const auto listener = listen_unix(address_, {});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), Errc::address_in_use);
  EXPECT_EQ(listener.error().text(), "listen at " + address_.text() + ": another process (pid " +
                                         std::to_string(getpid()) +
                                         ") listens there: stop it or choose another address");
  EXPECT_TRUE(connects());
}

TEST_F(UnixTransport, LeavesABusySocketAlone) {
  const Fd foreign = foreign_socket(true, 0);
  EXPECT_TRUE(connects());  // and so its queue is full
  const auto listener = listen_unix(address_, {});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), Errc::address_in_use);
}

TEST_F(UnixTransport, LeavesOtherFilesAlone) {
  std::ofstream(path()) << "precious";
  const auto listener = listen_unix(address_, {});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), Errc::exists);
  EXPECT_EQ(std::filesystem::file_size(path()), 8U);

  const auto channel = connect_unix(address_, kPatience);
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().text(), "open " + address_.text() + ": that file is not a socket");
}

TEST_F(UnixTransport, DoesNotFollowALink) {
  const std::filesystem::path target = directory_ / "other";
  std::ofstream(target) << "precious";
  std::filesystem::create_symlink(target, path());
  EXPECT_FALSE(listen_unix(address_, {}));
  EXPECT_TRUE(std::filesystem::exists(target));
}

TEST_F(UnixTransport, RemovesItsFileAtTheEnd) {
  auto listener = listen_now();
  EXPECT_TRUE(std::filesystem::is_socket(path()));
  listener.reset();
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(UnixTransport, LeavesAnothersFileInItsPlace) {
  auto listener = listen_now();
  std::filesystem::remove(path());
  const Fd foreign = foreign_socket(true);
  listener.reset();
  EXPECT_TRUE(connects());
}

TEST_F(UnixTransport, TheSocketHasTheModeAndGroupAskedFor) {
  const auto mode_of = [this] {
    struct stat info{};
    EXPECT_EQ(::lstat(path(), &info), 0);
    return info.st_mode & 07777;
  };
  EXPECT_TRUE(listen_now());
  {
    const auto listener = listen_now();
    EXPECT_EQ(mode_of(), 0600U);
  }
  ListenOptions options;
  options.mode = 0660;
  options.group = "no-such-group-here";
  const auto refused = listen_unix(address_, options);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("there is no group 'no-such-group-here'"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path()));
  options.group.clear();
  const auto listener = listen_now(options);
  EXPECT_EQ(mode_of(), 0660U);
}

TEST_F(UnixTransport, KnowsThePeersUser) {
  const auto listener = listen_now();
  const auto client = connect_unix(address_, kPatience);
  ASSERT_TRUE(client);
  const auto server = listener->accept();
  ASSERT_TRUE(server && *server);
  EXPECT_EQ((*server)->peer_uid(), getuid());
  EXPECT_EQ((*client)->peer_uid(), getuid());
}

TEST_F(UnixTransport, AsksForLargeBuffersOnBothSides) {
  const auto listener = listen_now();
  const auto client = connect_unix(address_, kPatience);
  ASSERT_TRUE(client);
  const auto server = listener->accept();
  ASSERT_TRUE(server && *server);
  const auto buffer_of = [](const Channel& channel) {
    int bytes = 0;
    socklen_t size = sizeof bytes;
    getsockopt(channel.descriptor(), SOL_SOCKET, SO_SNDBUF, &bytes, &size);
    return bytes;
  };
  EXPECT_EQ(buffer_of(**client), buffer_of(**server));
  std::ifstream limit_file("/proc/sys/net/core/wmem_max");
  int limit = 0;
  limit_file >> limit;
  EXPECT_EQ(buffer_of(**client), 2 * std::min(limit, kSocketBufferBytes));
}

TEST_F(UnixTransport, ConnectingToAFullQueueEndsInTime) {
  const Fd foreign = foreign_socket(true, 0);
  EXPECT_TRUE(connects());
  const auto channel = connect_unix(address_, milliseconds(20));
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().code(), Errc::timed_out);
}

/// As an agent that starts: its file is there, and it does not listen yet.
TEST_F(UnixTransport, ConnectingWaitsForAnAgentThatStarts) {
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
  const Fd agent = foreign_socket(false);
  test::Sleeper client;
  bool connected = false;
  std::jthread thread([&] {
    client.is_me();
    connected = connects();
  });
  client.wait_until_asleep();
  EXPECT_EQ(::listen(agent.get(), 5), 0);
  directory.reset();
  thread.join();
  EXPECT_TRUE(connected);
}

/// Its socket is for its own user alone until it has said who may connect.
TEST_F(UnixTransport, AnotherUserWaitsForAnAgentThatStarts) {
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
  open_directory();
  const Fd agent = foreign_socket(false);
  std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  test::Sleeper client;
  std::string refusal = "none yet";
  std::jthread thread([&] {
    client.is_me();
    // The system's own call changes this thread alone.
    if (::geteuid() == 0) {
      EXPECT_EQ(::syscall(SYS_setresuid, -1, 65534, -1), 0);
    }
    const auto channel = connect_unix(address_, kPatience);
    refusal = channel ? "none" : channel.error().message();
  });
  client.wait_until_asleep();
  std::filesystem::permissions(path(), std::filesystem::perms::all);
  EXPECT_EQ(::listen(agent.get(), 5), 0);
  directory.reset();
  thread.join();
  EXPECT_EQ(refusal, "none");
}

/// A child that is forked while a thread has the directory open, as those of prefork servers.
TEST_F(UnixTransport, AForkedChildKeepsNoLockOfTheDirectory) {
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
  foreign_socket(false).reset();
  test::Sleeper client;
  std::jthread thread([&] {
    client.is_me();
    (void)connects();
  });
  client.wait_until_asleep();
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  ASSERT_GT(child, 0);
  EXPECT_EQ(::flock(directory.get(), LOCK_UN), 0);
  thread.join();
  EXPECT_EQ(::flock(directory.get(), LOCK_EX | LOCK_NB), 0);
  ::kill(child, SIGKILL);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST_F(UnixTransport, ConnectingWaitsForNoLockForEver) {
  const Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
  const Fd agent = foreign_socket(false);
  const auto channel = connect_unix(address_, milliseconds(10));
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().code(), Errc::connection_refused);
}

TEST_F(UnixTransport, ConnectingWithoutPermissionNamesWhoHasIt) {
  const Fd foreign = foreign_socket(true);
  open_directory();
  ASSERT_EQ(::chmod(path(), 0), 0);
  EXPECT_THAT(refusal_of_nobody(),
              AllOf(HasSubstr("the socket is for its owner alone (uid " + std::to_string(getuid())),
                    HasSubstr("VAC_EACCES")));
}

TEST_F(UnixTransport, ConnectingWithoutPermissionNamesTheGroupThatHasIt) {
  const Fd foreign = foreign_socket(true);
  open_directory();
  ASSERT_EQ(::chmod(path(), 0060), 0);
  // Not a group of whoever runs this; only root can give it away, and only root needs to.
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path(), 0, 1), 0);
  }
  EXPECT_THAT(refusal_of_nobody(),
              AllOf(HasSubstr("the socket is for the group '"), HasSubstr("usermod -aG")));
}

TEST_F(UnixTransport, ConnectingThroughAClosedDirectorySaysSo) {
  const Fd foreign = foreign_socket(true);
  open_directory(std::filesystem::perms::none);
  EXPECT_THAT(refusal_of_nobody(), HasSubstr("a directory on the way is closed to this user"));
}

TEST_F(UnixTransport, ConnectingToASocketOfAnotherKindSaysSo) {
  const Fd foreign = foreign_socket(false, 0, SOCK_DGRAM);
  const auto channel = connect_unix(address_, kPatience);
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().text(), "open " + address_.text() + ": that socket is not an agent's");
}

TEST_F(UnixTransport, LeavesASocketOfAnotherKindAlone) {
  const Fd foreign = foreign_socket(false, 0, SOCK_DGRAM);
  const auto listener = listen_unix(address_, {});
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().text(), HasSubstr("cannot tell whether the socket"));
  EXPECT_TRUE(std::filesystem::is_socket(path()));
}

TEST_F(UnixTransport, APathThatIsTooLongIsRefused) {
  address_.target += std::string(200, 'x');
  const auto channel = connect_unix(address_, kPatience);
  ASSERT_FALSE(channel);
  EXPECT_THAT(channel.error().text(),
              AllOf(HasSubstr(address_.text()), HasSubstr("choose a shorter one")));
}

TEST_F(UnixTransport, GivesItsSocketToNoGroupThatItIsNotIn) {
  open_directory();
  ListenOptions options;
  options.group = "daemon";
  EXPECT_THAT(refusal_to_listen(options),
              AllOf(HasSubstr("to the group 'daemon'"), HasSubstr("run the agent as a member")));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(UnixTransport, NeedsADirectoryThatItMayWrite) {
  open_directory(std::filesystem::perms(0555));
  EXPECT_THAT(refusal_to_listen(), HasSubstr("cannot make the socket"));
}

TEST_F(UnixTransport, NeedsNoDirectoryThatItMayRead) {
  open_directory(std::filesystem::perms(0333));
  EXPECT_EQ(refusal_to_listen(), "none");
}

TEST_F(UnixTransport, AcceptingWithoutADescriptorLeftIsAnError) {
  const auto listener = listen_now();
  const auto client = connect_unix(address_, kPatience);
  ASSERT_TRUE(client);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto refused = listener->accept();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::too_many_files);
  EXPECT_THAT(refused.error().text(), HasSubstr("accept at " + address_.text()));
  EXPECT_TRUE(listener->accept().value());
}

TEST_F(UnixTransport, ListeningInNoDirectorySaysSo) {
  address_.target = (directory_ / "missing").string() + "/agent.sock";
  const auto listener = listen_unix(address_, {});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), Errc::not_found);
  EXPECT_NE(listener.error().text().find("create it first"), std::string::npos);
}

TEST_F(UnixTransport, OneOfManyThatStartTogetherWins) {
  for (int round = 0; round < 20; ++round) {
    foreign_socket(false).reset();
    std::vector<std::unique_ptr<Listener>> listeners(6);
    {
      std::latch start(static_cast<std::ptrdiff_t>(listeners.size()));
      std::vector<std::jthread> starters;
      for (auto& listener : listeners) {
        starters.emplace_back([this, &start, &listener] {
          start.arrive_and_wait();
          auto made = listen_unix(address_, {});
          if (made) listener = *std::move(made);
        });
      }
    }
    const auto listens = [](const auto& listener) { return listener != nullptr; };
    EXPECT_EQ(std::ranges::count_if(listeners, listens), 1);
    EXPECT_TRUE(connects());
  }
}

TEST(SocketChannel, ServesASocketpair) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  SocketChannel one{Fd(ends[0])};
  SocketChannel other{Fd(ends[1])};
  const iovec piece{const_cast<char*>("abc"), 3};
  EXPECT_EQ(one.send({&piece, 1}, Wait::block), 3);
  std::byte to[3];
  EXPECT_EQ(other.receive(to, Wait::all), 3);
}

}  // namespace
}  // namespace vac::transport
