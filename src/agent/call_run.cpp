// SPDX-License-Identifier: Apache-2.0
#include "agent/call_run.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "agent/clock.hpp"
#include "agent/connection.hpp"
#include "agent/control.hpp"
#include "agent/path_scrubber.hpp"
#include "agent/region_binding.hpp"
#include "base/text.hpp"
#include "call/check.hpp"

namespace vac::agent {
namespace {

constexpr std::uint32_t kResource = signature_word(VAC_RESOURCE, VAC_SCALAR, VAC_IN);

bool in_place(const vac_arg& record) {
  return record.dir == VAC_INOUT && (record.form == VAC_ARRAY || record.form == VAC_TENSOR);
}

Status find_resources(Connection& connection, CallTask& task) {
  std::size_t count = 0;
  std::size_t position = 0;
  for (const OpArgument& argument : task.op->args) {
    const vac_arg& record = task.call.args[position];
    position += record.form == VAC_LIST && record.count != VAC_ANY_COUNT ? 1 + record.count : 1;
    if (argument.signature != kResource) continue;
    core::Resource*& place = task.resources[count++];
    place = nullptr;
    if (record.form == VAC_ABSENT) continue;
    VAC_TRY(std::shared_ptr<HeldResource> held, connection.resources().get(record.value));
    VAC_TRY(place, held->get());
    task.held.push_back(std::move(held));
  }
  task.context.resources = {task.resources.data(), count};
  return {};
}

/// A result may be shorter than the memory it was given, never longer.
Status check_in_place(const CallTask& task) {
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < task.call.arg_count; ++i) {
    if (!in_place(task.call.args[i])) continue;
    if (task.call.args[i].bytes > task.capacities[next++]) {
      return Error{Errc::failed, "the plugin says to have written more than there was room for"};
    }
  }
  return {};
}

/// Plugins do not know why they got no memory.
void explain_refusal(Connection& connection, CallTask& task) {
  const Error why = no_room(connection.tenant(), "a result", task.outputs.refused_bytes());
  task.context.message = concat(task.op->name, ": ", why.text());
}

int run(Connection& connection, CallTask& task) {
  if (task.op->control()) return run_control(connection, task);
  return connection.session().dispatch(task.call, task.context);
}

/// Notes the time of a call whose reply is ready; `time.agent` is that until the plugin was done.
void count_time(Connection& connection, const CallTask& task, CallTime time) {
  if (task.op->control()) return;
  const bool at_once = task.connection == nullptr;
  // The reply of a short call takes less time than to look at the clock.
  if (!at_once || !task.places.empty()) time.agent = now_ns() - task.received_ns;
  if (at_once) {
    connection.times().add_at_once(time);
  } else {
    connection.times().add(time);
  }
}

/// Whether a call may be run; else its reply is made.
bool begin_run(Connection& connection, CallTask& task, std::int64_t started_ns) {
  if (task.context.cancelled.load(std::memory_order_relaxed)) {
    fail_call(connection, task, VAC_ECANCELED,
              concat(task.op->name, ": cancelled before it was started"));
    return false;
  }
  if (task.call.deadline_ns != 0 && task.call.deadline_ns <= started_ns) {
    fail_call(connection, task, VAC_ETIMEDOUT,
              concat(task.op->name, ": its time was over before it could be started"));
    return false;
  }
  if (Status copied = copy_late_inputs(connection, task); !copied) {
    fail_call(connection, task, copied.error().value(),
              concat(task.op->name, ": ", copied.error().text()));
    return false;
  }
  return true;
}

void encode(Connection& connection, CallTask& task, std::int64_t started_ns, int code) {
  if (code == VAC_ENOMEM && task.outputs.refused_bytes() != 0) explain_refusal(connection, task);
  if (code != VAC_OK) return fail_call(connection, task, code, task.context.message);

  const std::int64_t done_ns = now_ns();
  vac_call& call = task.call;
  CallTime time{started_ns - task.ready_ns, done_ns - started_ns, done_ns - task.received_ns};
  call.queue_us = to_us(time.queue);
  if (call.plugin_us == 0) {
    call.plugin_us = to_us(time.plugin);
  } else {
    time.plugin = std::min(time.plugin, std::int64_t{call.plugin_us} * 1000);
  }
  Status encoded = check_in_place(task);
  if (encoded) {
    if (!task.places.empty()) deliver_results(connection, task);
    encoded =
        task.reply.encode_reply(*task.op, call, task.outputs.outputs(), task.request,
                                to_us(time.agent), connection.largest_frame(), task.delivered);
  }
  if (encoded) return count_time(connection, task, time);
  const std::string text = concat(task.op->name, ": ", encoded.error().text());
  fail_call(connection, task, encoded.error().value(), text);
}

/// What a call does, or the reply that there is no memory for it.
template <class Body>
void with_memory(Connection& connection, CallTask& task, const Body& body) {
  try {
    body();
  } catch (const std::bad_alloc&) {
    fail_without_memory(connection, task);
  }
}

}  // namespace

Status bind_call(Connection& connection, CallTask& task, const wire::FrameHeader& header,
                 std::span<std::byte> frame, When when) {
  RegionBinding regions(connection, task, when == When::as_it_runs);
  if (Status decoded = wire::decode_call(*task.op, frame, task.call, &regions); !decoded) {
    if (!regions.refusal()) return decoded;
    return Error(*regions.refusal()).with_context(task.op->name);
  }
  if (task.op->control()) {
    VAC_CHECK(bind_control(connection, task));
  }
  VAC_CHECK(find_resources(connection, task));
  if (header.detail != 0) {
    task.call.deadline_ns = task.received_ns + std::int64_t{header.detail} * 1000;
  }
  task.call.flags = VAC_CALL_MAY_BLOCK;
  task.outputs.begin(connection.tenant().memory());
  if (!task.places.empty()) place_results(connection, task);
  task.context.sink = &task.outputs;
  for (std::uint32_t i = 0; i < task.call.arg_count; ++i) {
    if (in_place(task.call.args[i])) task.capacities.push_back(task.call.args[i].bytes);
  }
  return {};
}

void run_call(Connection& connection, CallTask& task, std::int64_t started_ns) {
  with_memory(connection, task, [&] {
    if (!begin_run(connection, task, started_ns)) return;
    encode(connection, task, started_ns, run(connection, task));
  });
}

void run_batch(std::span<const TaskPtr> tasks, std::int64_t started_ns) {
  std::vector<core::BatchCall> calls;
  std::vector<CallTask*> begun;
  for (const TaskPtr& task : tasks) {
    Connection& connection = *task->connection;
    with_memory(connection, *task, [&] {
      calls.reserve(tasks.size());
      begun.reserve(tasks.size());
      if (!begin_run(connection, *task, started_ns)) return;
      calls.push_back({&connection.session(), &task->call, &task->context});
      begun.push_back(task.get());
    });
  }
  if (calls.size() > 1) core::Session::dispatch_batch(calls);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CallTask& task = *begun[i];
    Connection& connection = *task.connection;
    with_memory(connection, task, [&] {
      if (calls.size() > 1) connection.times().add_batched();
      encode(connection, task, started_ns,
             calls.size() > 1 ? calls[i].code : run(connection, task));
    });
  }
}

void fail_call(const Connection& connection, CallTask& task, int code, std::string_view text) {
  // A plugin's number that is no code of ours must not look like success or like "still running".
  if (code <= VAC_OK || code == VAC_EINPROGRESS) code = VAC_EIO;
  task.reply.encode_failure(
      task.request, code, task.context.detail,
      connection.services().scrubber.clean(std::string(text.empty() ? error_text(code) : text)));
}

void fail_without_memory(Connection& connection, CallTask& task) noexcept {
  try {
    fail_call(connection, task, VAC_ENOMEM, {});
  } catch (const std::bad_alloc&) {  // not even for saying so
    connection.give_up_for_memory();
  }
}

}  // namespace vac::agent
