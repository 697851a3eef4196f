// SPDX-License-Identifier: Apache-2.0
#include "support/process_state.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <stdexcept>
#include <string>

namespace vac::test {
namespace {

namespace fs = std::filesystem;

constexpr useconds_t kPauseUs = 2000;

/// The number behind a key such as "Rss:", in bytes: the file counts in KiB.
std::uint64_t kilobytes_of(const fs::path& file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size())) << 10U;
  }
  throw std::runtime_error("no " + key + " in " + file.string());
}

std::size_t lines_of(const fs::path& file) {
  std::ifstream lines(file);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) ++count;
  return count;
}

std::size_t entries_of(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

ProcessState state_of(pid_t pid) {
  const fs::path process = fs::path("/proc") / std::to_string(pid);
  ProcessState state;
  state.descriptors = entries_of(process / "fd");
  state.mappings = lines_of(process / "maps");
  state.threads = entries_of(process / "task");
  state.resident_bytes = kilobytes_of(process / "smaps_rollup", "Rss:");
  state.virtual_bytes = kilobytes_of(process / "status", "VmSize:");
  return state;
}

void limit_process(pid_t pid, int resource, std::uint64_t value) {
  // The hard limit stays, so that the soft one can be raised again by whoever lowered it.
  rlimit limit{};
  const auto kind = static_cast<__rlimit_resource>(resource);
  if (::prlimit(pid, kind, nullptr, &limit) == 0) {
    limit.rlim_cur = value;
    if (::prlimit(pid, kind, &limit, nullptr) == 0) return;
  }
  throw std::runtime_error(std::string("cannot limit a process: ") + std::strerror(errno));
}

std::uint64_t available_memory() { return kilobytes_of("/proc/meminfo", "MemAvailable:"); }

bool eventually(const std::function<bool()>& done, int patience_s) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(patience_s);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::usleep(kPauseUs);
  }
  return true;
}

std::ostream& operator<<(std::ostream& out, const ProcessState& state) {
  return out << state.descriptors << " descriptors, " << state.mappings << " mappings, "
             << state.threads << " threads, " << (state.resident_bytes >> 10U) << " KiB resident, "
             << (state.virtual_bytes >> 10U) << " KiB mapped";
}

}  // namespace vac::test
