// SPDX-License-Identifier: Apache-2.0
// A loaded plugin: its table with missing slots filled, its state, its slots.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "core/call_context.hpp"

namespace vac::core {

/// Whether a plugin takes calls without waiting (VAC_CAP_NO_WAIT).
inline bool takes_calls(const vac_plugin& table) noexcept {
  constexpr std::uint64_t kAsked = VAC_CAP_REMOTE | VAC_CAP_ASYNC | VAC_CAP_NO_WAIT;
  return (table.caps & kAsked) == (VAC_CAP_REMOTE | VAC_CAP_NO_WAIT) && table.cancel != nullptr &&
         table.session_cancel != nullptr;
}

/// Bounds how many calls of one operation run at once in a plugin. Thread-safe.
class SlotPool final : public Waker {
 public:
  explicit SlotPool(std::uint32_t count);
  /// The lowest free slot; waits while there is none, at most until the deadline (CLOCK_MONOTONIC
  /// ns, 0 none) or until the call is given up. VAC_EBUSY where none will ever be free.
  Result<std::uint32_t> acquire(std::int64_t deadline_ns, CallContext& context);
  void release(std::uint32_t slot);
  /// The plugin does not complete the call that holds a slot: it stays taken; or it did after all.
  void lose();
  void regain();
  std::uint32_t count() const noexcept { return count_; }
  void wake() noexcept override;

 private:
  Status await_free(std::int64_t deadline_ns, CallContext& context) VAC_REQUIRES(mutex_);

  const std::uint32_t count_;
  Mutex mutex_;
  CondVar freed_;
  std::vector<std::uint32_t> free_ VAC_GUARDED_BY(mutex_);
  std::uint32_t lost_ VAC_GUARDED_BY(mutex_) = 0;
};

/// Thread-safe after opening. The library is never unloaded: frameworks do not survive it. Shared
/// by its runtime and the sources of buffers that it lends.
class Plugin : public std::enable_shared_from_this<Plugin> {
 public:
  /// dlopen, entry, ABI check, open. What is wrong with the file or its table is VAC_ELIBBAD; what
  /// the plugin throws is contained. `index` is the plugin's place in its runtime.
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
  /// The file it was loaded from; empty: linked in.
  const std::string& path() const noexcept { return path_; }
  std::uint32_t index() const noexcept { return index_; }
  bool remote() const noexcept { return (table_.caps & VAC_CAP_REMOTE) != 0; }
  bool asynchronous() const noexcept { return (table_.caps & VAC_CAP_ASYNC) != 0; }
  /// It takes calls without waiting, and is trusted with the caller's own memory meanwhile.
  bool takes_calls() const noexcept { return core::takes_calls(table_); }
  /// Calls that it was given up on and has not completed since. While there are any, nothing that
  /// it has made is taken from it.
  std::uint32_t lost_calls() const noexcept { return lost_calls_.load(); }
  void count_lost_call(int change) const noexcept {
    lost_calls_.fetch_add(static_cast<std::uint32_t>(change));
  }
  /// Keeps for ever what its lost calls may still use.
  void keep(std::shared_ptr<const void> what);
  enum class Complaint : std::uint8_t { completion = 1, buffer = 2 };
  /// True once for each: what it does wrong again and again is said once.
  bool first_complaint(Complaint about) const noexcept {
    const auto bit = static_cast<std::uint8_t>(about);
    return (complaints_.fetch_or(bit) & bit) == 0;
  }
  /// Those of its table that can be served: operations that exist, once each.
  std::span<const vac_op_offer> offers() const noexcept { return offers_; }
  /// nullptr where the operation is not offered.
  const vac_op_offer* offer(std::uint32_t op) const noexcept;
  bool lists_format(const std::string& format) const noexcept;
  /// As many as the plugin offers, or fewer by the setting "slots" of its configuration; nullptr:
  /// unlimited. Where neither sets a limit, an operation with batches that is not quick has as many
  /// as the machine has processors: calls that never wait are never put together.
  SlotPool* slots(const vac_op_offer& offer) const noexcept;
  /// Which calls of an operation may go into one submit.
  struct Batching {
    std::uint32_t most = 1;     ///< calls; 1: none
    std::int64_t delay_ns = 0;  ///< how long a free slot may wait for more of them
  };
  /// As the plugin offers and the settings "max_batch" and "max_delay_us" of its configuration say.
  const Batching& batching(const vac_op_offer& offer) const noexcept;
  /// The plugin's own JSON object, "{}" where it gives none, {"error": why} where it fails.
  std::string describe() const;

 private:
  Plugin() = default;
  struct Config;
  Status open(const vac_plugin& table, std::uint32_t index, const std::string& config_json);
  static Result<Config> split_config(const std::string& json);
  Status set_limits(const vac_plugin& table, const Config& config);

  vac_plugin table_{};
  void* state_ = nullptr;
  std::uint32_t index_ = 0;
  mutable std::atomic<std::uint32_t> lost_calls_{0};
  mutable std::atomic<std::uint8_t> complaints_{0};  // Complaint bits
  std::string path_;
  Mutex mutex_;
  std::vector<std::shared_ptr<const void>> kept_ VAC_GUARDED_BY(mutex_);  // with what points there
  std::vector<vac_op_offer> offers_;
  std::vector<std::unique_ptr<SlotPool>> slots_;  // by offer; null: unlimited
  std::vector<Batching> batching_;                // by offer
};

/// The host table given to plugins, the same for all but those that take calls without waiting.
const vac_host& host_table() noexcept;
const vac_host& host_table_for_taken_calls() noexcept;

}  // namespace vac::core
