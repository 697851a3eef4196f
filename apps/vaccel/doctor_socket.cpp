// SPDX-License-Identifier: Apache-2.0
#include "doctor_socket.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/errno_error.hpp"
#include "base/text.hpp"

namespace vac::cli {
namespace {

std::string user_name(uid_t uid) {
  const passwd* user = ::getpwuid(uid);
  return user != nullptr ? user->pw_name : concat("uid ", uid);
}

std::string group_name(gid_t gid) {
  const group* found = ::getgrgid(gid);
  return found != nullptr ? found->gr_name : concat("gid ", gid);
}

bool in_group(gid_t gid) {
  if (::getegid() == gid) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  return std::find(groups.begin(), groups.end(), gid) != groups.end();
}

/// Why this user is let in, or is not.
std::string relation(const struct stat& file) {
  if (file.st_uid == ::geteuid()) return "you are its owner";
  if (::geteuid() == 0) return "you are root";
  const std::string group = group_name(file.st_gid);
  return (in_group(file.st_gid) ? "you are in group " : "you are not in group ") + group;
}

/// What makes the socket usable for us.
std::string remedy(const struct stat& file) {
  if ((file.st_mode & S_IWGRP) != 0 && !in_group(file.st_gid)) {
    return concat("sudo usermod -aG ", group_name(file.st_gid), " ", user_name(::getuid()),
                  ", then log in again");
  }
  return concat("let your group in by 'group' at [[listen]] in the agent's configuration, or be ",
                user_name(file.st_uid));
}

}  // namespace

std::string mode_text(unsigned mode) {
  std::string text = S_ISSOCK(mode) ? "s" : S_ISDIR(mode) ? "d" : S_ISREG(mode) ? "-" : "?";
  constexpr char kLetters[] = "rwxrwxrwx";
  for (unsigned i = 0; i < 9; ++i) text += (mode & (0400U >> i)) != 0 ? kLetters[i] : '-';
  return text;
}

bool check_socket(const std::string& path, Findings& findings) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) {
    const int number = errno;
    findings.broken("socket", errno_error(number, concat("cannot look at '", path, "'")).text(),
                    number == EACCES
                        ? "make the folders above it accessible for you"
                        : concat("start an agent: vaccel-agent --listen unix://", path));
    return false;
  }
  const std::string text = concat(mode_text(file.st_mode), " ", user_name(file.st_uid), ":",
                                  group_name(file.st_gid), ", ", relation(file));
  if (!S_ISSOCK(file.st_mode)) {
    findings.broken("socket", text, concat("'", path, "' is no socket: name the agent's"));
    return false;
  }
  if (::access(path.c_str(), W_OK) != 0) {
    findings.broken("socket", text, remedy(file));
    return false;
  }
  findings.good("socket", text);
  return true;
}

}  // namespace vac::cli
