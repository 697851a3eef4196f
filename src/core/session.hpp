// SPDX-License-Identifier: Apache-2.0
// A client's context on one runtime: where each operation goes, and the way there.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "call/op_table.hpp"
#include "core/attachment.hpp"
#include "core/batch.hpp"
#include "core/buffer.hpp"
#include "core/call_context.hpp"
#include "core/monotonic.hpp"
#include "core/resource.hpp"
#include "core/taken_call.hpp"

namespace vac::core {

class AsyncCall;
class Plugin;
class Runtime;
class Session;
class SlotPool;

/// A resource as one session uses it. Made by Session::add_resource, closed by its owner before the
/// session. Thread-safe.
class Resource {
 public:
  Resource(Session& session, std::shared_ptr<const ResourceData> data);
  ~Resource();
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  const ResourceData& data() const noexcept { return *data_; }
  Session& session() const noexcept { return session_; }

 private:
  friend class Session;
  enum class Accepted : std::uint8_t { unknown, yes, no };
  /// What is known of one plugin; set at the first use, then read without a lock.
  struct Use {
    std::atomic<Accepted> accepted{Accepted::unknown};
    std::atomic<Attachment*> attachment{nullptr};
  };

  Session& session_;
  const std::shared_ptr<const ResourceData> data_;
  std::vector<Use> uses_;  // by plugin index
};

struct SessionOptions {
  std::string address = "local:";
  std::string tenant;  ///< empty in a client
  std::string options_json = "{}";
  std::uint32_t timeout_ms = 0;  ///< bound on every call without a deadline of its own; 0: none
};

/// Thread-safe. Made by Runtime::open_session, destroyed by its owner when no call runs in it.
class Session {
 public:
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Runs one call to its end on the calling thread (and the plugin's): checks it, finds the
  /// plugin, attaches resources, takes a slot, submits, waits. The caller sets op, args, arg_count,
  /// meta, meta_bytes, deadline_ns, flags (whether it is interruptible), trace; the rest is set
  /// here. Returns the code; on failure context.message and context.detail say more. No allocation
  /// on success.
  int dispatch(vac_call& call, CallContext& context) noexcept;

  /// The same for several calls of equal groups, of whatever sessions, in one submit and one slot.
  /// Each is checked and ends by itself; the plugin's time is shared out evenly.
  static void dispatch_batch(std::span<BatchCall> calls) noexcept;
  /// With which others a call that has to wait may be dispatched. Takes no time but the plugin's
  /// `batch_key`: a call whose resources nobody has used yet runs alone.
  BatchGroup batch_group(const vac_call& call, const CallContext& context) noexcept;
  /// Begins a call and does not wait, where its plugin can do that: `taken` is told of its end, and
  /// may be gone by the time this returns. The caller sets what it sets for dispatch(). False:
  /// nothing has been done, dispatch() the call instead.
  bool start(vac_call& call, CallContext& context, TakenCall& taken) noexcept;
  /// Asks the plugin to end such a call soon. The caller has marked its context as cancelled, and
  /// keeps both until this returns; without effect on one that is over.
  void cancel_taken(vac_call& call) noexcept;
  /// What a plugin says of a call that it has taken (vac_host.complete). False: it is not waited
  /// for.
  static bool complete_taken(vac_call& call, int code, const char* message) noexcept;

  /// Cancels all calls, those to come as well: queued ones end at once, running ones as soon as
  /// their plugins let them. Any thread.
  void cancel_calls() noexcept;

  std::unique_ptr<Resource> add_resource(std::shared_ptr<const ResourceData> data);

  /// Zeroed memory: of the first plugin in order that serves the session and lends buffers, where
  /// it has some to lend, else of the heap.
  Result<std::unique_ptr<Buffer>> new_buffer(std::uint64_t bytes) const {
    return Buffer::create(buffers_, bytes);
  }

  /// The operation runs in <= 20 us without blocking, so that a thread with other duties may
  /// dispatch it.
  bool quick(std::uint32_t op) const noexcept;

  const SessionOptions& options() const noexcept { return options_; }
  bool local() const noexcept { return remote_ == nullptr; }
  Runtime& runtime() const noexcept { return runtime_; }

 private:
  friend class Runtime;
  friend class Resource;
  class Batch;
  struct Route {
    Plugin* plugin = nullptr;
    const vac_op_offer* offer = nullptr;  // nullptr: the remote plugin's
    void* session_state = nullptr;
    SlotPool* slots = nullptr;  // nullptr: as many calls as come
  };
  /// All that a call asks about its operation.
  struct Choice {
    const Op* op = nullptr;
    std::vector<Route> routes;  // in order of choice
    std::uint32_t resource_count = 0;
    bool writes = false;   // has outputs
    bool batches = false;  // some plugin takes several calls at once
    // Nothing but the plugin's submit is to be done: no resource, output, slot or cancel hook.
    bool plain = false;
  };

  Session(Runtime& runtime, SessionOptions options);
  Status open(std::span<Plugin* const> plugins, Plugin* remote);
  Status open_in(Plugin& plugin);
  void close_in(Plugin& plugin);
  void add_route(std::uint32_t op, Plugin& plugin, const vac_op_offer* offer);
  Result<const Route*> route(const Choice& choice, const CallContext& context);
  Status accepts(Resource& resource, const Route& route);
  AttachmentTable::Key attachment_key(const Resource& resource, const Route& route) const;
  Result<void*> attach(Resource& resource, const Route& route, const vac_call& call,
                       CallContext& context);
  void note_attached(Resource::Use& use, Attachment& attachment);
  BatchGroup find_group(const vac_call& given, const CallContext& context);
  const Route* known_route(const Choice& choice, const CallContext& context, BatchGroup& group);
  const Attachment* find_attached(Resource& resource, const Route& route);
  [[gnu::cold]] int refuse_unserved(const vac_call& call, CallContext& context);
  [[gnu::cold]] void complete_message(const Op& op, int code, CallContext& context) const;
  /// Sets what the caller of dispatch() does not.
  void prepare(const Choice& choice, vac_call& call, CallContext& context) const noexcept {
    call.struct_size = sizeof call;
    call.resource_states = nullptr;
    call.plugin_scratch = nullptr;
    call.queue_us = call.plugin_us = call.agent_us = 0;
    call.host_priv = &context;
    call.slot = VAC_NO_SLOT;
    context.op = choice.op;
    context.closing = &closing_;
    if (options_.timeout_ms != 0 && call.deadline_ns == 0) {
      call.deadline_ns = now_ns() + std::int64_t{options_.timeout_ms} * 1'000'000;
    }
  }
  int run(const Choice& choice, vac_call& call, CallContext& context);
  bool prepare_taken(const Choice& choice, vac_call& call, CallContext& context, TakenCall& taken);
  int end_taken(vac_call& call, CallContext& context, const TakenCall& taken, int code);
  int run_with_resources(const Choice& choice, vac_call& call, CallContext& context);
  int run_in_slot(const Choice& choice, const Route& route, vac_call& call, CallContext& context);
  int submit(const Choice& choice, const Route& route, vac_call& call, CallContext& context);
  int submit_plainly(const Route& route, vac_call& call, CallContext& context);
  int submit_once(const Route& route, vac_call& call, CallContext& context);
  [[gnu::noinline]] int submit_exposed(const Route& route, vac_call& call, CallContext& context);
  [[gnu::cold]] int explain(int code, const vac_call& call, CallContext& context) const;
  [[gnu::noinline]] int submit_async(const Route& route, vac_call& call, CallContext& context);
  bool await(const Route& route, AsyncCall& async, const vac_call& call, CallContext& context);
  int give_up(const Route& route, const vac_call& call, CallContext& context);

  Runtime& runtime_;
  const SessionOptions options_;
  std::atomic<bool> closing_{false};
  Plugin* remote_ = nullptr;           // serves every operation, where the address is not local:
  std::vector<Plugin*> opened_;        // session_open has succeeded
  std::vector<void*> session_states_;  // by plugin index
  std::vector<Choice> choices_;        // by op id
  // nullptr: no plugin lends buffers. Shared with the buffers that are out.
  std::shared_ptr<BufferSource> buffers_;
};

}  // namespace vac::core
