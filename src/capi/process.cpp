// SPDX-License-Identifier: Apache-2.0
#include "capi/process.hpp"

#include <atomic>
#include <memory>

#include "base/process_number.hpp"
#include "base/text.hpp"
#include "core/visit.hpp"

namespace vac::capi {
namespace {

// No lock of the parent's is taken in a child, whose threads may have held it.
std::atomic<Process*> current{nullptr};

}  // namespace

Process& process() {
  const std::uint32_t number = take_process_number();
  core::prepare_visits();
  Process* known = current.load();
  if (known != nullptr && known->number == number) return *known;
  auto made = std::make_unique<Process>(number, known);
  if (current.compare_exchange_strong(known, made.get())) return *made.release();
  return *known;  // another thread's, of this process
}

Process* find_process() noexcept {
  Process* const known = current.load();
  return known != nullptr && known->number == process_number() ? known : nullptr;
}

Error refused_visit(const vac_session* session) {
  if (session == nullptr) return Error{Errc::invalid, "the session is NULL"};
  if (session->process != process_number()) {
    return Error{Errc::owner_dead,
                 "the session was opened before fork(): open another one in the child"};
  }
  if (session->core.load() == nullptr) {
    return Error{Errc::bad_handle, "the session is closed"};
  }
  if (in_callback()) {
    return Error{Errc::deadlock,
                 "it would wait, in a function that is told of a call: submit calls there"};
  }
  return Error{Errc::deadlock,
               concat("the thread is in ", core::detail::Visitor::kDeepest,
                      " calls already, or there is no memory for its first: end some")};
}

}  // namespace vac::capi
