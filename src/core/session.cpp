// SPDX-License-Identifier: Apache-2.0
#include "core/session.hpp"

#include <time.h>

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "call/check.hpp"
#include "core/plugin.hpp"
#include "core/runtime.hpp"

namespace vac::core {
namespace {

std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

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

Status stated(int code, std::string_view otherwise) {
  if (code == VAC_OK) return {};
  std::string text = take_thread_error();
  if (text.empty()) text = otherwise;
  return Error{code > 0 ? static_cast<Errc>(code) : Errc::failed, std::move(text)};
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
    if (plugin->table().session_close != nullptr) {
      plugin->table().session_close(plugin->state(), session_states_[plugin->index()]);
    }
  }
}

Status Session::open(std::span<Plugin* const> plugins, Plugin* remote) {
  remote_ = remote;
  std::uint32_t most = remote == nullptr ? 0 : remote->index();
  for (const Plugin* plugin : plugins) most = std::max(most, plugin->index());
  session_states_.resize(most + 1);
  choices_.resize(all_ops().empty() ? 0 : all_ops().back().id + 1);
  for (const Op& op : all_ops()) choices_[op.id] = {&op, {}, count_resources(op)};

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
      if (offer.op < choices_.size()) add_route(offer.op, *plugin, &offer);
    }
  }
  return {};
}

void Session::add_route(std::uint32_t op, Plugin& plugin, const vac_op_offer* offer) {
  SlotPool* slots = offer == nullptr ? nullptr : plugin.slots(*offer);
  choices_[op].routes.push_back({&plugin, offer, session_states_[plugin.index()], slots});
}

Status Session::open_in(Plugin& plugin) {
  if (plugin.table().session_open != nullptr) {
    const vac_session_view view = {sizeof view, options_.address.c_str(), options_.tenant.c_str(),
                                   options_.options_json.c_str()};
    clear_thread_error();
    const int code =
        plugin.table().session_open(plugin.state(), &view, &session_states_[plugin.index()]);
    VAC_CHECK(stated(code, concat("open ", options_.address, ": ", error_text(code))));
  }
  opened_.push_back(&plugin);
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
  } catch (const std::exception& exception) {
    context.message.assign(exception.what());
    return VAC_EIO;
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
    const int code = route.plugin->table().accepts(route.plugin->state(), &data.view());
    VAC_CHECK(stated(code, concat("resource '", title(data), "' is not for plugin '",
                                  route.plugin->name(), "'")));
  }
  accepted.store(Resource::Accepted::yes, std::memory_order_release);
  return {};
}

Result<void*> Session::attach(Resource& resource, const Route& route) {
  std::atomic<Attachment*>& known = resource.uses_[route.plugin->index()].attachment;
  if (Attachment* attachment = known.load(std::memory_order_acquire)) return attachment->state;
  const MutexLock lock(resource.mutex_);
  if (Attachment* attachment = known.load(std::memory_order_acquire)) return attachment->state;
  const ResourceData& data = resource.data();
  AttachmentTable::Key key{route.plugin, remote_ != nullptr ? this : nullptr, options_.tenant,
                           data.digest().empty() ? data.uri() : data.digest(), data.options()};
  VAC_TRY(Attachment * attachment,
          runtime_.attachments_.acquire(key, *route.plugin, route.session_state, resource.data_));
  known.store(attachment, std::memory_order_release);
  return attachment->state;
}

int Session::run(const Choice& choice, vac_call& call, CallContext& context) {
  call.struct_size = sizeof call;
  call.resource_states = nullptr;
  call.plugin_scratch = nullptr;
  call.queue_us = call.plugin_us = call.agent_us = 0;
  call.host_priv = &context;
  call.slot = VAC_NO_SLOT;
  if (options_.timeout_ms != 0 && call.deadline_ns == 0) {
    call.deadline_ns = now_ns() + std::int64_t{options_.timeout_ms} * 1'000'000;
  }
  if (choice.resource_count != 0) return run_with_resources(choice, call, context);
  return run_in_slot(choice.routes.front(), call, context);
}

int Session::run_with_resources(const Choice& choice, vac_call& call, CallContext& context) {
  auto route = this->route(choice, context);
  if (!route) return fail(context, route.error());
  constexpr std::size_t kMostArguments = 16;
  void* states[kMostArguments];  // as many as there are resources are set
  for (std::size_t i = 0; i < choice.resource_count; ++i) {
    states[i] = nullptr;
    if (context.resources[i] == nullptr) continue;
    auto state = attach(*context.resources[i], **route);
    if (!state) return fail(context, state.error());
    states[i] = *state;
  }
  call.resource_states = states;
  const int code = run_in_slot(**route, call, context);
  call.resource_states = nullptr;
  return code;
}

int Session::run_in_slot(const Route& route, vac_call& call, CallContext& context) {
  call.session_state = route.session_state;
  if (route.slots == nullptr) [[likely]]
    return submit(route, call, context);
  auto slot = route.slots->acquire(call.deadline_ns);
  if (!slot) return fail(context, slot.error());
  call.slot = *slot;
  const int code = submit(route, call, context);
  route.slots->release(call.slot);
  return code;
}

int Session::submit(const Route& route, vac_call& call, CallContext& context) noexcept {
  const vac_plugin& table = route.plugin->table();
  vac_call* calls[] = {&call};
  int code = table.submit(route.plugin->state(), calls, 1);
  if (code == VAC_OK) [[likely]]
    return code;
  if (code == VAC_EINPROGRESS) {
    bool told = call.deadline_ns == 0 || table.cancel == nullptr;
    while (context.done.load() == 0) {
      const FutexWait woken = told ? context.done.wait(0) : context.done.wait(0, call.deadline_ns);
      if (woken != FutexWait::timed_out) continue;
      // The plugin still has to complete: the memory that it works on is the caller's.
      context.cancelled.store(true, std::memory_order_relaxed);
      table.cancel(route.plugin->state(), &call);
      told = true;
    }
    code = context.code;
  }
  if (code != VAC_OK && context.message.empty()) context.message = take_thread_error();
  return code < 0 ? VAC_EIO : code;
}

}  // namespace vac::core
