// SPDX-License-Identifier: Apache-2.0
#include "simulation/tally.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "call/op_table.hpp"

namespace vac::simulation {
namespace {

constexpr std::chrono::microseconds kLater{200};

Tally* the_tally = nullptr;

std::uint32_t op(std::string_view name) { return find_op(name)->id; }

std::uint64_t tag_of(const vac_call& call) {
  std::uint64_t tag = 0;
  if (call.args[0].bytes >= sizeof tag) {
    std::memcpy(&tag, reinterpret_cast<const void*>(call.args[0].value), sizeof tag);
  }
  return tag;
}

}  // namespace

struct Tally::Thunks {
  static int open(const vac_host* host, const char* /*config*/, void** plugin) {
    the_tally->host_ = host;
    *plugin = the_tally;
    return VAC_OK;
  }
  static int session_open(void* /*plugin*/, const vac_session_view* /*view*/, void** /*state*/) {
    ++the_tally->sessions_;
    return VAC_OK;
  }
  static void session_close(void* /*plugin*/, void* /*state*/) { --the_tally->sessions_; }
  static int attach(void* /*plugin*/, void* /*session*/, const vac_resource_view* view,
                    void** state) {
    ++the_tally->resources_;
    *state = const_cast<vac_resource_view*>(view);
    return VAC_OK;
  }
  static void detach(void* /*plugin*/, void* /*state*/) { --the_tally->resources_; }
  static int submit(void* /*plugin*/, vac_call* const* calls, std::size_t /*count*/) {
    return the_tally->serve(*calls[0]);
  }
  static void cancel(void* /*plugin*/, vac_call* call) { the_tally->cancel(*call); }
};

Tally::Tally()
    : offers_{{{op("noop"), 1, 0, VAC_OFFER_QUICK},
               {op("fpga_arraycopy"), 1, 2, 0},
               {op("minmax"), 1, 0, 0},
               {op("model_describe"), 1, 0, 0}}} {
  the_tally = this;
  table_.struct_size = sizeof table_;
  table_.abi_major = VAC_ABI_MAJOR;
  table_.abi_minor = VAC_ABI_MINOR;
  table_.name = "tally";
  table_.version = "1";
  table_.caps = VAC_CAP_ASYNC;
  table_.ops = offers_.data();
  table_.op_count = offers_.size();
  table_.open = Thunks::open;
  table_.session_open = Thunks::session_open;
  table_.session_close = Thunks::session_close;
  table_.resource_attach = Thunks::attach;
  table_.resource_detach = Thunks::detach;
  table_.submit = Thunks::submit;
  table_.cancel = Thunks::cancel;
  worker_ = std::thread([this] { work(); });
}

Tally::~Tally() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  worker_.join();
  the_tally = nullptr;
}

Tally::Count Tally::count(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  return counts_[tag];
}

std::uint64_t Tally::open_calls() {
  const MutexLock lock(mutex_);
  std::uint64_t open = 0;
  for (const auto& [tag, count] : counts_) open += count.started - count.ended;
  return open;
}

void Tally::begin(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  ++counts_[tag].started;
}

void Tally::end(std::uint64_t tag) {
  const MutexLock lock(mutex_);
  ++counts_[tag].ended;
}

int Tally::serve(vac_call& call) {
  if (call.op == op("model_describe")) return describe(call);
  const std::uint64_t tag = tag_of(call);
  begin(tag);
  if (call.op == op("minmax")) {
    const MutexLock lock(mutex_);
    later_.push_back(&call);
    changed_.notify_one();
    return VAC_EINPROGRESS;
  }
  const int code = call.op == op("noop") ? VAC_OK : copy(call);
  end(tag);
  return code;
}

int Tally::copy(vac_call& call) const {
  const vac_host& host = *host_;
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(kLater / 10);
    if (host.cancelled(&call) != 0) return VAC_ECANCELED;
  }
  const vac_arg& in = call.args[0];
  void* out = host.output(&call, 1, 0, in.bytes, VAC_I32, 0, nullptr);
  if (out == nullptr) return VAC_ENOMEM;
  std::memcpy(out, reinterpret_cast<const void*>(in.value), in.bytes);
  return VAC_OK;
}

int Tally::describe(vac_call& call) const {
  const auto& view = *static_cast<const vac_resource_view*>(call.resource_states[0]);
  const std::string_view digest = view.digest;
  void* out = host_.load()->output(&call, 1, 0, digest.size(), VAC_CHAR, 0, nullptr);
  if (out == nullptr) return VAC_ENOMEM;
  std::memcpy(out, digest.data(), digest.size());
  return VAC_OK;
}

void Tally::cancel(vac_call& call) {
  ++cancels_;
  const MutexLock lock(mutex_);
  if (std::ranges::find(later_, &call) == later_.end()) return;  // it is being completed
  cancelled_.insert(&call);
  changed_.notify_one();
}

/// Completes calls some time after they came, those that were cancelled at once.
void Tally::work() {
  MutexLock lock(mutex_);
  while (!stopping_ || !later_.empty()) {
    if (later_.empty()) {
      changed_.wait(mutex_);
      continue;
    }
    vac_call& call = *later_.front();
    const auto ready = std::chrono::steady_clock::now() + kLater;
    while (!cancelled_.contains(&call) && changed_.wait_until(mutex_, ready)) {
    }
    later_.pop_front();
    const bool cancelled = cancelled_.erase(&call) != 0;
    const std::uint64_t tag = tag_of(call);
    lock.unlock();
    void* out =
        cancelled ? nullptr : host_.load()->output(&call, 3, 0, sizeof tag, VAC_F64, 0, nullptr);
    if (out != nullptr) std::memcpy(out, &tag, sizeof tag);
    end(tag);
    host_.load()->complete(&call, out != nullptr ? VAC_OK : VAC_ECANCELED, nullptr);
    lock.lock();
  }
}

}  // namespace vac::simulation
