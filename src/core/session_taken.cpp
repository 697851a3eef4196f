// SPDX-License-Identifier: Apache-2.0
// Calls that their plugin takes, so that no thread waits for them.
#include <algorithm>
#include <span>
#include <utility>

#include "base/assert.hpp"
#include "call/check.hpp"
#include "core/contained.hpp"
#include "core/plugin.hpp"
#include "core/results.hpp"
#include "core/session.hpp"

namespace vac::core {

bool Session::start(vac_call& call, CallContext& context, TakenCall& taken) noexcept {
  if (remote_ == nullptr || !remote_->takes_calls()) return false;
  if (call.op >= choices_.size() || choices_[call.op].routes.empty()) return false;
  const Choice& choice = choices_[call.op];
  if (!call_is_sound(*choice.op, {call.args, call.arg_count}, {call.meta, call.meta_bytes})) {
    return false;
  }
  try {
    if (prepare_taken(choice, call, context, taken)) {
      context.taken = &taken;
      call.flags &= ~VAC_CALL_MAY_BLOCK;
      vac_call* calls[] = {&call};
      // The call may be over, and its memory gone, when this returns.
      if (remote_->table().submit(remote_->state(), calls, 1) == VAC_EINPROGRESS) return true;
    }
  } catch (...) {  // who dispatches the call is told
  }
  context.taken = nullptr;
  call.resource_states = nullptr;
  return false;
}

/// False: there is something to be told of, or to be waited for.
bool Session::prepare_taken(const Choice& choice, vac_call& call, CallContext& context,
                            TakenCall& taken) {
  prepare(choice, call, context);
  const Route& route = choice.routes.front();
  if (choice.resource_count != 0) {
    if (!this->route(choice, context)) return false;
    for (std::size_t i = 0; i < choice.resource_count; ++i) {
      taken.resource_states_[i] = nullptr;
      if (context.resources[i] == nullptr) continue;
      VAC_ASSERT(i < taken.resource_states_.size());
      auto state = attach(*context.resources[i], route, call, context);
      if (!state) return false;
      taken.resource_states_[i] = *state;
    }
    call.resource_states = taken.resource_states_.data();
  }
  if (choice.writes) {
    taken.before_ = std::make_unique_for_overwrite<vac_arg[]>(call.arg_count);
    std::copy_n(call.args, call.arg_count, taken.before_.get());
  }
  taken.session_ = this;
  call.session_state = route.session_state;
  context.plugin = route.plugin;
  return true;
}

void Session::cancel_taken(vac_call& call) noexcept {
  contained_void(remote_->name(), "cancel",
                 [&] { remote_->table().cancel(remote_->state(), &call); });
}

bool Session::complete_taken(vac_call& call, int code, const char* message) noexcept {
  CallContext& context = *static_cast<CallContext*>(const_cast<void*>(call.host_priv));
  TakenCall* const taken = std::exchange(context.taken, nullptr);
  if (taken == nullptr) return false;
  try {
    if (message != nullptr && context.fault == 0) context.message = plugin_text(message);
    code = taken->session_->end_taken(call, context, *taken, code);
  } catch (...) {  // no memory for the text: the code alone must do
    context.message.clear();
    code = VAC_ENOMEM;
  }
  taken->on_end(code);
  return true;
}

int Session::end_taken(vac_call& call, CallContext& context, const TakenCall& taken, int code) {
  call.resource_states = nullptr;
  if (code == VAC_OK && taken.before_ != nullptr) {
    code = check_results(call, context, {taken.before_.get(), call.arg_count});
  }
  if (code == VAC_OK && context.fault == 0) [[likely]]
    return code;
  if (context.fault == 0 && context.message.empty()) context.message = error_text(known_code(code));
  code = explain(code, call, context);
  complete_message(*context.op, code, context);
  return code;
}

}  // namespace vac::core
