// SPDX-License-Identifier: Apache-2.0
// Several calls of one operation, as the handler of a plugin's batches sees them.
#pragma once

#include <vac/plugin.h>
#include <vac/detail/arg_reader.hpp>
#include <vac/detail/plugin_call.hpp>
#include <vac/result.hpp>

#include <cstddef>
#include <deque>
#include <utility>

namespace vac {
inline namespace plugin_api {

/// One call of a batch. It may be used, by one thread at a time, until it is finished. What the
/// handler leaves unfinished is run by the operation's own handler, alone.
template <class Op>
class BatchItem {
 public:
  BatchItem(vac_call& raw, const vac_host& host) : call_(raw, host), args_(read(call_)) {}
  BatchItem(const BatchItem&) = delete;
  BatchItem& operator=(const BatchItem&) = delete;

  Call& call() noexcept { return call_; }
  const typename Op::Args& args() const noexcept { return args_; }
  bool finished() const noexcept { return finished_; }

  /// Ends the call: its results are written, or it has failed. Without effect the second time.
  void finish(const Status& status) noexcept {
    if (std::exchange(finished_, true)) return;
    const vac_host& host = call_.host();
    if (status) return host.complete(&call_.raw(), VAC_OK, nullptr);
    const Error& error = status.error();
    host.error(host.host, &call_.raw(), error.detail(), error.text().c_str());
    host.complete(&call_.raw(), error.value(), nullptr);
  }

 private:
  static typename Op::Args read(const Call& call) {
    ArgReader reader(call);
    return Op::Args::from(reader);
  }

  Call call_;
  typename Op::Args args_;
  bool finished_ = false;
};

/// The calls of one submit: at least two, of equal keys and resources. They share a slot.
template <class Op>
class Batch {
 public:
  using Item = BatchItem<Op>;

  Batch(vac_call* const* calls, std::size_t count, const vac_host& host) {
    for (std::size_t i = 0; i < count; ++i) items_.emplace_back(*calls[i], host);
  }

  std::size_t size() const noexcept { return items_.size(); }
  Item& operator[](std::size_t i) noexcept { return items_[i]; }
  auto begin() noexcept { return items_.begin(); }
  auto end() noexcept { return items_.end(); }

 private:
  std::deque<Item> items_;  // results refer to their item's call, which must not move
};

}  // namespace plugin_api
}  // namespace vac
