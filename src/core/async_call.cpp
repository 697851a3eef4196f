// SPDX-License-Identifier: Apache-2.0
#include "core/async_call.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <new>
#include <unordered_map>
#include <utility>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "core/contained.hpp"
#include "core/plugin.hpp"

namespace vac::core {
namespace {

constexpr std::size_t kAlignment = 64;
/// So many must be unused before the oldest is used again: a second completion finds its own call.
constexpr std::size_t kKeptUnused = 64;

std::uint64_t aligned(std::uint64_t bytes) noexcept {
  return (bytes + kAlignment - 1) & ~std::uint64_t{kAlignment - 1};
}

bool has_input(const vac_arg& record) noexcept {
  return (record.dir & VAC_IN) != 0 && (record.form == VAC_ARRAY || record.form == VAC_TENSOR);
}

void* pointer(std::uint64_t value) noexcept {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(value));
}

std::unique_ptr<std::byte[]> allocate(std::uint64_t bytes) {
  // With room to align it, and never of no bytes.
  return std::unique_ptr<std::byte[]>(new std::byte[bytes + kAlignment]);
}

std::byte* aligned_start(const std::unique_ptr<std::byte[]>& memory) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(memory.get());
  return memory.get() + (aligned(address) - address);
}

}  // namespace

/// The ABI's complete() names the call alone, so those that plugins may name are known to the
/// process and not to a Runtime.
struct AsyncCall::Registry {
  Mutex mutex;
  std::unordered_map<const vac_call*, AsyncCall*> all VAC_GUARDED_BY(mutex);
  std::deque<AsyncCall*> unused VAC_GUARDED_BY(mutex);
};

AsyncCall::Registry& AsyncCall::registry() noexcept {
  // Never destroyed: plugins complete calls when they like.
  alignas(Registry) static std::byte memory[sizeof(Registry)];
  static auto* const kRegistry = ::new (memory) Registry;
  return *kRegistry;
}

AsyncCall& AsyncCall::take() {
  Registry& known = registry();
  const MutexLock lock(known.mutex);
  if (known.unused.size() > kKeptUnused) {
    AsyncCall& oldest = *known.unused.front();
    known.unused.pop_front();
    return oldest;
  }
  std::unique_ptr<AsyncCall> made(new AsyncCall);
  known.all.emplace(&made->call_, made.get());
  return *made.release();
}

AsyncCall* AsyncCall::find(const vac_call* call) noexcept {
  Registry& known = registry();
  const MutexLock lock(known.mutex);
  const auto found = known.all.find(call);
  return found == known.all.end() ? nullptr : found->second;
}

void AsyncCall::wake_all() noexcept {
  Registry& known = registry();
  const MutexLock lock(known.mutex);
  for (const auto& [call, async] : known.all) async->wake();
}

void AsyncCall::begin(const vac_call& from, const CallContext& context) {
  try {
    copy(from, context);
  } catch (...) {
    recycle();
    throw;
  }
  context_.reset();
  context_.sink = this;
  open(context);
}

/// What is the same for copies and for what is lent: from here on it is pending.
void AsyncCall::open(const CallContext& context) noexcept {
  call_.host_priv = told_;
  context_.async = this;
  context_.op = context.op;
  context_.plugin = context.plugin;
  context_.closing = context.closing;
  code_ = VAC_OK;
  claimed_.store(false);
  state_.store(kPending);
}

void AsyncCall::lend(const vac_call& from, CallContext& context) noexcept {
  call_ = from;
  context_.reset();
  told_ = &context;
  context.async = this;
  open(context);
}

bool AsyncCall::close(int otherwise) noexcept {
  if (claimed_.exchange(true)) {
    while (!wait(0)) {
    }
    return true;
  }
  code_ = otherwise;
  state_.store(kDone);
  return false;
}

int AsyncCall::take_back(vac_call& to) noexcept {
  to.queue_us = call_.queue_us;
  to.plugin_us = call_.plugin_us;
  to.agent_us = call_.agent_us;
  // What the plugin says of it from now on is said of a call that is over.
  told_->async = nullptr;
  told_ = &context_;
  call_.host_priv = told_;
  const int code = code_;
  recycle();
  return code;
}

void AsyncCall::copy(const vac_call& from, const CallContext& context) {
  records_.assign(from.args, from.args + from.arg_count);
  meta_.resize(from.meta_bytes / sizeof(std::int64_t));
  if (!meta_.empty()) std::memcpy(meta_.data(), from.meta, from.meta_bytes);
  states_.assign(from.resource_states, from.resource_states == nullptr
                                           ? from.resource_states
                                           : from.resource_states + context.resources.size());
  std::uint64_t total = 0;
  for (const vac_arg& record : records_) {
    if (has_input(record)) total += aligned(record.bytes);
  }
  data_ = allocate(total);
  std::byte* place = aligned_start(data_);
  for (vac_arg& record : records_) {
    if (has_input(record)) {
      if (record.bytes != 0) std::memcpy(place, pointer(record.value), record.bytes);
      record.value = reinterpret_cast<std::uintptr_t>(place);
      place += aligned(record.bytes);
    } else if (record.form == VAC_ARRAY || record.form == VAC_TENSOR) {
      record.value = 0;
      record.where = VAC_WHERE_NOWHERE;
    }
  }
  call_ = from;
  call_.args = records_.data();
  call_.meta = reinterpret_cast<char*>(meta_.data());
  call_.resource_states = from.resource_states == nullptr ? nullptr : states_.data();
}

bool AsyncCall::pending() const noexcept {
  const std::uint32_t state = state_.load();
  return state == kPending || state == kWoken;
}

bool AsyncCall::complete(int code, const char* message) noexcept {
  if (claimed_.exchange(true)) return false;
  code_ = code == VAC_EINPROGRESS ? VAC_EIO : code;  // complete it is
  if (message != nullptr && told_->fault == 0) {
    try {
      told_->message = plugin_text(message);
    } catch (...) {  // no memory for the text: the code alone must do
      told_->message.clear();
    }
  }
  if (state_.exchange(kDone) != kAbandoned) {
    state_.wake_one();
    return true;
  }
  const Plugin& plugin = *context_.plugin;
  if (slots_ != nullptr) {
    slots_->regain();
    slots_->release(call_.slot);
  }
  plugin.count_lost_call(-1);
  log_warning("plugin '", plugin.name(), "' has completed a call of ", context_.op->name,
              " long after it was given up; calls of its that are lost: ", plugin.lost_calls());
  recycle();
  return true;
}

bool AsyncCall::wait(std::int64_t until_ns) noexcept {
  std::uint32_t state = state_.load();
  if (state == kPending) {
    until_ns == 0 ? state_.wait(kPending) : state_.wait(kPending, until_ns);
    state = state_.load();
  }
  if (state == kWoken) state_.compare_exchange(state, kPending);
  return state_.load() == kDone;
}

void AsyncCall::wake() noexcept {
  std::uint32_t expected = kPending;
  if (state_.compare_exchange(expected, kWoken)) state_.wake_one();
}

bool AsyncCall::settle(int code) noexcept {
  const bool completed = claimed_.exchange(true);
  if (completed) {
    while (!wait(0)) {
    }
  }
  code_ = code;
  state_.store(kDone);
  return !completed;
}

bool AsyncCall::abandon(SlotPool* slots) noexcept {
  slots_ = slots;
  if (slots != nullptr) slots->lose();
  context_.plugin->count_lost_call(1);
  std::uint32_t state = state_.load();
  while (state == kPending || state == kWoken) {
    if (state_.compare_exchange(state, kAbandoned)) return true;
  }
  // Complete by now: the slot is the caller's to release.
  if (slots != nullptr) slots->regain();
  context_.plugin->count_lost_call(-1);
  slots_ = nullptr;
  return false;
}

int AsyncCall::finish(vac_call& to, CallContext& context) noexcept {
  context.detail = context_.detail;
  context.message.swap(context_.message);
  context.fault = context_.fault;
  int code = context.fault != 0 ? context.fault : code_;
  to.queue_us = call_.queue_us;
  to.plugin_us = call_.plugin_us;
  to.agent_us = call_.agent_us;
  try {
    if (code == VAC_OK) code = deliver(to, context);
  } catch (...) {  // no memory for the results
    code = VAC_ENOMEM;
  }
  recycle();
  return code;
}

/// What the plugin left in the copy goes where the caller wants it. Sizes are checked by whoever
/// runs the call, as those of any plugin.
int AsyncCall::deliver(vac_call& to, CallContext& context) {
  for (std::uint32_t i = 0; i < to.arg_count; ++i) {
    vac_arg& record = to.args[i];
    const vac_arg& made = records_[i];
    if ((record.dir & VAC_OUT) == 0) continue;
    if (record.form == VAC_SCALAR) record.value = made.value;
    if (!has_input(record)) continue;
    if (made.bytes != 0 && made.bytes <= record.bytes) {
      std::memcpy(pointer(record.value), pointer(made.value), made.bytes);
    }
    record.bytes = made.bytes;
  }
  for (const Given& given : given_) {
    void* const place = context.sink == nullptr
                            ? nullptr
                            : context.sink->output(to, given.arg, given.child, given.bytes,
                                                   given.type, given.rank, given.dims);
    if (place == nullptr && given.bytes != 0) return VAC_ENOMEM;
    if (given.bytes != 0) std::memcpy(place, aligned_start(given.memory), given.bytes);
  }
  context.given = context_.given;
  return VAC_OK;
}

void* AsyncCall::output(vac_call& /*call*/, std::uint32_t arg, std::uint32_t child,
                        std::uint64_t bytes, std::uint8_t type, std::uint8_t rank,
                        const std::int64_t* dims) noexcept {
  try {
    const bool again = std::ranges::any_of(
        given_, [&](const Given& given) { return given.arg == arg && given.child == child; });
    if (again || bytes > UINT64_MAX / 2) return nullptr;
    Given given{arg, child, bytes, type, rank, {}, allocate(bytes)};
    std::copy_n(dims, rank, given.dims);
    return aligned_start(given_.emplace_back(std::move(given)).memory);
  } catch (...) {  // no memory
    return nullptr;
  }
}

/// Nothing may refer to it any more but plugins that are mistaken.
void AsyncCall::recycle() noexcept {
  data_.reset();
  given_.clear();
  slots_ = nullptr;
  state_.store(kFree);
  Registry& known = registry();
  const MutexLock lock(known.mutex);
  try {
    known.unused.push_back(this);
  } catch (...) {  // no memory for its place: it is not used again
  }
}

}  // namespace vac::core
