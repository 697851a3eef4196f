// SPDX-License-Identifier: Apache-2.0
#include "core/batch.hpp"

#include <algorithm>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"
#include "call/check.hpp"
#include "core/async_call.hpp"
#include "core/contained.hpp"
#include "core/monotonic.hpp"
#include "core/plugin.hpp"
#include "core/results.hpp"
#include "core/runtime.hpp"
#include "core/session.hpp"

namespace vac::core {
namespace {

/// Why a call must not be started any more; VAC_OK: it may.
Status may_start(const vac_call& call, const CallContext& context) {
  if (context.given_up()) return Error{Errc::cancelled, "cancelled before it was started"};
  if (call.deadline_ns != 0 && now_ns() >= call.deadline_ns) {
    return Error{Errc::timed_out, "its time was over before it could be started"};
  }
  return {};
}

}  // namespace

/// One submit of several calls. What may fail comes first; from the submit on nothing does. A call
/// that fails is answered, and leaves the others to go on without it.
class Session::Batch {
 public:
  explicit Batch(std::span<BatchCall> calls) { members_.reserve(calls.size()); }
  /// Those that were begun, and not ended because something threw.
  ~Batch() {
    for (Member& member : members_) {
      if (member.async == nullptr) continue;
      member.async->close(VAC_ENOMEM);
      member.async->take_back(*member.given->call);
    }
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void add(BatchCall& given);
  void run();

 private:
  struct Member {
    BatchCall* given;
    const Choice* choice;
    const Route* route;
    std::array<void*, BatchGroup::kMostResources> states{};
    std::vector<vac_arg> before;  // the records of a call that its plugin writes results into
    AsyncCall* async = nullptr;
  };

  void refuse(const Member& member, const Error& error);
  Status prepare(Member& member);
  SlotPool* slots() const { return members_.front().route->slots; }
  bool acquire_slot();
  void drop_late();
  void submit();
  void submit_all();
  void end(Member& member, int code, const std::string& text);
  void finish(const Member& member, int code);

  std::vector<Member> members_;
  std::uint32_t slot_ = VAC_NO_SLOT;
};

void Session::Batch::refuse(const Member& member, const Error& error) {
  CallContext& context = *member.given->context;
  context.message = error.text();
  context.detail = error.detail();
  finish(member, error.value());
}

void Session::Batch::finish(const Member& member, int code) {
  member.given->code = code;
  if (code == VAC_OK) return;
  member.given->session->complete_message(*member.choice->op, code, *member.given->context);
}

/// Checks a call and finds its resources; one that fails is none of the batch's.
void Session::Batch::add(BatchCall& given) {
  vac_call& call = *given.call;
  Member member{&given, &given.session->choices_[call.op], nullptr, {}, {}, nullptr};
  const std::span<const vac_arg> records(call.args, call.arg_count);
  const std::span<const char> meta(call.meta, call.meta_bytes);
  if (Status checked = check_call(*member.choice->op, records, meta); !checked) {
    return refuse(member, checked.error());
  }
  given.session->prepare(*member.choice, call, *given.context);
  call.flags |= VAC_CALL_MAY_BLOCK;
  if (Status prepared = prepare(member); !prepared) return refuse(member, prepared.error());
  members_.push_back(std::move(member));
}

Status Session::Batch::prepare(Member& member) {
  Session& session = *member.given->session;
  vac_call& call = *member.given->call;
  CallContext& context = *member.given->context;
  VAC_TRY(member.route, session.route(*member.choice, context));
  if (!members_.empty() && member.route->plugin != members_.front().route->plugin) {
    return Error{Errc::failed, "it was put together with calls of another plugin"};
  }
  for (std::size_t i = 0; i < member.choice->resource_count; ++i) {
    if (context.resources[i] == nullptr) continue;
    VAC_TRY(member.states[i], session.attach(*context.resources[i], *member.route, call, context));
  }
  call.session_state = member.route->session_state;
  context.plugin = member.route->plugin;
  if (member.choice->writes) member.before.assign(call.args, call.args + call.arg_count);
  return {};
}

void Session::Batch::run() {
  if (members_.empty() || !acquire_slot()) return;
  const std::uint32_t slot = slot_;
  SlotPool* const pool = slots();
  try {
    drop_late();
    submit();
  } catch (...) {
    if (pool != nullptr) pool->release(slot);
    throw;
  }
  if (pool != nullptr) pool->release(slot);
}

/// The oldest waits for it; where it gives up, the next one does.
bool Session::Batch::acquire_slot() {
  if (slots() == nullptr) return true;
  while (!members_.empty()) {
    Member& oldest = members_.front();
    auto slot = slots()->acquire(oldest.given->call->deadline_ns, *oldest.given->context);
    if (slot) {
      slot_ = *slot;
      return true;
    }
    refuse(oldest, slot.error());
    members_.erase(members_.begin());
  }
  return false;
}

/// What came to its end while the batch waited for its slot.
void Session::Batch::drop_late() {
  std::erase_if(members_, [this](Member& member) {
    const Status may = may_start(*member.given->call, *member.given->context);
    if (!may) refuse(member, may.error());
    return !may;
  });
}

void Session::Batch::submit() {
  for (Member& member : members_) {
    vac_call& call = *member.given->call;
    call.slot = slot_;
    if (member.choice->resource_count != 0) call.resource_states = member.states.data();
  }
  if (members_.size() == 1) {
    const Member& only = members_.front();
    const BatchCall& given = *only.given;
    finish(only, given.session->submit(*only.choice, *only.route, *given.call, *given.context));
  } else if (!members_.empty()) {
    submit_all();
  }
  for (const Member& member : members_) member.given->call->resource_states = nullptr;
}

void Session::Batch::submit_all() {
  std::vector<vac_call*> calls(members_.size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    AsyncCall& async = AsyncCall::take();
    async.lend(*members_[i].given->call, *members_[i].given->context);
    members_[i].async = &async;
    calls[i] = &async.call();
  }
  const Plugin& plugin = *members_.front().route->plugin;
  clear_thread_error();
  const std::int64_t started_ns = now_ns();
  const int code = contained(
      "submit", [&] { return plugin.table().submit(plugin.state(), calls.data(), calls.size()); });
  const auto share_us = static_cast<std::uint32_t>((now_ns() - started_ns) / 1000 /
                                                   static_cast<std::int64_t>(calls.size()));
  const std::string text = take_thread_error();
  for (Member& member : members_) {
    end(member, code, text);
    vac_call& call = *member.given->call;
    if (call.plugin_us == 0) call.plugin_us = std::max(share_us, 1U);
  }
}

/// `code` and `text`: what submit answered, which is meant for the calls that are not complete.
void Session::Batch::end(Member& member, int code, const std::string& text) {
  vac_call& call = *member.given->call;
  CallContext& context = *member.given->context;
  AsyncCall& async = *std::exchange(member.async, nullptr);
  const bool refused = code != VAC_OK && code != VAC_EINPROGRESS;
  const bool complete = async.close(refused ? code : VAC_EIO);
  int result = async.take_back(call);
  if (!complete && refused && context.message.empty()) context.message = text;
  if (!complete && !refused) {
    result = blame_plugin(context, VAC_EIO,
                          "returned from submit and has not completed a call of the batch: without "
                          "VAC_CAP_ASYNC it must");
  }
  if (result == VAC_OK && member.choice->writes) {
    result = check_results(call, context, member.before);
  }
  if (result != VAC_OK || context.fault != 0) {
    result = member.given->session->explain(result, call, context);
  }
  finish(member, result);
}

void Session::dispatch_batch(std::span<BatchCall> calls) noexcept {
  for (BatchCall& given : calls) given.code = VAC_ENOMEM;  // until it is known
  try {
    Batch batch(calls);
    for (BatchCall& given : calls) batch.add(given);
    batch.run();
  } catch (const std::bad_alloc&) {  // those without an answer have theirs
  } catch (...) {                    // nothing else is thrown here
  }
}

BatchGroup Session::batch_group(const vac_call& call, const CallContext& context) noexcept {
  try {
    return find_group(call, context);
  } catch (...) {  // no memory
    return {};
  }
}

BatchGroup Session::find_group(const vac_call& given, const CallContext& context) {
  if (given.op >= choices_.size() || !choices_[given.op].batches) return {};
  const Choice& choice = choices_[given.op];
  const std::span<const vac_arg> records(given.args, given.arg_count);
  if (!call_is_sound(*choice.op, records, {given.meta, given.meta_bytes}) ||
      context.resources.size() != choice.resource_count) {
    return {};
  }
  BatchGroup group;
  const Route* const route = known_route(choice, context, group);
  if (route == nullptr) return {};
  const Plugin::Batching& batching = route->plugin->batching(*route->offer);
  if (batching.most < 2) return {};

  std::array<void*, BatchGroup::kMostResources> states{};
  for (std::size_t i = 0; i < choice.resource_count; ++i) {
    if (group.resources[i] != nullptr) states[i] = group.resources[i]->state;
  }
  // A context of its own: what the plugin says here is not for the call.
  CallContext asked;
  asked.op = choice.op;
  asked.plugin = route->plugin;
  vac_call call = given;
  call.struct_size = sizeof call;
  call.session_state = route->session_state;
  call.resource_states = choice.resource_count == 0 ? nullptr : states.data();
  call.plugin_scratch = nullptr;
  call.host_priv = &asked;
  call.slot = VAC_NO_SLOT;
  contained_void(route->plugin->name(), "batch_key", [&] {
    group.key = route->plugin->table().batch_key(route->plugin->state(), &call);
  });
  if (group.key == 0) return {};
  group.plugin = route->plugin;
  group.op = given.op;
  group.most = batching.most;
  group.delay_ns = batching.delay_ns;
  return group;
}

/// The route of a call whose resources are attached already: nothing here may take long.
const Session::Route* Session::known_route(const Choice& choice, const CallContext& context,
                                           BatchGroup& group) {
  const bool any =
      std::ranges::any_of(context.resources, [](const Resource* r) { return r != nullptr; });
  if (!any) return &choice.routes.front();
  for (const Route& route : choice.routes) {
    bool known = true;
    for (std::size_t i = 0; known && i < choice.resource_count; ++i) {
      Resource* const resource = context.resources[i];
      group.resources[i] = resource == nullptr ? nullptr : find_attached(*resource, route);
      known = resource == nullptr || group.resources[i] != nullptr;
    }
    if (known) return &route;
  }
  return nullptr;
}

/// What attach() would give at once: of this session, or of another of the tenant's. Whoever is at
/// it is not waited for.
const Attachment* Session::find_attached(Resource& resource, const Route& route) {
  if (&resource.session() != this) return nullptr;
  Resource::Use& use = resource.uses_[route.plugin->index()];
  if (Attachment* attachment = use.attachment.load(std::memory_order_acquire)) return attachment;
  Attachment* const attachment = runtime_.attachments_.find(attachment_key(resource, route));
  if (attachment == nullptr) return nullptr;
  // It was accepted before it was attached.
  use.accepted.store(Resource::Accepted::yes, std::memory_order_release);
  note_attached(use, *attachment);
  return attachment;
}

}  // namespace vac::core
