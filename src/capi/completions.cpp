// SPDX-License-Identifier: Apache-2.0
#include "capi/completions.hpp"

#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "base/errno_error.hpp"
#include "base/process_number.hpp"
#include "capi/handles.hpp"
#include "capi/last_error.hpp"
#include "capi/submission.hpp"

namespace vac::capi {

Result<std::shared_ptr<Completions>> Completions::create() {
  Fd ready(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready) return errno_error(errno, "completions_new: cannot make an eventfd");
  return std::shared_ptr<Completions>(new Completions(std::move(ready)));
}

bool Completions::add(Submission& call) noexcept {
  const MutexLock lock(mutex_);
  call.next_done = nullptr;
  (first_ == nullptr ? first_ : last_->next_done) = &call;
  last_ = &call;
  show();
  return call.become_done();
}

Submission* Completions::take() noexcept {
  const MutexLock lock(mutex_);
  Submission* const taken = first_;
  if (taken != nullptr) first_ = taken->next_done;
  show();
  return taken;
}

void Completions::remove(const Submission& done) noexcept {
  const MutexLock lock(mutex_);
  Submission* before = nullptr;
  for (Submission* one = first_; one != nullptr; before = one, one = one->next_done) {
    if (one != &done) continue;
    (before == nullptr ? first_ : before->next_done) = one->next_done;
    if (last_ == one) last_ = before;
    break;
  }
  show();
}

/// Makes the descriptor say whether there is one.
void Completions::show() noexcept {
  const bool wanted = first_ != nullptr;
  if (wanted == raised_) return;
  raised_ = wanted;
  eventfd_t count = 0;
  if (wanted) {
    (void)::eventfd_write(ready_.get(), 1);
  } else {
    (void)::eventfd_read(ready_.get(), &count);
  }
}

}  // namespace vac::capi

using namespace vac::capi;  // NOLINT(google-build-using-namespace)

int vac_completions_new(vac_completions** completions) {
  return guarded([&]() -> vac::Status {
    if (completions == nullptr) {
      return vac::Error{vac::Errc::invalid, "completions_new: argument 'completions' is NULL"};
    }
    VAC_TRY(std::shared_ptr<Completions> made, Completions::create());
    *completions = new vac_completions{std::move(made), vac::take_process_number()};
    return {};
  });
}

void vac_completions_free(vac_completions* completions) { delete completions; }

int vac_completions_fd(const vac_completions* completions) {
  return completions == nullptr ? -1 : completions->queue->descriptor();
}

int vac_completions_next(vac_completions* completions, vac_call_handle** call, void** user) {
  return guarded([&]() -> vac::Status {
    if (completions == nullptr || call == nullptr) {
      return vac::Error{vac::Errc::invalid, "completions_next: completions or call is NULL"};
    }
    if (completions->process != vac::process_number()) {
      return vac::Error{vac::Errc::owner_dead,
                        "completions_next: they are of the process that "
                        "forked this one: make new ones"};
    }
    Submission* const done = completions->queue->take();
    if (done == nullptr) return vac::Error{vac::Errc::again, "completions_next: no call is done"};
    *call = done->handle();
    if (user != nullptr) *user = done->user();
    return {};
  });
}
