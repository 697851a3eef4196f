// SPDX-License-Identifier: Apache-2.0
#include "transport/unix.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "transport/socket_channel.hpp"
#include "transport/unix_socket.hpp"

namespace vac::transport {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr milliseconds kLockPatience{2000};
constexpr milliseconds kStartPatience{500};

Result<sockaddr_un> name_of(const Address& address) {
  if (Status status = check_unix_target(address.target); !status) {
    return std::move(status).error().with_context(address.text());
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.target.data(), address.target.size());
  return name;
}

int connect_once(int socket, const sockaddr_un& name) noexcept {
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  return ::connect(socket, address, sizeof name) == 0 ? 0 : errno;
}

/// A lock of flock(2). It is let go by name: a child that another thread forks meanwhile has the
/// descriptor too, and would keep the lock for its life.
class DirectoryLock {
 public:
  explicit DirectoryLock(Fd locked) : locked_(std::move(locked)) {}
  DirectoryLock(DirectoryLock&&) = default;
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock() {
    if (locked_) ::flock(locked_.get(), LOCK_UN);
  }

 private:
  Fd locked_;  // none: the directory could not be locked
};

/// Held alone while a socket file is looked at, removed, made and listened on, so that two agents
/// that start at the same time cannot each take the other's new socket for a stale one; shared by
/// who wants to know that nobody is at it. A lock on the directory leaves no file behind.
/// `operation` as of flock(2).
Result<DirectoryLock> lock_directory(const std::string& path, int operation,
                                     steady_clock::time_point end, std::string_view doing) {
  const std::string directory = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  Fd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return Error{Errc::not_found,
                   concat(doing, ": there is no directory '", directory, "': create it first")};
    }
    return DirectoryLock(Fd());  // one that may be written and not read: go without
  }
  while (::flock(lock.get(), operation | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return DirectoryLock(Fd());
    if (steady_clock::now() >= end) {
      return Error{Errc::busy, concat(doing, ": another process holds a lock on '", directory,
                                      "': choose a directory of the agent's own")};
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return DirectoryLock(std::move(lock));
}

/// Whether an agent may be about to listen there: its socket's file comes first, for its user
/// alone.
bool may_be_starting(int failure, const Address& address) noexcept {
  struct stat info{};
  return (failure == ECONNREFUSED || failure == EACCES) &&
         ::stat(address.target.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

/// Connects until `end`; an errno, or 0. A full queue of connections makes connect wait; the send
/// time-out bounds that.
int connect_until(int socket, const sockaddr_un& name, steady_clock::time_point end) noexcept {
  int failure = 0;
  do {
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    set_socket_timeout(socket, SO_SNDTIMEO, std::max(left, milliseconds(1)));
    failure = connect_once(socket, name);
  } while (failure == EINTR && steady_clock::now() < end);
  return failure == EINTR ? EAGAIN : failure;
}

std::string group_name(gid_t group) {
  std::vector<char> buffer(1024);
  ::group entry{};
  ::group* found = nullptr;
  while (getgrgid_r(group, &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  return found != nullptr ? found->gr_name : concat(group);
}

Result<gid_t> group_id(const std::string& name) {
  std::vector<char> buffer(1024);
  ::group entry{};
  ::group* found = nullptr;
  while (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found != nullptr) return found->gr_gid;
  return Error{Errc::not_found,
               concat("there is no group '", name, "': create it or name another")};
}

Error no_access(const Address& address, std::string_view doing) {
  struct stat info{};
  if (::stat(address.target.c_str(), &info) != 0) {
    return Error{
        Errc::access_denied,
        concat(doing, ": permission denied: a directory on the way is closed to this user")};
  }
  if ((info.st_mode & S_IWGRP) == 0) {
    return Error{Errc::access_denied,
                 concat(doing, ": permission denied: the socket is for its owner alone (uid ",
                        info.st_uid, "): ask who runs the agent to open it to a group")};
  }
  const std::string group = group_name(info.st_gid);
  return Error{Errc::access_denied,
               concat(doing, ": permission denied: the socket is for the group '", group,
                      "': join it, with: sudo usermod -aG ", group, " $USER")};
}

Error connect_error(int number, const Address& address, std::string_view doing) {
  struct stat info{};
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      break;
    case ECONNREFUSED:
      if (::stat(address.target.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
        return Error{Errc::invalid, concat(doing, ": that file is not a socket")};
      }
      break;
    case EACCES:
    case EPERM:
      return no_access(address, doing);
    case EAGAIN:
      return Error{Errc::timed_out,
                   concat(doing,
                          ": an agent is there and takes no connection: it is overloaded or "
                          "stuck, try again or look at its log")};
    case EPROTOTYPE:
      return Error{Errc::invalid, concat(doing, ": that socket is not an agent's")};
    default:
      return errno_error(number, concat(doing, ": cannot connect"));
  }
  return Error{Errc::connection_refused,
               concat(doing, ": no agent listens there; start one with: vaccel-agent --listen ",
                      address.text())};
}

}  // namespace

Status check_unix_target(std::string_view target) {
  if (target.empty() || target.front() != '/') {
    return Error{Errc::invalid, "must be an absolute path, such as unix:///run/vaccel.sock"};
  }
  if (target.back() == '/') return Error{Errc::invalid, "must be a file, and ends in '/'"};
  if (target.find('\0') != std::string_view::npos) {
    return Error{Errc::invalid, "has a zero byte in its path"};
  }
  if (target.size() > kLongestPath) {
    return Error{Errc::invalid, concat("its path has ", target.size(), " bytes, the system allows ",
                                       kLongestPath, ": choose a shorter one")};
  }
  return {};
}

Result<std::unique_ptr<Channel>> connect_unix(const Address& address, milliseconds timeout) {
  const std::string doing = "open " + address.text();
  VAC_TRY(const sockaddr_un name, name_of(address));
  VAC_TRY(Fd socket, new_unix_socket(0, doing));
  const auto now = steady_clock::now();
  int failure = connect_until(socket.get(), name, now + timeout);
  if (may_be_starting(failure, address)) {
    (void)lock_directory(address.target, LOCK_SH, now + std::min(timeout, kStartPatience), doing);
    failure = connect_until(socket.get(), name, now + timeout);
  }
  if (failure != 0) return connect_error(failure, address, doing);
  set_socket_timeout(socket.get(), SO_SNDTIMEO, milliseconds(0));
  return std::unique_ptr<Channel>(std::make_unique<SocketChannel>(std::move(socket)));
}

namespace {

/// Which file it is, whatever happens to its name.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;

  static FileId of(const struct stat& info) { return {info.st_dev, info.st_ino}; }
  bool operator==(const FileId&) const = default;
};

class UnixListener final : public Listener {
 public:
  UnixListener(Fd socket, std::string path, FileId file)
      : socket_(std::move(socket)), path_(std::move(path)), file_(file) {}

  /// The file goes before the socket closes: as long as it is open nobody takes the file for a
  /// stale one and puts another in its place.
  ~UnixListener() override {
    struct stat info{};
    if (::lstat(path_.c_str(), &info) == 0 && FileId::of(info) == file_) ::unlink(path_.c_str());
  }

  Result<std::unique_ptr<Channel>> accept() override {
    VAC_TRY(Fd socket, accept_unix_socket(socket_.get(), concat("unix://", path_)));
    if (!socket) return std::unique_ptr<Channel>();
    return std::unique_ptr<Channel>(std::make_unique<SocketChannel>(std::move(socket)));
  }

  int descriptor() const noexcept override { return socket_.get(); }

 private:
  const Fd socket_;
  const std::string path_;
  const FileId file_;
};

Error address_in_use(int probe, std::string_view doing) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
  return Error{Errc::address_in_use,
               concat(doing, ": another process", known ? concat(" (pid ", peer.pid, ")") : "",
                      " listens there: stop it or choose another address")};
}

/// Removes a socket file that nobody listens on. Anything else at that path is an error.
Status remove_stale(const sockaddr_un& name, std::string_view doing) {
  struct stat info{};
  if (::lstat(name.sun_path, &info) != 0) return {};  // none, or bind will tell
  if (!S_ISSOCK(info.st_mode)) {
    return Error{Errc::exists, concat(doing, ": '", name.sun_path,
                                      "' exists and is not a socket: choose another path, or "
                                      "remove it if it is not needed")};
  }
  VAC_TRY(const Fd probe, new_unix_socket(SOCK_NONBLOCK, doing));
  const int failure = connect_once(probe.get(), name);
  if (failure == 0 || failure == EAGAIN) return address_in_use(probe.get(), doing);
  if (failure == ENOENT) return {};
  if (failure != ECONNREFUSED) {
    return errno_error(
        failure, concat(doing, ": cannot tell whether the socket '", name.sun_path, "' is in use"));
  }
  if (::unlink(name.sun_path) != 0 && errno != ENOENT) {
    return errno_error(errno,
                       concat(doing, ": cannot remove the stale socket '", name.sun_path, "'"));
  }
  return {};
}

/// Between bind and listen nobody can connect: the time to say who may.
Result<FileId> set_permissions(const sockaddr_un& name, const ListenOptions& options,
                               std::string_view doing) {
  if (!options.group.empty()) {
    auto group = group_id(options.group);
    if (!group) return std::move(group).error().with_context(doing);
    if (::chown(name.sun_path, static_cast<uid_t>(-1), *group) != 0) {
      return errno_error(
          errno, concat(doing, ": cannot give the socket to the group '", options.group, "'"),
          "run the agent as a member of that group");
    }
  }
  struct stat info{};
  if (::chmod(name.sun_path, options.mode) != 0 || ::lstat(name.sun_path, &info) != 0) {
    return errno_error(errno, concat(doing, ": cannot set the socket's permissions"));
  }
  return FileId::of(info);
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_unix(const Address& address,
                                              const ListenOptions& options) {
  const std::string doing = "listen at " + address.text();
  VAC_TRY(const sockaddr_un name, name_of(address));
  VAC_TRY(Fd socket, new_unix_socket(SOCK_NONBLOCK, doing));
  VAC_TRY(const DirectoryLock lock,
          lock_directory(address.target, LOCK_EX, steady_clock::now() + kLockPatience, doing));
  VAC_CHECK(remove_stale(name, doing));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return errno_error(errno, concat(doing, ": cannot make the socket"));
  }
  auto file = set_permissions(name, options, doing);
  if (!file) {
    ::unlink(name.sun_path);
    return std::move(file).error();
  }
  auto listener = std::make_unique<UnixListener>(std::move(socket), address.target, *file);
  if (::listen(listener->descriptor(), SOMAXCONN) != 0) {
    return errno_error(errno, concat(doing, ": cannot listen"));
  }
  return std::unique_ptr<Listener>(std::move(listener));
}

}  // namespace vac::transport
