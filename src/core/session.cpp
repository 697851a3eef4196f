// SPDX-License-Identifier: Apache-2.0
#include "core/session.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "call/check.hpp"
#include "core/async_call.hpp"
#include "core/contained.hpp"
#include "core/monotonic.hpp"
#include "core/plugin.hpp"
#include "core/results.hpp"
#include "core/runtime.hpp"
#include "core/visit.hpp"

namespace vac::core {
namespace {

[[gnu::cold, gnu::noinline]] int fail(CallContext& context, const Error& error) {
  context.message = error.text();
  context.detail = error.detail();
  return error.value();
}

std::uint32_t count_resources(const Op& op) {
  return static_cast<std::uint32_t>(
      std::count_if(op.args.begin(), op.args.end(), [](const OpArgument& argument) {
        return argument.signature == signature_word(VAC_RESOURCE, VAC_SCALAR, VAC_IN);
      }));
}

/// How messages call a resource: by its file's name, which says nothing of the host's folders.
std::string_view title(const ResourceData& data) {
  if (data.kind() == ResourceData::Kind::uri) return data.uri();
  if (data.kind() == ResourceData::Kind::directory) return data.digest();
  return data.files().front().name;
}

/// For a catch (...) around submit.
[[gnu::cold, gnu::noinline]] int thrown(CallContext& context) {
  const int code = caught_from_plugin("submit");
  context.message = take_thread_error();
  return code;
}

/// A slot, until its call is over; one that is lost stays its plugin's.
struct HeldSlot {
  SlotPool& pool;
  std::uint32_t slot;
  const CallContext& context;

  HeldSlot(SlotPool& its_pool, std::uint32_t number, const CallContext& of) noexcept
      : pool(its_pool), slot(number), context(of) {}
  ~HeldSlot() {
    if (!context.slot_lost) pool.release(slot);
  }
  HeldSlot(const HeldSlot&) = delete;
  HeldSlot& operator=(const HeldSlot&) = delete;
};

/// A call that can be cancelled by its plugin's hook meanwhile.
struct Exposure {
  Visit& visit;

  Exposure(Visit& of, vac_call& call) noexcept : visit(of) { visit.expose(call); }
  ~Exposure() { visit.withdraw(); }
  Exposure(const Exposure&) = delete;
  Exposure& operator=(const Exposure&) = delete;
};

/// Whether an operation has outputs that its plugin describes in the call's records.
bool writes_records(const Op& op) {
  return std::ranges::any_of(op.args, [](const OpArgument& argument) {
    return (argument.signature >> 16U & VAC_OUT) != 0;
  });
}

}  // namespace

Resource::Resource(Session& session, std::shared_ptr<const ResourceData> data)
    : session_(session), data_(std::move(data)), uses_(session.session_states_.size()) {}

Resource::~Resource() {
  for (const Use& use : uses_) {
    if (Attachment* attachment = use.attachment.load(std::memory_order_acquire)) {
      session_.runtime_.attachments_.release(*attachment);
    }
  }
}

Session::Session(Runtime& runtime, SessionOptions options)
    : runtime_(runtime), options_(std::move(options)) {}

Session::~Session() {
  runtime_.attachments_.drop_session(this);
  for (Plugin* plugin : opened_) {
    const bool lends = buffers_ != nullptr && buffers_->plugin() == plugin;
    if (lends) buffers_->begin_close();
    close_in(*plugin);
    if (lends) buffers_->end_close();
  }
}

void Session::close_in(Plugin& plugin) {
  if (plugin.table().session_close == nullptr) return;
  if (plugin.lost_calls() != 0) {
    log_warning("plugin '", plugin.name(),
                "' still has calls that it never completed: what it "
                "keeps for the session is not closed");
    return;
  }
  contained_void(plugin.name(), "session_close", [&] {
    plugin.table().session_close(plugin.state(), session_states_[plugin.index()]);
  });
}

Status Session::open(std::span<Plugin* const> plugins, Plugin* remote) {
  remote_ = remote;
  std::uint32_t most = remote == nullptr ? 0 : remote->index();
  for (const Plugin* plugin : plugins) most = std::max(most, plugin->index());
  session_states_.resize(most + 1);
  choices_.resize(all_ops().empty() ? 0 : all_ops().back().id + 1);
  for (const Op& op : all_ops())
    choices_[op.id] = {&op, {}, count_resources(op), writes_records(op)};

  if (remote != nullptr) {
    VAC_CHECK(open_in(*remote));
    for (const Op& op : all_ops()) add_route(op.id, *remote, nullptr);
    return {};
  }
  for (Plugin* plugin : plugins) {
    if (plugin->remote()) continue;
    if (Status opened = open_in(*plugin); !opened) {
      log_warning("plugin '", plugin->name(), "' serves no session: ", opened.error().message());
      continue;
    }
    for (const vac_op_offer& offer : plugin->offers()) {
      add_route(offer.op, *plugin, &offer);
    }
  }
  return {};
}

void Session::add_route(std::uint32_t op, Plugin& plugin, const vac_op_offer* offer) {
  SlotPool* slots = offer == nullptr ? nullptr : plugin.slots(*offer);
  Choice& choice = choices_[op];
  choice.routes.push_back({&plugin, offer, session_states_[plugin.index()], slots});
  choice.batches |= offer != nullptr && plugin.batching(*offer).most > 1;
  if (choice.routes.size() > 1) return;
  choice.plain = choice.resource_count == 0 && !choice.writes && slots == nullptr &&
                 !plugin.asynchronous() && plugin.table().cancel == nullptr;
}

Status Session::open_in(Plugin& plugin) {
  opened_.reserve(opened_.size() + 1);  // what is opened must be closed
  if (plugin.table().session_open != nullptr) {
    const vac_session_view view = {sizeof view, options_.address.c_str(), options_.tenant.c_str(),
                                   options_.options_json.c_str()};
    clear_thread_error();
    const int code = contained("session_open", [&] {
      return plugin.table().session_open(plugin.state(), &view, &session_states_[plugin.index()]);
    });
    if (code != VAC_OK) {
      return hook_error(code,
                        concat("open ", options_.address, ": ", error_text(known_code(code))));
    }
  }
  opened_.push_back(&plugin);
  const vac_plugin& table = plugin.table();
  if (buffers_ == nullptr && table.buffer_alloc != nullptr && table.buffer_free != nullptr) {
    buffers_ =
        std::make_shared<BufferSource>(plugin.shared_from_this(), session_states_[plugin.index()]);
  }
  return {};
}

std::unique_ptr<Resource> Session::add_resource(std::shared_ptr<const ResourceData> data) {
  return std::make_unique<Resource>(*this, std::move(data));
}

bool Session::quick(std::uint32_t op) const noexcept {
  if (op >= choices_.size() || choices_[op].routes.empty()) return false;
  const Choice& choice = choices_[op];
  const Route& route = choice.routes.front();
  return choice.resource_count == 0 && route.offer != nullptr &&
         (route.offer->flags & VAC_OFFER_QUICK) != 0 &&
         route.slots == nullptr;  // waiting for one is not quick
}

int Session::dispatch(vac_call& call, CallContext& context) noexcept {
  try {
    if (call.op >= choices_.size() || choices_[call.op].routes.empty()) [[unlikely]]
      return refuse_unserved(call, context);
    const Choice& choice = choices_[call.op];
    const std::span<const vac_arg> records(call.args, call.arg_count);
    const std::span<const char> meta(call.meta, call.meta_bytes);
    if (!call_is_sound(*choice.op, records, meta)) [[unlikely]]
      return fail(context, check_call(*choice.op, records, meta).error());
    const int code = run(choice, call, context);
    if (code != VAC_OK) [[unlikely]]
      complete_message(*choice.op, code, context);
    return code;
  } catch (const std::bad_alloc&) {
    context.message.clear();
    return VAC_ENOMEM;
  } catch (...) {
    return VAC_EIO;  // nothing else is thrown here
  }
}

int Session::refuse_unserved(const vac_call& call, CallContext& context) {
  const Op* op = find_op(call.op);
  if (op == nullptr) {
    return fail(context,
                Error{Errc::not_supported, concat("operation ", call.op, " is not known here")});
  }
  const Status checked = check_call(*op, {call.args, call.arg_count}, {call.meta, call.meta_bytes});
  if (!checked) return fail(context, checked.error());
  return fail(context, Error{Errc::not_supported, concat(op->name, ": no plugin offers it",
                                                         runtime_.who_else_offers(call.op))});
}

void Session::complete_message(const Op& op, int code, CallContext& context) const {
  if (context.message.empty()) context.message = error_text(code);
  // The agent has named the operation already.
  if (local() && !context.message.starts_with("resource ")) {
    context.message.insert(0, concat(op.name, ": "));
  }
}

Result<const Session::Route*> Session::route(const Choice& choice, const CallContext& context) {
  if (context.resources.size() != choice.resource_count) {
    return Error{Errc::invalid, "its resources were not given"};
  }
  Resource* resource = nullptr;
  for (Resource* candidate : context.resources) {
    if (candidate == nullptr) continue;
    if (&candidate->session() != this) {
      return Error{Errc::bad_handle, "the resource was opened in another session"};
    }
    if (resource == nullptr) resource = candidate;
  }
  if (resource == nullptr || remote_ != nullptr) return &choice.routes.front();
  if (resource->data().kind() == ResourceData::Kind::uri) {
    return Error{
        Errc::not_supported,
        concat("resource '", resource->data().uri(),
               "' is a model of an agent: open the session at an agent's address, or open a file")};
  }
  std::optional<Error> refusal;
  for (const Route& route : choice.routes) {
    Status accepted = accepts(*resource, route);
    if (accepted) return &route;
    if (choice.routes.size() == 1) return std::move(accepted).error();
    Error error = std::move(accepted).error();
    const std::string text = concat(refusal ? refusal->text() : "", refusal ? "; " : "",
                                    route.plugin->name(), ": ", error.text());
    refusal.emplace(refusal ? refusal->code() : error.code(), text);
  }
  return Error{refusal->code(), concat("resource '", title(resource->data()),
                                       "' is taken by no plugin: ", refusal->text())};
}

Status Session::accepts(Resource& resource, const Route& route) {
  const ResourceData& data = resource.data();
  std::atomic<Resource::Accepted>& accepted = resource.uses_[route.plugin->index()].accepted;
  if (accepted.load(std::memory_order_acquire) == Resource::Accepted::yes) return {};
  if (!data.format().empty() && !route.plugin->lists_format(data.format())) {
    return Error{Errc::not_supported,
                 concat("resource '", title(data), "': plugin '", route.plugin->name(),
                        "' does not load format '", data.format(), "'")};
  }
  if (route.plugin->table().accepts != nullptr) {
    clear_thread_error();
    const int code = contained("accepts", [&] {
      return route.plugin->table().accepts(route.plugin->state(), &data.view());
    });
    if (code != VAC_OK) {
      return hook_error(code, concat("resource '", title(data), "' is not for plugin '",
                                     route.plugin->name(), "'"));
    }
  }
  accepted.store(Resource::Accepted::yes, std::memory_order_release);
  return {};
}

AttachmentTable::Key Session::attachment_key(const Resource& resource, const Route& route) const {
  const ResourceData& data = resource.data();
  return {route.plugin, remote_ != nullptr ? this : nullptr, options_.tenant,
          data.digest().empty() ? data.uri() : data.digest(), data.options()};
}

Result<void*> Session::attach(Resource& resource, const Route& route, const vac_call& call,
                              CallContext& context) {
  Resource::Use& use = resource.uses_[route.plugin->index()];
  if (Attachment* attachment = use.attachment.load(std::memory_order_acquire)) {
    return attachment->state;
  }
  VAC_TRY(Attachment * attachment,
          runtime_.attachments_.acquire(attachment_key(resource, route), *route.plugin,
                                        route.session_state, resource.data_, call.deadline_ns,
                                        context));
  note_attached(use, *attachment);
  return attachment->state;
}

/// Of calls that use a resource first at the same time, one counts as the resource's use.
void Session::note_attached(Resource::Use& use, Attachment& attachment) {
  Attachment* none = nullptr;
  if (!use.attachment.compare_exchange_strong(none, &attachment)) {
    runtime_.attachments_.release(attachment);
  }
}

inline int Session::submit_plainly(const Route& route, vac_call& call, CallContext& context) {
  vac_call* calls[] = {&call};
  try {
    return route.plugin->table().submit(route.plugin->state(), calls, 1);
  } catch (...) {
    return thrown(context);
  }
}

[[gnu::always_inline]] inline int Session::run(const Choice& choice, vac_call& call,
                                               CallContext& context) {
  prepare(choice, call, context);
  call.flags |= VAC_CALL_MAY_BLOCK;
  const Route& first = choice.routes.front();
  if (choice.plain) [[likely]] {
    call.session_state = first.session_state;
    context.plugin = first.plugin;
    const int code = submit_plainly(first, call, context);
    if (code == VAC_OK && context.fault == 0) [[likely]]
      return code;
    return explain(code, call, context);
  }
  if (choice.resource_count != 0) return run_with_resources(choice, call, context);
  return run_in_slot(choice, first, call, context);
}

int Session::run_with_resources(const Choice& choice, vac_call& call, CallContext& context) {
  auto route = this->route(choice, context);
  if (!route) return fail(context, route.error());
  constexpr std::size_t kMostArguments = 16;
  void* states[kMostArguments];  // as many as there are resources are set
  for (std::size_t i = 0; i < choice.resource_count; ++i) {
    states[i] = nullptr;
    if (context.resources[i] == nullptr) continue;
    auto state = attach(*context.resources[i], **route, call, context);
    if (!state) return fail(context, state.error());
    states[i] = *state;
  }
  call.resource_states = states;
  const int code = run_in_slot(choice, **route, call, context);
  call.resource_states = nullptr;
  return code;
}

int Session::run_in_slot(const Choice& choice, const Route& route, vac_call& call,
                         CallContext& context) {
  call.session_state = route.session_state;
  context.plugin = route.plugin;
  if (route.slots == nullptr) [[likely]]
    return submit(choice, route, call, context);
  auto slot = route.slots->acquire(call.deadline_ns, context);
  if (!slot) return fail(context, slot.error());
  call.slot = *slot;
  const HeldSlot held(*route.slots, *slot, context);
  return submit(choice, route, call, context);
}

int Session::submit(const Choice& choice, const Route& route, vac_call& call,
                    CallContext& context) {
  int code = VAC_OK;
  if (!choice.writes) [[likely]] {
    code = submit_once(route, call, context);
  } else {
    vac_arg before[VAC_MAX_RECORDS];
    std::copy_n(call.args, call.arg_count, before);
    code = submit_once(route, call, context);
    if (code == VAC_OK) code = check_results(call, context, {before, call.arg_count});
  }
  if (code == VAC_OK && context.fault == 0) [[likely]]
    return code;
  return explain(code, call, context);
}

int Session::submit_once(const Route& route, vac_call& call, CallContext& context) {
  if (route.plugin->asynchronous()) return submit_async(route, call, context);
  if (route.plugin->table().cancel != nullptr && context.visit != nullptr) {
    return submit_exposed(route, call, context);
  }
  return submit_plainly(route, call, context);
}

int Session::submit_exposed(const Route& route, vac_call& call, CallContext& context) {
  Visit& visit = *std::exchange(context.visit, nullptr);
  const Exposure exposure(visit, call);
  // Who cancels it, or closes the session, looked for calls before it saw this one.
  if (!context.given_up()) return submit_once(route, call, context);
  return fail(context,
              Error{Errc::cancelled, closing_.load() ? "its session is closed" : "cancelled"});
}

int Session::explain(int code, const vac_call& call, CallContext& context) const {
  if (context.fault != 0) return context.fault;
  if (code == VAC_EINPROGRESS) {
    return blame_plugin(context, VAC_EIO,
                        "says that the call goes on and does not offer VAC_CAP_ASYNC");
  }
  if (context.message.empty()) context.message = take_thread_error();
  const int known = known_code(code);
  if (known != code) {
    if (context.message.empty()) context.message = error_text(known);
    context.message += concat(" (the plugin answered ", code, ", which is no error code)");
  }
  // A plugin that asks whether it is cancelled is not told why.
  if (known == VAC_ECANCELED && !context.given_up() && call.deadline_ns != 0 &&
      now_ns() >= call.deadline_ns) {
    return VAC_ETIMEDOUT;
  }
  return known;
}

int Session::submit_async(const Route& route, vac_call& call, CallContext& context) {
  AsyncCall& async = AsyncCall::take();
  async.begin(call, context);
  vac_call* calls[] = {&async.call()};
  clear_thread_error();
  const int code = contained(
      "submit", [&] { return route.plugin->table().submit(route.plugin->state(), calls, 1); });
  if (code != VAC_EINPROGRESS) {
    if (!async.settle(code) && route.plugin->first_complaint(Plugin::Complaint::completion)) {
      log_error("plugin '", route.plugin->name(), "' has completed a call of ", context.op->name,
                " and returned a code as well, which counts: not said again");
    }
  } else if (!await(route, async, call, context)) {
    return give_up(route, call, context);
  }
  return async.finish(call, context);
}

bool Session::await(const Route& route, AsyncCall& async, const vac_call& call,
                    CallContext& context) {
  const vac_plugin& table = route.plugin->table();
  context.waits_for.store(&async);
  std::int64_t patience_ends_ns = 0;  // 0: nobody has lost it yet
  bool complete = false;
  while (!complete) {
    const std::int64_t now = call.deadline_ns == 0 && patience_ends_ns == 0 ? 0 : now_ns();
    const bool late = call.deadline_ns != 0 && now >= call.deadline_ns;
    if (patience_ends_ns == 0 && (late || context.given_up())) {
      patience_ends_ns = now_ns();
      if (table.cancel != nullptr) {
        patience_ends_ns += std::chrono::nanoseconds(runtime_.options_.cancel_grace).count();
        contained_void(route.plugin->name(), "cancel",
                       [&] { table.cancel(route.plugin->state(), &async.call()); });
      }
    } else if (patience_ends_ns != 0 && now >= patience_ends_ns && async.abandon(route.slots)) {
      break;
    }
    complete = async.wait(patience_ends_ns != 0 ? patience_ends_ns : call.deadline_ns);
  }
  context.waits_for.store(nullptr);
  return complete;
}

int Session::give_up(const Route& route, const vac_call& call, CallContext& context) {
  context.slot_lost = route.slots != nullptr;
  const bool cancelled = context.given_up();
  log_error("plugin '", route.plugin->name(), "' does not complete a call of ", context.op->name,
            ": it is given up, with its memory",
            context.slot_lost ? concat(" and slot ", call.slot) : std::string{},
            "; calls of its that are lost: ", route.plugin->lost_calls());
  context.message = concat(cancelled ? "cancelled" : "its time is over", ", and plugin '",
                           route.plugin->name(), "' has not completed it");
  return cancelled ? VAC_ECANCELED : VAC_ETIMEDOUT;
}

void Session::cancel_calls() noexcept {
  closing_.store(true);
  for (const Choice& choice : choices_) {
    for (const Route& route : choice.routes) {
      if (route.slots != nullptr) route.slots->wake();
    }
  }
  runtime_.attachments_.wake();
  AsyncCall::wake_all();
  if (remote_ == nullptr || !remote_->takes_calls()) return;
  contained_void(remote_->name(), "session_cancel", [&] {
    remote_->table().session_cancel(remote_->state(), session_states_[remote_->index()]);
  });
}

}  // namespace vac::core
