// SPDX-License-Identifier: Apache-2.0
// Plugins in C++20, over plugin.h: typed handlers, states that own themselves, exceptions turned
// into errors. Header-only; a plugin made with it links to nothing of ours.
//
//   static vac::Status minmax(vac::Call&, const vac::ops::Minmax::Args& in) { ...; return {}; }
//   VAC_PLUGIN(vac::Plugin("mine", "1.0").handles<vac::ops::Minmax>(minmax));
//
// A handler is a function, a lambda without captures or a member of the plugin's state. It runs on
// any thread, several at once, up to its `concurrency`. It returns {} or an Error; what it throws
// becomes an error too.
#pragma once

#include <vac/plugin.h>
#include <vac/detail/arg_reader.hpp>
#include <vac/detail/plugin_thunks.hpp>
#include <vac/plugin_ops.hpp>
#include <vac/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace vac {
inline namespace plugin_api {

/// How a plugin offers an operation.
struct Offer {
  bool quick = false;             ///< at most 20 us, never blocks
  std::uint32_t concurrency = 0;  ///< calls at a time; 0: any number
  std::uint32_t max_batch = 1;    ///< calls in one submit, with batches()
  bool batch_on_request = false;  ///< no batches unless the host's settings ask for them
};

/// The state of a plugin that needs none.
struct NoState {};

/// Says what a plugin offers; VAC_PLUGIN makes the ABI's table of it. State is made at open and
/// destroyed at close, and given first to every function that takes it. A value of fixed size
/// without a destructor: it may lie in static storage and do nothing at exit.
template <class State = NoState>
class Plugin {
 public:
  using StateType = State;
  static constexpr std::size_t kMaxOperations = 256;
  static constexpr std::size_t kMaxFormats = 15;

  /// The texts must live as long as the plugin: literals.
  Plugin(const char* name, const char* version) : name_(name), version_(version) {}

  /// Serves one operation of vac::ops: `Status fn([State&,] Call&, const Op::Args&)`. A second
  /// handler replaces the first.
  template <class Op, class F>
  Plugin& handles(F fn, Offer offer = {}) {
    using Args = typename Op::Args;
    static_assert(thunks::Takes<F, Status, State, Call&, const Args&>,
                  "handles<Op>: the handler must be Status fn(Call&, const Op::Args&), or take the "
                  "plugin's state before these");
    add(Op::id, offer, thunks::Function(fn), &thunks::run_typed<Plugin, Op, F>);
    return *this;
  }

  /// Serves every operation listed that has no handler of its own, by its raw records: `Status
  /// fn([State&,] Call&)`.
  template <class F, std::size_t N>
  Plugin& handles_all(F fn, const std::array<std::uint32_t, N>& ids, Offer offer = {}) {
    static_assert(
        thunks::Takes<F, Status, State, Call&>,
        "handles_all: the handler must be Status fn(Call&), or take the plugin's state first");
    for (const std::uint32_t id : ids) {
      if (find(id) == nullptr) add(id, offer, thunks::Function(fn), &thunks::run_raw<Plugin, F>);
    }
    return *this;
  }
  template <class F>
  Plugin& handles_all(F fn, Offer offer = {}) {
    return handles_all(fn, ops::kPublicIds, offer);
  }

  /// Serves several calls of an operation at once, up to the `max_batch` of its handles(), which
  /// comes first. `std::uint64_t key([State&,] const Call&, const Op::Args&)`: calls of equal keys
  /// may come together, 0 is alone; it looks at shapes and text only, not at the data of arrays and
  /// tensors, and does no long work. `Status fn([State&,] Batch<Op>&)` finishes each call with a
  /// Status of its own, before it returns. Those that it leaves, and has written no results of, are
  /// run by the handler one by one: so it can return an Error, or throw, where it does not know
  /// whose fault it is.
  template <class Op, class Key, class F>
  Plugin& batches(Key key, F fn) {
    using Args = typename Op::Args;
    static_assert(thunks::Takes<Key, std::uint64_t, State, const Call&, const Args&>,
                  "batches<Op>: the key must be std::uint64_t fn(const Call&, const Op::Args&), or "
                  "take the plugin's state before these");
    static_assert(thunks::Takes<F, Status, State, Batch<Op>&>,
                  "batches<Op>: the handler must be Status fn(Batch<Op>&), or take the plugin's "
                  "state first");
    const Handler* const found = find(Op::id);
    overflow_ |= found == nullptr;
    if (found == nullptr) return *this;
    Handler& handler = handlers_[static_cast<std::size_t>(found - handlers_.data())];
    handler.key_fn = thunks::Function(key);
    handler.key = &thunks::run_key<Plugin, Op, Key>;
    handler.batch_fn = thunks::Function(fn);
    handler.run_batch = &thunks::run_batch<Plugin, Op, F>;
    return *this;
  }

  /// Makes the state: `Result<std::unique_ptr<State>> fn(Host, std::string_view config_json)`.
  /// Without it State{} is made, and a configuration other than {} is refused.
  template <class F>
  Plugin& opens(F fn) {
    static_assert(std::is_invocable_r_v<Result<std::unique_ptr<State>>, F, Host, std::string_view>);
    hooks_.open = {thunks::Function(fn), &thunks::run_open<State, F>};
    return *this;
  }

  /// What the plugin keeps for each session, see Call::session: `Result<std::unique_ptr<S>>
  /// fn([State&,] const vac_session_view&)`.
  template <class F>
  Plugin& sessions(F fn) {
    using Made = thunks::MadeBy<F, State, const vac_session_view&>;
    hooks_.session_open = {thunks::Function(fn), &thunks::run_session_open<State, F>};
    hooks_.session_close = &thunks::destroy<Made>;
    return *this;
  }

  /// What the plugin keeps for each resource, see ResourceArg::state: `Result<std::unique_ptr<R>>
  /// fn([State&,] const vac_resource_view&)`. It checks only; long work belongs to the first call.
  /// The view lives as long as R.
  template <class F>
  Plugin& attaches(F fn) {
    using Made = thunks::MadeBy<F, State, const vac_resource_view&>;
    hooks_.attach = {thunks::Function(fn), &thunks::run_attach<State, F>};
    hooks_.detach = &thunks::destroy<Made>;
    return *this;
  }

  /// Whether the plugin serves a resource: `Status fn([State&,] const vac_resource_view&)`. Without
  /// it: every one.
  template <class F>
  Plugin& accepts(F fn) {
    static_assert(thunks::Takes<F, Status, State, const vac_resource_view&>);
    hooks_.accepts = {thunks::Function(fn), &thunks::run_accepts<State, F>};
    return *this;
  }

  /// The model formats that it loads, as a resource's option "format" names them. Literals; at
  /// most 15.
  Plugin& formats(std::initializer_list<const char*> names) {
    std::size_t count = 0;
    for (const char* name : names) {
      if (count < kMaxFormats) formats_[count++] = name;
    }
    overflow_ |= names.size() > kMaxFormats;
    return *this;
  }

  /// The framework's version and devices as a JSON object: `Result<std::string> fn([State&])`.
  template <class F>
  Plugin& describes(F fn) {
    static_assert(thunks::Takes<F, Result<std::string>, State>);
    hooks_.describe = {thunks::Function(fn), &thunks::run_describe<State, F>};
    return *this;
  }

  /// VAC_CAP_...
  Plugin& caps(std::uint64_t caps) {
    caps_ = caps;
    return *this;
  }

  // For VAC_PLUGIN:
  using Handler = thunks::Handler<Plugin>;
  const Handler* find(std::uint32_t op) const noexcept {
    for (std::size_t probe = op % kBuckets;; probe = (probe + 1) % kBuckets) {
      const std::uint16_t position = buckets_[probe];
      if (position == 0) return nullptr;
      if (handlers_[position - 1U].op == op) return &handlers_[position - 1U];
    }
  }
  const thunks::Hooks<State>& hooks() const noexcept { return hooks_; }
  /// The table without its functions, which VAC_PLUGIN adds. Points into this object.
  vac_plugin table() const noexcept {
    vac_plugin table{};
    table.struct_size = sizeof table;
    table.abi_major = VAC_ABI_MAJOR;
    table.abi_minor = VAC_ABI_MINOR;
    table.name = name_;
    table.version = version_;
    table.caps = caps_;
    table.ops = offers_.data();
    table.op_count = count_;
    table.formats = formats_[0] == nullptr ? nullptr : formats_.data();
    return table;
  }
  /// Whether some operation is served in batches.
  bool batched() const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      if (handlers_[i].key != nullptr) return true;
    }
    return false;
  }
  /// False where more was offered than there is room for, or batches without a handler.
  bool complete() const noexcept { return !overflow_; }

 private:
  static constexpr std::size_t kBuckets =
      2 * kMaxOperations;  // half of them stay empty, so that find() ends

  void add(std::uint32_t op, Offer offer, thunks::Function fn, typename Handler::Run run) {
    const vac_op_offer entry{op, offer.max_batch, offer.concurrency,
                             (offer.quick ? VAC_OFFER_QUICK : 0U) |
                                 (offer.batch_on_request ? VAC_OFFER_BATCH_ON_REQUEST : 0U)};
    if (const Handler* old = find(op)) {
      const auto position = static_cast<std::size_t>(old - handlers_.data());
      handlers_[position] = {fn, run, op, {}, nullptr, {}, nullptr};
      offers_[position] = entry;
      return;
    }
    if (count_ == kMaxOperations) {
      overflow_ = true;
      return;
    }
    handlers_[count_] = {fn, run, op, {}, nullptr, {}, nullptr};
    offers_[count_++] = entry;
    std::size_t probe = op % kBuckets;
    while (buckets_[probe] != 0) probe = (probe + 1) % kBuckets;
    buckets_[probe] = static_cast<std::uint16_t>(count_);
  }

  const char* name_;
  const char* version_;
  std::uint64_t caps_ = 0;
  std::size_t count_ = 0;
  bool overflow_ = false;
  std::array<Handler, kMaxOperations> handlers_{};
  std::array<vac_op_offer, kMaxOperations> offers_{};
  std::array<std::uint16_t, kBuckets> buckets_{};  // by op id, linear probing: position + 1, 0 none
  std::array<const char*, kMaxFormats + 1> formats_{};
  thunks::Hooks<State> hooks_{};
};

}  // namespace plugin_api
}  // namespace vac

/// Defines the one exported symbol of a plugin, at namespace scope of one source file:
/// VAC_PLUGIN(vac::Plugin("name", "1.0").handles<...>(...));
#define VAC_PLUGIN(...)                                                                        \
  namespace {                                                                                  \
  struct VacPluginMaker {                                                                      \
    static const auto& plugin() {                                                              \
      static const auto made = __VA_ARGS__;                                                    \
      return made;                                                                             \
    }                                                                                          \
  };                                                                                           \
  }                                                                                            \
  extern "C" VAC_API const struct vac_plugin* vac_plugin_entry(std::uint32_t host_major,       \
                                                               std::uint32_t /*host_minor*/) { \
    return ::vac::thunks::plugin_table<VacPluginMaker>(host_major);                            \
  }                                                                                            \
  static_assert(true, "a semicolon follows VAC_PLUGIN(...)")
