// SPDX-License-Identifier: Apache-2.0
#include "agent/housekeeping.hpp"

#include <malloc.h>

#include <memory>

#include "agent/clock.hpp"
#include "agent/connection.hpp"
#include "agent/connection_table.hpp"
#include "agent/crew.hpp"
#include "core/runtime.hpp"

namespace vac::agent {
namespace {

constexpr std::chrono::milliseconds kFastTick{250};
constexpr std::chrono::milliseconds kSlowTick{5000};
constexpr std::int64_t kSlowTickNs = kSlowTick.count() * 1'000'000;

}  // namespace

void Housekeeping::set_pace(Pace pace) {
  if (pace_.exchange(pace, std::memory_order_relaxed) == pace) return;
  parts_.poller.set_timer(pace == Pace::fast   ? kFastTick
                          : pace == Pace::slow ? kSlowTick
                                               : std::chrono::milliseconds::zero());
}

void Housekeeping::raise(Pace pace) {
  const MutexLock lock(mutex_);
  if (pace == Pace::fast) raised_ = true;
  if (pace_.load(std::memory_order_relaxed) == Pace::off) active_ns_ = now_ns();
  if (pace > pace_.load(std::memory_order_relaxed)) set_pace(pace);
}

bool Housekeeping::tick(std::int64_t now) {
  {
    const MutexLock lock(mutex_);
    raised_ = false;
  }
  bool urgent = false;
  for (const std::shared_ptr<Connection>& connection : parts_.connections.all()) {
    connection->check_time(now);
    urgent = urgent || !connection->greeted() || connection->output_pending();
  }
  const std::uint64_t activity = parts_.crew.activity();
  const MutexLock lock(mutex_);
  if (activity != activity_) {
    activity_ = activity;
    active_ns_ = now;
    memory_trimmed_ = false;
  }
  const bool over = now - active_ns_ > kIdleNs + idle_unload_ns_ + kSlowTickNs;
  if (urgent || raised_) {
    set_pace(Pace::fast);
  } else {
    set_pace(over ? Pace::off : Pace::slow);
  }
  return now - trimmed_ns_ >= kSlowTickNs;
}

void Housekeeping::trim(std::int64_t now) {
  bool memory = false;
  {
    const MutexLock lock(mutex_);
    trimmed_ns_ = now;
    memory = !memory_trimmed_ && now - active_ns_ >= kIdleNs;
    if (memory) memory_trimmed_ = true;
  }
  parts_.runtime.trim();
  if (!memory) return;
  parts_.tasks.trim();
  parts_.slabs.trim();
  ::malloc_trim(0);
}

}  // namespace vac::agent
