// SPDX-License-Identifier: Apache-2.0
#include "core/visit.hpp"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <new>

#include "core/contained.hpp"
#include "core/monotonic.hpp"
#include "core/plugin.hpp"
#include "core/session.hpp"

namespace vac::core {
namespace detail {

[[gnu::tls_model("initial-exec")]] thread_local constinit Visitor* own_visitor = nullptr;
std::atomic<std::uint32_t> closers{0};
bool others_are_ordered = false;

}  // namespace detail

namespace {

using detail::Stay;
using detail::Visitor;

std::atomic<Visitor*> all_visitors{nullptr};
/// Counts leaves while somebody closes.
FutexWord leaves;

bool membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }

/// After it, what each thread had written is seen here, and what was written here by each thread.
void order_all_threads() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (detail::others_are_ordered) membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

/// A key of its own and not the destructor of a thread_local: those of the application may still
/// call.
struct Exit {
  Exit() noexcept { usable = ::pthread_key_create(&key, give_back) == 0; }
  static void give_back(void* visitor) {
    detail::own_visitor = nullptr;
    static_cast<Visitor*>(visitor)->used.store(false, std::memory_order_release);
  }
  pthread_key_t key{};
  bool usable;
};

Exit& thread_exit() noexcept {
  static Exit at_exit;
  return at_exit;
}

/// The oldest that is unused; nullptr: there is none.
Visitor* find_unused() noexcept {
  Visitor* oldest = nullptr;
  for (Visitor* visitor = all_visitors.load(); visitor != nullptr; visitor = visitor->next) {
    if (!visitor->used.load(std::memory_order_relaxed)) oldest = visitor;
  }
  return oldest;
}

/// The oldest first: so the order of threads among visitors, which is that of their cancels, does
/// not depend on the threads that were there before them.
Visitor* unused_visitor() noexcept {
  while (Visitor* const visitor = find_unused()) {
    bool used = false;
    if (visitor->used.compare_exchange_strong(used, true)) return visitor;
  }
  auto* const made = new (std::nothrow) Visitor;
  if (made == nullptr) return nullptr;
  made->next = all_visitors.load();
  while (!all_visitors.compare_exchange_weak(made->next, made)) {
  }
  return made;
}

void cancel_by_hook(vac_call& call) noexcept {
  const auto& context = *static_cast<const CallContext*>(call.host_priv);
  const Plugin& plugin = *context.plugin;
  contained_void(plugin.name(), "cancel", [&] { plugin.table().cancel(plugin.state(), &call); });
}

/// Calls the hook for the call of a stay, which cannot end meanwhile, if it is one that is meant.
template <class Meant>
void cancel_stay(Visitor& visitor, Stay& stay, const Meant& meant) noexcept {
  const auto call_if_meant = [&]() -> vac_call* {
    vac_call* const call = stay.call.load(std::memory_order_acquire);
    return call != nullptr && meant(*call, stay.session.load(std::memory_order_acquire)) ? call
                                                                                         : nullptr;
  };
  if (call_if_meant() == nullptr) return;
  visitor.pins.fetch_add(1);
  order_all_threads();
  if (vac_call* const call = call_if_meant()) cancel_by_hook(*call);
  visitor.pins.fetch_add(UINT32_MAX);
  visitor.pins.wake_all();
}

/// Of all threads. While `closers` is raised a thread does not leave a call under the hook.
template <class Meant>
void cancel_stays(const Meant& meant) noexcept {
  order_all_threads();
  for (Visitor* visitor = all_visitors.load(); visitor != nullptr; visitor = visitor->next) {
    for (Stay& stay : visitor->stays) cancel_stay(*visitor, stay, meant);
  }
}

bool anybody_in(const Session& session) noexcept {
  for (Visitor* visitor = all_visitors.load(); visitor != nullptr; visitor = visitor->next) {
    for (const Stay& stay : visitor->stays) {
      if (stay.session.load(std::memory_order_acquire) == &session) return true;
    }
  }
  return false;
}

}  // namespace

Visitor* detail::new_visitor() noexcept {
  Visitor* const visitor = unused_visitor();
  if (visitor == nullptr) return nullptr;
  if (thread_exit().usable) ::pthread_setspecific(thread_exit().key, visitor);
  own_visitor = visitor;
  return visitor;
}

void detail::tell_closers(Visitor& visitor) noexcept {
  for (std::uint32_t pins = visitor.pins.load(); pins != 0; pins = visitor.pins.load()) {
    visitor.pins.wait(pins);
  }
  leaves.fetch_add(1);
  leaves.wake_all();
}

void prepare_visits() noexcept {
  // Written once: the calls of sessions that are open read it.
  [[maybe_unused]] static const bool kPrepared = [] {
    detail::others_are_ordered = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    return true;
  }();
}

bool visits(const Session& session) noexcept {
  const Visitor* const visitor = detail::own_visitor;
  if (visitor == nullptr) return false;
  for (const Stay& stay : visitor->stays) {
    if (stay.session.load(std::memory_order_relaxed) == &session) return true;
  }
  return false;
}

void cancel_visit(const vac_call& call) noexcept {
  detail::closers.fetch_add(1);
  cancel_stays([&](const vac_call& other, const Session*) { return &other == &call; });
  detail::closers.fetch_sub(1);
}

bool end_visits(Session& session, std::chrono::milliseconds patience) noexcept {
  session.cancel_calls();
  detail::closers.fetch_add(1);
  cancel_stays([&](const vac_call&, const Session* in) { return in == &session; });
  const std::int64_t end_ns = now_ns() + std::chrono::nanoseconds(patience).count();
  bool empty = false;
  for (;;) {
    const std::uint32_t seen = leaves.load();
    empty = !anybody_in(session);
    if (empty || now_ns() >= end_ns) break;
    leaves.wait(seen, end_ns);
  }
  detail::closers.fetch_sub(1);
  return empty;
}

}  // namespace vac::core
