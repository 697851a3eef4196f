// SPDX-License-Identifier: Apache-2.0
// A loaded plugin: its table with missing slots filled, its state, its slots.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.hpp"

namespace vac::core {

/// Bounds how many calls of one operation run at once in a plugin. Thread-safe.
class SlotPool {
 public:
  explicit SlotPool(std::uint32_t count);
  /// The lowest free slot; waits while there is none, at most until the deadline (CLOCK_MONOTONIC
  /// ns, 0 none).
  Result<std::uint32_t> acquire(std::int64_t deadline_ns);
  void release(std::uint32_t slot);
  std::uint32_t count() const noexcept { return count_; }

 private:
  const std::uint32_t count_;
  Mutex mutex_;
  CondVar freed_;
  std::vector<std::uint32_t> free_ VAC_GUARDED_BY(mutex_);
};

/// Thread-safe after opening. The library is never unloaded: frameworks do not survive it.
class Plugin {
 public:
  /// dlopen, entry, ABI check, open. A file that is cut short is VAC_ELIBBAD. `index` is the
  /// plugin's place in its runtime.
  static Result<std::unique_ptr<Plugin>> load(const std::string& path, std::uint32_t index,
                                              const std::string& config_json);
  static Result<std::unique_ptr<Plugin>> from_table(const vac_plugin& table, std::uint32_t index,
                                                    const std::string& config_json);
  ~Plugin();
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const vac_plugin& table() const noexcept { return table_; }
  void* state() const noexcept { return state_; }
  const char* name() const noexcept { return table_.name; }
  std::uint32_t index() const noexcept { return index_; }
  bool remote() const noexcept { return (table_.caps & VAC_CAP_REMOTE) != 0; }
  std::span<const vac_op_offer> offers() const noexcept { return {table_.ops, table_.op_count}; }
  /// nullptr where the operation is not offered.
  const vac_op_offer* offer(std::uint32_t op) const noexcept;
  bool lists_format(const std::string& format) const noexcept;
  /// As many as the plugin offers, or fewer by the setting "slots" of its configuration; nullptr:
  /// unlimited.
  SlotPool* slots(const vac_op_offer& offer) const noexcept;
  /// The plugin's own JSON, "{}" where it gives none.
  std::string describe() const;

 private:
  Plugin() = default;
  Status open(const vac_plugin& table, std::uint32_t index, const std::string& config_json);

  vac_plugin table_{};
  void* state_ = nullptr;
  std::uint32_t index_ = 0;
  std::vector<std::unique_ptr<SlotPool>> slots_;  // by offer; null: unlimited
};

/// The host table given to plugins, the same for all.
const vac_host& host_table() noexcept;

/// Collects what plugins say by vac_host.error outside of calls on this thread: clears it, and
/// after the call takes it.
void clear_thread_error() noexcept;
std::string take_thread_error() noexcept;

}  // namespace vac::core
