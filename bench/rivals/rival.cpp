// SPDX-License-Identifier: Apache-2.0
#include "rival.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <thread>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/malloc_policy.hpp"
#include "driver.hpp"

namespace vac::bench {
namespace {

/// A folder for the socket.
class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "rival.XXXXXX";
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string socket() const { return path_ / "socket"; }

 private:
  std::filesystem::path path_;
};

/// The server's process, which ends with this object or with this process.
class Server {
 public:
  Server(const Rival& rival, const std::string& path, const RivalOptions& options) {
    child_ = ::fork();
    if (child_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    rival.serve(path, options);
    ::_exit(1);
  }
  ~Server() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Until somebody listens at `path`.
  Status wait_for(const std::string& path) const {
    for (int i = 0; i < 500; ++i) {
      if (listens(path)) return {};
      if (::waitpid(child_, nullptr, WNOHANG) != 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return Error{Errc::failed, "the rival's server does not start"};
  }

 private:
  static bool listens(const std::string& path) {
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
           0;
  }

  pid_t child_ = -1;
};

}  // namespace

int run_rival(int argc, char** argv, const Rival& rival) {
  RivalOptions options;
  bool tuned = false;
  CLI::App app("A rival of vAccel, measured when told to on standard input");
  app.add_option("--bytes", options.bytes);
  app.add_flag("--callback", options.callback);
  app.add_flag("--tuned", tuned);
  CLI11_PARSE(app, argc, argv);
  if (tuned) keep_freed_memory();
  const Folder folder;
  // Before the client's library has threads.
  const Server server(rival, folder.socket(), options);
  if (const Status started = server.wait_for(folder.socket()); !started) {
    return fail(started.error());
  }
  auto client = rival.connect(folder.socket(), options);
  if (!client) return fail(client.error());
  Subjects subjects;
  subjects.push_back(std::move(*client));
  return drive(subjects);
}

}  // namespace vac::bench
