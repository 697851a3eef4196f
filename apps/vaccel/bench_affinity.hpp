// SPDX-License-Identifier: Apache-2.0
// Which core the two sides of a benchmark run on.
#pragma once

#include <sched.h>
#include <sys/types.h>
#include <vac/result.hpp>

#include <memory>
#include <optional>
#include <vector>

#include "base/fd.hpp"

namespace vac::cli {

/// Two processors of different cores that both sides may use; without `second` there is but one.
struct Cores {
  int first;
  std::optional<int> second;
};
/// Of those that this process and process `peer` may use.
Result<Cores> choose_cores(pid_t peer);

/// Whether this user may choose where the threads of a process run.
Status may_pin(pid_t process);

/// Pins every thread of a process; a thread that it starts later inherits its creator's core. Its
/// own threads: pid 0.
Status pin_process(pid_t process, int core);
/// The same with both of them.
Status pin_process(pid_t process, const Cores& cores);

/// Keeps note of where the threads of some processes may run, and brings that back when the object
/// ends. A process of its own does it, which outlives this one: a benchmark that is killed leaves
/// no agent pinned to one core.
class AffinityKeeper {
 public:
  static Result<std::unique_ptr<AffinityKeeper>> start(const std::vector<pid_t>& processes);
  ~AffinityKeeper();
  AffinityKeeper(const AffinityKeeper&) = delete;
  AffinityKeeper& operator=(const AffinityKeeper&) = delete;

 private:
  AffinityKeeper(Fd alive, pid_t child) : alive_(std::move(alive)), child_(child) {}

  Fd alive_;  // its end tells the child to restore
  pid_t child_;
};

}  // namespace vac::cli
