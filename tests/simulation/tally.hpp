// SPDX-License-Identifier: Apache-2.0
// A plugin that counts: how often each call came to it, and how often it ended.
#pragma once

#include <vac/plugin.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <thread>

#include "base/mutex.hpp"

namespace vac::simulation {

/// Its operations, each another way to be served:
///   noop            at once, on the thread that reads
///   fpga_arraycopy  in one of two slots, on the host's thread; ends early when cancelled
///   minmax          by a thread of the plugin's own, some time later; can be cancelled
///   model_describe  answers the digest of its resource
/// The first 8 bytes of a call's first argument are its tag, model_describe's apart. One at a time
/// in a process. Thread-safe.
class Tally {
 public:
  Tally();
  ~Tally();
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  const vac_plugin& table() const noexcept { return table_; }

  struct Count {
    unsigned started = 0, ended = 0;
  };
  Count count(std::uint64_t tag) VAC_EXCLUDES(mutex_);
  /// Calls that came and have not ended; sessions and resources that were opened and not closed.
  std::uint64_t open_calls() VAC_EXCLUDES(mutex_);
  std::int64_t open_sessions() const noexcept { return sessions_.load(); }
  std::int64_t open_resources() const noexcept { return resources_.load(); }
  std::uint64_t cancels() const noexcept { return cancels_.load(); }

 private:
  struct Thunks;
  int serve(vac_call& call) VAC_EXCLUDES(mutex_);
  int copy(vac_call& call) const;
  int describe(vac_call& call) const;
  void cancel(vac_call& call) VAC_EXCLUDES(mutex_);
  void work() VAC_EXCLUDES(mutex_);
  void begin(std::uint64_t tag) VAC_EXCLUDES(mutex_);
  void end(std::uint64_t tag) VAC_EXCLUDES(mutex_);

  vac_plugin table_{};
  std::array<vac_op_offer, 4> offers_;
  std::atomic<const vac_host*> host_{nullptr};
  std::atomic<std::int64_t> sessions_{0}, resources_{0};
  std::atomic<std::uint64_t> cancels_{0};
  Mutex mutex_;
  CondVar changed_;
  std::map<std::uint64_t, Count> counts_ VAC_GUARDED_BY(mutex_);
  std::deque<vac_call*> later_ VAC_GUARDED_BY(mutex_);
  std::set<vac_call*> cancelled_ VAC_GUARDED_BY(mutex_);
  bool stopping_ VAC_GUARDED_BY(mutex_) = false;
  std::thread worker_;
};

}  // namespace vac::simulation
