// SPDX-License-Identifier: Apache-2.0
#include "bench_affinity.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>

#include "base/errno_error.hpp"
#include "base/text.hpp"

namespace vac::cli {
namespace {

namespace fs = std::filesystem;

/// The threads that a process has at this moment; empty when it is gone.
std::vector<pid_t> threads_of(pid_t process) {
  std::vector<pid_t> threads;
  std::error_code failure;
  fs::directory_iterator entry(concat("/proc/", process, "/task"), failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
    const std::string name = entry->path().filename();
    pid_t thread = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), thread);
    if (read.ec == std::errc()) threads.push_back(thread);
  }
  return threads;
}

Error cannot_pin(pid_t process, int number) {
  return errno_error(number, concat("cannot choose the core of process ", process),
                     "run the benchmark as the agent's user");
}

Result<cpu_set_t> affinity_of(pid_t thread) {
  cpu_set_t cores;
  if (::sched_getaffinity(thread, sizeof cores, &cores) != 0) return cannot_pin(thread, errno);
  return cores;
}

/// "0,8" or "0-1": the processors that share a core with this one.
std::string siblings_of(int processor) {
  std::ifstream file(
      concat("/sys/devices/system/cpu/cpu", processor, "/topology/thread_siblings_list"));
  std::string text;
  std::getline(file, text);
  return text;
}

/// Sets `cores` for each thread until a look at the process finds none that is not there. A thread
/// that ends meanwhile is no failure.
Status set_all(pid_t process, const cpu_set_t& cores) {
  std::set<pid_t> done;
  for (bool found_new = true; found_new;) {
    found_new = false;
    for (const pid_t thread : threads_of(process)) {
      if (!done.insert(thread).second) continue;
      found_new = true;
      if (::sched_setaffinity(thread, sizeof cores, &cores) != 0 && errno != ESRCH) {
        return cannot_pin(process, errno);
      }
    }
  }
  return {};
}

struct ThreadAffinity {
  pid_t thread;
  cpu_set_t cores;
};

struct ProcessAffinity {
  pid_t process;
  cpu_set_t cores;  // of its first thread; what threads started meanwhile get
  std::vector<ThreadAffinity> threads;
};

void restore(const std::vector<ProcessAffinity>& before) {
  for (const ProcessAffinity& process : before) {
    // Nobody is left to tell of a failure; a process that has ended needs nothing.
    if (!set_all(process.process, process.cores)) continue;
    for (const ThreadAffinity& thread : process.threads) {
      (void)::sched_setaffinity(thread.thread, sizeof thread.cores, &thread.cores);
    }
  }
}

/// The keeper's process: waits until the other end is closed, by intent or by death.
[[noreturn]] void keep(int alive, const std::vector<ProcessAffinity>& before) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) std::signal(signal, SIG_IGN);
  char byte;
  while (::read(alive, &byte, 1) < 0 && errno == EINTR) {
  }
  restore(before);
  ::_exit(0);
}

}  // namespace

Result<Cores> choose_cores(pid_t peer) {
  VAC_TRY(const cpu_set_t ours, affinity_of(0));
  VAC_TRY(const cpu_set_t theirs, affinity_of(peer));
  cpu_set_t both;
  CPU_AND(&both, &ours, &theirs);
  std::optional<Cores> cores;
  std::string taken;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &both)) continue;
    const std::string siblings = siblings_of(i);
    if (!cores) {
      cores = Cores{i, std::nullopt};
      taken = siblings;
    } else if (siblings.empty() || siblings != taken) {
      cores->second = i;
      return *cores;
    }
  }
  if (cores) return *cores;
  return Error{
      Errc::not_supported,
      concat(
          "the agent (process ", peer,
          ") and this program may use no core in common: start this one where the agent may run")};
}

Status may_pin(pid_t process) {
  VAC_TRY(const cpu_set_t cores, affinity_of(process));
  // What it has already: changes nothing, and needs the same right.
  if (::sched_setaffinity(process, sizeof cores, &cores) != 0) return cannot_pin(process, errno);
  return {};
}

Status pin_process(pid_t process, int core) {
  return pin_process(process, Cores{core, std::nullopt});
}

Status pin_process(pid_t process, const Cores& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores.first, &set);
  if (cores.second) CPU_SET(*cores.second, &set);
  return set_all(process == 0 ? ::getpid() : process, set);
}

Result<std::unique_ptr<AffinityKeeper>> AffinityKeeper::start(const std::vector<pid_t>& processes) {
  std::vector<ProcessAffinity> before;
  for (const pid_t process : processes) {
    VAC_TRY(const cpu_set_t cores, affinity_of(process));
    ProcessAffinity entry{process, cores, {}};
    for (const pid_t thread : threads_of(process)) {
      if (auto of_thread = affinity_of(thread)) entry.threads.push_back({thread, *of_thread});
    }
    before.push_back(std::move(entry));
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "cannot make a pipe");
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return errno_error(errno, "cannot start a process");
  if (child == 0) {
    write_end.reset();
    keep(read_end.get(), before);
  }
  // A group of its own: `timeout -s KILL` and shells kill the benchmark's whole group. Done here,
  // so that it is so before anything is pinned.
  (void)::setpgid(child, child);
  return std::unique_ptr<AffinityKeeper>(new AffinityKeeper(std::move(write_end), child));
}

AffinityKeeper::~AffinityKeeper() {
  alive_.reset();
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace vac::cli
