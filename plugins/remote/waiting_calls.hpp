// SPDX-License-Identifier: Apache-2.0
// Calls that nobody waits for in a thread, until there is a place for them among those in flight.
#pragma once

#include <vac/plugin.h>

#include <atomic>
#include <utility>

namespace vac::remote {

/// Any number of calls, first come first. They are linked by their plugin_scratch, so that none
/// costs memory. push() is for any thread and takes no lock, so that who submits one call after the
/// other does not get in the way of who sends them; all else is guarded by the connection's mutex.
class WaitingCalls {
 public:
  /// The call may be over when this returns. True: nobody knows yet that there are new ones, and
  /// the caller sees to it that somebody looks, after this.
  bool push(vac_call& call) noexcept {
    vac_call* newest = newest_.load(std::memory_order_relaxed);
    do {
      call.plugin_scratch = newest;
    } while (!newest_.compare_exchange_weak(newest, &call));
    return newest == nullptr;
  }
  /// Of those there are now.
  bool empty() const noexcept { return first_ == nullptr && newest_.load() == nullptr; }
  /// The oldest, which stays; nullptr: there is none.
  vac_call* front() noexcept {
    if (first_ == nullptr) gather();
    return first_;
  }
  void pop() noexcept { first_ = next(*first_); }

  /// A list of calls that is nobody else's.
  class List {
   public:
    bool empty() const noexcept { return first_ == nullptr; }
    vac_call* pop() noexcept {
      vac_call* const call = first_;
      if (call != nullptr) first_ = next(*call);
      return call;
    }
    void push(vac_call& call) noexcept {
      call.plugin_scratch = nullptr;
      if (first_ == nullptr) {
        first_ = &call;
      } else {
        last_->plugin_scratch = &call;
      }
      last_ = &call;
    }

   private:
    friend class WaitingCalls;
    vac_call* first_ = nullptr;
    vac_call* last_ = nullptr;
  };
  /// All of them.
  List take_all() noexcept {
    gather();
    List all;
    all.first_ = std::exchange(first_, nullptr);
    all.last_ = last_;
    return all;
  }
  /// Puts back some that were taken: they are older than what has come meanwhile.
  void put_back(const List& older) noexcept {
    if (older.empty()) return;
    older.last_->plugin_scratch = first_;
    if (first_ == nullptr) last_ = older.last_;
    first_ = older.first_;
  }

 private:
  static vac_call* next(const vac_call& call) noexcept {
    return static_cast<vac_call*>(call.plugin_scratch);
  }
  /// What has been pushed, newest first, goes behind the others, oldest first.
  void gather() noexcept {
    vac_call* newest = newest_.exchange(nullptr);
    if (newest == nullptr) return;
    vac_call* const last = newest;
    vac_call* oldest = nullptr;
    while (newest != nullptr) {
      vac_call* const older = next(*newest);
      newest->plugin_scratch = oldest;
      oldest = std::exchange(newest, older);
    }
    if (first_ == nullptr) {
      first_ = oldest;
    } else {
      last_->plugin_scratch = oldest;
    }
    last_ = last;
  }

  std::atomic<vac_call*> newest_{nullptr};
  vac_call* first_ = nullptr;
  vac_call* last_ = nullptr;  // only while there is a first
};

}  // namespace vac::remote
