// SPDX-License-Identifier: Apache-2.0
#include "doctor_plugins.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/environment_list.hpp"
#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/installed_folders.hpp"
#include "base/text.hpp"
#include "json_output.hpp"
#include "plugin_version.hpp"

namespace vac::cli {
namespace {

namespace fs = std::filesystem;

/// Those that sessions search.
std::vector<fs::path> plugin_folders() {
  std::vector<std::string> folders = environment_list("VAC_PLUGIN_PATH", ':');
  const auto library = reinterpret_cast<const void*>(&vac_version);
  std::ranges::move(installed_folders(library, "vac"), std::back_inserter(folders));
  return {folders.begin(), folders.end()};
}

struct Answer {
  bool loaded = false;
  std::string text;  // its description, or why it did not load
};

/// What a process that does nothing else says after loading the plugins, as VAC_PLUGINS names them.
Answer load_here(const std::string& names) {
  ::setenv("VAC_PLUGINS", names.c_str(), 1);
  const Result<Session> session = Session::open("local:", {.name = "vaccel doctor"});
  if (!session) return {false, session.error().message()};
  const Result<std::string> description = session->describe();
  if (!description) return {false, description.error().message()};
  return {true, *description};
}

/// The child's end: one byte for success, then the text. Nothing of this process is torn down: the
/// framework's threads go with it.
[[noreturn]] void answer(int pipe, const std::string& names) {
  const Answer found = load_here(names);
  const std::string message = (found.loaded ? "+" : "-") + found.text;
  std::string_view rest = message;
  while (!rest.empty()) {
    const ssize_t written = ::write(pipe, rest.data(), rest.size());
    if (written <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  ::_exit(0);
}

std::string read_all(int pipe) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Answer load_elsewhere(const std::string& names) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return {false, errno_error(errno, "cannot make a pipe").text()};
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return {false, errno_error(errno, "cannot start a process").text()};
  if (child == 0) answer(write_end.get(), names);
  write_end.reset();
  const std::string message = read_all(read_end.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    return {false, concat("crashes while it loads: ", ::strsignal(WTERMSIG(status)))};
  }
  if (message.empty()) return {false, "ends the process while it loads"};
  return {message.front() == '+', message.substr(1)};
}

/// The plugins in what vac_session_describe says; empty where it is not that.
Json plugins_of(const std::string& description) {
  const Json whole = Json::parse(description, nullptr, false);
  const auto plugins = whole.is_object() ? whole.find("plugins") : whole.end();
  return plugins != whole.end() && plugins->is_array() ? *plugins : Json::array();
}

/// Whether a session opens with the plugins that the variable chooses; where it chooses none there
/// is nothing to say.
void check_choice(Findings& findings) {
  constexpr const char* kSubject = "VAC_PLUGINS";
  constexpr const char* kRemedy = "name plugins of this list, or unset VAC_PLUGINS";
  const char* const names = std::getenv("VAC_PLUGINS");
  if (names == nullptr || environment_list("VAC_PLUGINS", ',').empty()) return;
  const Answer found = load_elsewhere(names);
  if (!found.loaded) {
    return findings.broken(kSubject, concat(names, ": ", found.text), kRemedy);
  }
  if (plugins_of(found.text).empty()) {
    return findings.broken(kSubject, concat(names, ": chooses none that serves local:"), kRemedy);
  }
  findings.good(kSubject, names);
}

}  // namespace

std::vector<std::string> plugin_names(const std::vector<fs::path>& folders) {
  std::set<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code failure;
    fs::directory_iterator entry(folder, failure);
    for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
      if (entry->path().extension() == ".so") names.insert(entry->path().stem());
    }
  }
  return {names.begin(), names.end()};
}

void list_plugins(const std::string& description, Findings& findings) {
  const Json plugins = plugins_of(description);
  if (plugins.empty()) {
    findings.broken("plugins", "none",
                    "choose some: vaccel-agent --plugin NAME, or VAC_PLUGINS=NAME for local:");
  }
  for (const Json& plugin : plugins) {
    findings.good("plugins", text_of(plugin, "name") + " " + plugin_version(plugin));
  }
}

void check_plugins(Findings& findings) {
  const std::vector<fs::path> folders = plugin_folders();
  std::string searched;
  for (const fs::path& folder : folders)
    searched += (searched.empty() ? "" : ", ") + folder.string();
  findings.note("folders", searched);
  const std::vector<std::string> names = plugin_names(folders);
  if (names.empty())
    findings.broken("plugins", "none installed", "install a plugin of vAccel there");
  for (const std::string& name : names) {
    if (name == "remote") continue;  // serves every other address, chosen or not
    const Answer found = load_elsewhere(name);
    found.loaded ? list_plugins(found.text, findings)
                 : findings.broken("plugins", name + ": " + found.text,
                                   "install it again, with the libraries that it needs");
  }
  check_choice(findings);
}

}  // namespace vac::cli
