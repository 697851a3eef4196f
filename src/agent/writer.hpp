// SPDX-License-Identifier: Apache-2.0
// The outgoing side of one connection.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "agent/call_task.hpp"
#include "base/mutex.hpp"
#include "transport/channel.hpp"

namespace vac::agent {

/// Sends frames whole and in turns, and never blocks: what the socket does not take waits until it
/// is writable again. Small frames go before the next piece of a long reply, and long replies take
/// turns, so that no call waits for another one's gigabyte. Thread-safe. Tasks that it is done with
/// are handed back to the caller, because destroying one may destroy the connection and this writer
/// with it.
class Writer {
 public:
  /// Above this much waiting output no further call of the connection is started.
  static constexpr std::uint64_t kBacklogBytes = std::uint64_t{8} << 20;
  /// Copied answers. The calls that a client may have in flight have less: it does not read.
  static constexpr std::size_t kMostCopied = std::size_t{32} << 20;
  static constexpr std::int64_t kStallNs = 30'000'000'000;

  explicit Writer(transport::Channel& channel) noexcept : channel_(channel) {}

  enum class Outcome : std::uint8_t {
    done,     ///< nothing to do for the caller
    arm,      ///< call flush() once the socket is writable
    broken,   ///< the peer takes nothing any more, or what waits has no room: end the connection
    overrun,  ///< more small answers wait than calls can be in flight: end the connection
  };

  /// Whole frames, gathered. They are sent or copied; the list is used up.
  Outcome send(std::span<iovec> frames) VAC_EXCLUDES(mutex_);
  /// The reply in task->reply. Left with the caller when all of it has been sent or copied.
  Outcome send(TaskPtr& task) VAC_EXCLUDES(mutex_);

  struct Flushed {
    Outcome outcome = Outcome::done;
    std::vector<TaskPtr> sent;      ///< to be destroyed
    std::vector<TaskPtr> released;  ///< were held, may start now
  };
  /// The socket is writable: a bounded part of what waits.
  Flushed flush() VAC_EXCLUDES(mutex_);

  /// Takes the task if too much output is waiting, until that has shrunk.
  bool hold(TaskPtr& task) VAC_EXCLUDES(mutex_);
  bool backlogged() const noexcept { return backlogged_.load(std::memory_order_relaxed); }
  /// Whether something waits.
  bool pending() const VAC_EXCLUDES(mutex_);
  /// Whether what waits has not moved for kStallNs.
  bool stalled(std::int64_t now_ns) const VAC_EXCLUDES(mutex_);
  /// The connection has ended: drops all output, now and later. Returns what is to be destroyed.
  std::vector<TaskPtr> close() VAC_EXCLUDES(mutex_);

 private:
  enum class Current : std::uint8_t { none, bytes, reply };
  struct LongReply {
    TaskPtr task;
    bool started = false;
  };

  Outcome send_or_copy(std::span<iovec> frames) VAC_REQUIRES(mutex_);
  Outcome send_or_keep(TaskPtr& task) VAC_REQUIRES(mutex_);
  Outcome out_of_memory() noexcept VAC_REQUIRES(mutex_);
  bool idle() const VAC_REQUIRES(mutex_) {
    return current_kind_ == Current::none && waiting_.empty() && replies_.empty();
  }
  Outcome drain(std::vector<TaskPtr>& sent) VAC_REQUIRES(mutex_);
  bool next_frame(std::vector<TaskPtr>& sent) VAC_REQUIRES(mutex_);
  std::ptrdiff_t send_some(std::span<iovec>& from) VAC_REQUIRES(mutex_);
  void copy(std::span<const iovec> frames) VAC_REQUIRES(mutex_);
  void add_queued(std::uint64_t bytes) VAC_REQUIRES(mutex_);
  void sub_queued(std::uint64_t bytes) VAC_REQUIRES(mutex_);
  Outcome arm() VAC_REQUIRES(mutex_);

  transport::Channel& channel_;
  std::atomic<bool> backlogged_{false};
  mutable Mutex mutex_;
  bool closed_ VAC_GUARDED_BY(mutex_) = false;
  int descriptor_ VAC_GUARDED_BY(mutex_) = -1;  // leaves with the first byte of current_
  bool armed_ VAC_GUARDED_BY(mutex_) = false;
  std::uint64_t queued_ VAC_GUARDED_BY(mutex_) = 0;
  std::int64_t progress_ns_ VAC_GUARDED_BY(mutex_) = 0;
  Current current_kind_ VAC_GUARDED_BY(mutex_) = Current::none;
  std::span<iovec> current_ VAC_GUARDED_BY(mutex_);  // the rest of the frames on their way
  iovec bytes_ VAC_GUARDED_BY(mutex_){};
  std::vector<std::byte> sending_ VAC_GUARDED_BY(mutex_);  // small frames: current_ points into it
  std::vector<std::byte> waiting_ VAC_GUARDED_BY(mutex_);  // small frames behind them
  std::deque<LongReply> replies_ VAC_GUARDED_BY(mutex_);
  std::vector<TaskPtr> held_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::agent
