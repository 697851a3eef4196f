// SPDX-License-Identifier: Apache-2.0
// Calls that are done, for a program that waits by a descriptor.
#pragma once

#include <vac/async.h>
#include <vac/result.hpp>

#include <memory>

#include "base/fd.hpp"
#include "base/mutex.hpp"

namespace vac::capi {

class Submission;

/// In the order in which they became done. The descriptor polls readable while there is one. Owned
/// by its handle and by each call that will be put into it. Thread-safe.
class Completions {
 public:
  static Result<std::shared_ptr<Completions>> create();
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  int descriptor() const noexcept { return ready_.get(); }
  /// Lets it become done: from then on it may be finished, which waits for the end of this. Whether
  /// a thread sleeps until it is.
  bool add(Submission& call) noexcept VAC_EXCLUDES(mutex_);
  /// nullptr: none is done.
  Submission* take() noexcept VAC_EXCLUDES(mutex_);
  /// Of one that is finished; without effect where it has been taken.
  void remove(const Submission& done) noexcept VAC_EXCLUDES(mutex_);

 private:
  explicit Completions(Fd ready) : ready_(std::move(ready)) {}
  void show() noexcept VAC_REQUIRES(mutex_);

  const Fd ready_;  // an eventfd, raised while there is one
  Mutex mutex_;
  Submission* first_ VAC_GUARDED_BY(mutex_) = nullptr;
  Submission* last_ VAC_GUARDED_BY(mutex_) = nullptr;
  bool raised_ VAC_GUARDED_BY(mutex_) = false;
};

}  // namespace vac::capi
