// SPDX-License-Identifier: Apache-2.0
#include "agent/frame_receiver.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/call_run.hpp"
#include "agent/clock.hpp"
#include "agent/control.hpp"
#include "agent/crew.hpp"
#include "agent/path_scrubber.hpp"
#include "base/text.hpp"
#include "core/runtime.hpp"

namespace vac::agent {

using wire::FrameHeader;
using wire::Kind;

namespace {

/// Replies of one receive are gathered up to this size; larger ones leave by themselves.
constexpr std::size_t kGatheredReplies = 64 * 1024;

/// What a call's regions hold for it is copied, and read by its plugin, where calls are run. A
/// frame of some hundred bytes can name hundreds of MiB.
When bound_when(std::span<const std::byte> frame) {
  return wire::region_input_bytes(frame) > kHandledAtOnce ? When::as_it_runs : When::now;
}

bool follows(const FrameHeader& header) { return (header.flags & wire::kFlagPayloadFollows) != 0; }

bool gathers(const wire::FrameEncoder& reply) {
  return !reply.payload_follows() && reply.frame_size() <= kGatheredReplies;
}

/// Header, records, meta and payload, wherever the payload comes.
std::uint64_t whole_bytes(const FrameHeader& header) {
  return wire::head_bytes(header) + header.payload_bytes;
}

}  // namespace

Status FrameReceiver::check_kind(const FrameHeader& header) const {
  if (!connection_.greeted()) {
    if (header.kind == Kind::hello) return {};
    return Error{Errc::protocol, "the peer must say hello before anything else"};
  }
  if (header.kind == Kind::hello) return Error{Errc::protocol, "the peer said hello twice"};
  if (header.kind == Kind::reply) {
    return Error{Errc::protocol, "the peer sent a reply, and nobody called it"};
  }
  return {};
}

Status FrameReceiver::on_frame(const FrameHeader& header, std::span<std::byte> frame) {
  if (header.kind == Kind::call && connection_.greeted()) [[likely]]
    return on_call(header, frame);
  VAC_CHECK(check_kind(header));
  switch (header.kind) {
    case Kind::hello:
      return greet(frame);
    case Kind::cancel:
      if (header.request > connection_.last_request_) {
        return Error{Errc::protocol,
                     concat("the peer cancelled call ", header.request, ", which it never made")};
      }
      on_cancel(header.request);
      return {};
    default:
      // Goodbye: the code tells the caller that nothing is to be said in return.
      return Error{Errc::connection_reset, "the client said goodbye"};
  }
}

Status FrameReceiver::on_oversized(const FrameHeader& header, const Error& why) {
  if (header.kind != Kind::call || !connection_.greeted()) {
    return Error{Errc::protocol, why.text()};
  }
  VAC_CHECK(number_call(header));
  refuse(header, why);
  return {};
}

Result<std::span<std::byte>> FrameReceiver::on_begin(const FrameHeader& header) {
  VAC_CHECK(check_kind(header));
  switch (header.kind) {
    case Kind::hello:
      connection_.hello_.resize(static_cast<std::size_t>(wire::frame_bytes(header)));
      return std::span<std::byte>(connection_.hello_);
    case Kind::call:
      return begin_call(header);
    case Kind::data:
      return begin_data(header);
    default:
      return Error{Errc::connection_reset, "the client said goodbye"};
  }
}

Status FrameReceiver::on_complete(const FrameHeader& header) {
  if (header.kind == Kind::hello) {
    const std::vector<std::byte> frame = std::move(connection_.hello_);
    return greet(frame);
  }
  if (header.kind == Kind::data) {
    if (header.code != 0) return {};  // ended when it began
    if (TaskPtr task = connection_.assemblies_.filled(header.request, header.payload_bytes)) {
      start(std::move(task));
    }
    return {};
  }
  TaskPtr task = std::move(connection_.arriving_);
  if (follows(header)) {
    connection_.assemblies_.begin(std::move(task),
                                  static_cast<std::size_t>(wire::head_bytes(header)));
  } else {
    start(std::move(task));
  }
  return {};
}

Status FrameReceiver::greet(std::span<const std::byte> frame) {
  VAC_TRY(const wire::Hello hello, wire::decode_hello(frame));
  // Plugins may take their time over a new session.
  connection_.services().crew.step_aside(worker_);
  return connection_.greet(hello);
}

/// A call's number, and its place among those in flight, before anything is allocated for it.
Status FrameReceiver::number_call(const FrameHeader& header) {
  if (header.request <= connection_.last_request_) {
    return Error{Errc::protocol, concat("the peer gave a call the number ", header.request,
                                        " after ", connection_.last_request_)};
  }
  connection_.last_request_ = header.request;
  const std::size_t under_way = connection_.calls_.size() + connection_.assemblies_.size();
  if (under_way >= connection_.calls_allowed()) {
    return Error{Errc::protocol, concat("the peer has more than ", connection_.calls_allowed(),
                                        " calls in flight, which is what was agreed upon")};
  }
  return {};
}

const Op* FrameReceiver::admit(const FrameHeader& header) {
  const Op* const op = find_op(header.code);
  if (op == nullptr) {
    refuse(header, Error{Errc::not_supported,
                         concat("operation ", header.code, " is not known to vaccel-agent ",
                                core::kVersion, ": update the agent")});
  }
  return op;
}

/// Memory for a call that does not run where it was read; null after having answered it.
TaskPtr FrameReceiver::new_task(const FrameHeader& header, const Op& op) {
  TaskPtr task = connection_.services().tasks.get();
  task->frame =
      Block::get(connection_.services().slabs, connection_.tenant().memory(), whole_bytes(header));
  if (!task->frame) {
    refuse(header,
           no_room(connection_.tenant(), "a request", whole_bytes(header)).with_context(op.name));
    return {};
  }
  task->connection = connection_.shared_from_this();
  task->op = &op;
  task->request = header.request;
  task->received_ns = received_ns_;
  return task;
}

Status FrameReceiver::on_call(const FrameHeader& header, std::span<std::byte> frame) {
  VAC_CHECK(number_call(header));
  const Op* const op = admit(header);
  if (op == nullptr) return {};
  if (!follows(header) && runs_here(*op) && bound_when(frame) == When::now) {
    run_here(*op, header, frame);
    return {};
  }
  TaskPtr task = new_task(header, *op);
  if (task == nullptr) return {};
  std::memcpy(task->frame.bytes().data(), frame.data(), frame.size());
  if (follows(header)) {
    connection_.assemblies_.begin(std::move(task), frame.size());
  } else {
    start(std::move(task));
  }
  return {};
}

Result<std::span<std::byte>> FrameReceiver::begin_call(const FrameHeader& header) {
  VAC_CHECK(number_call(header));
  const Op* const op = admit(header);
  if (op == nullptr) return std::span<std::byte>();
  connection_.arriving_ = new_task(header, *op);
  if (connection_.arriving_ == nullptr) return std::span<std::byte>();
  return connection_.arriving_->frame.bytes().first(
      static_cast<std::size_t>(wire::frame_bytes(header)));
}

Result<std::span<std::byte>> FrameReceiver::begin_data(const FrameHeader& header) {
  if (header.request > connection_.last_request_) {
    return Error{Errc::protocol,
                 concat("the peer sent data for call ", header.request, ", which it never made")};
  }
  if (header.code == 0) {
    return connection_.assemblies_.place(header.request, header.payload_bytes);
  }
  if (connection_.assemblies_.abandon(header.request) != nullptr) {
    answer(header.request, Error{Errc::cancelled, "the client ended the call's data early"});
  }
  return std::span<std::byte>();
}

void FrameReceiver::on_cancel(std::uint64_t request) {
  if (connection_.assemblies_.cancel(request) != nullptr) {
    answer(request, Error{Errc::cancelled, "cancelled before all of it had arrived"});
    return;
  }
  if (!connection_.calls_.cancel(request)) return;  // answered already
  if (TaskPtr task = take_waiting(request)) {
    connection_.calls_.remove(*task);
    answer(request,
           Error{Errc::cancelled, concat(task->op->name, ": cancelled before it was started")});
  }
}

/// A call that has not been started: read by this thread just now, or queued. Null where it runs.
TaskPtr FrameReceiver::take_waiting(std::uint64_t request) {
  const auto found = std::ranges::find_if(worker_.calls, [&](const TaskPtr& task) {
    return task->connection.get() == &connection_ && task->request == request;
  });
  if (found == worker_.calls.end())
    return connection_.services().crew.remove(&connection_, request);
  TaskPtr task = std::move(*found);
  worker_.calls.erase(found);
  return task;
}

bool FrameReceiver::runs_here(const Op& op) const {
  const bool quick = op.control() ? control_is_quick(op) : connection_.session().quick(op.id);
  return quick && !connection_.writer_.backlogged();
}

void FrameReceiver::run_here(const Op& op, const FrameHeader& header, std::span<std::byte> frame) {
  CallTask& task = worker_.quick;
  task.op = &op;
  task.request = header.request;
  task.received_ns = received_ns_;
  if (Status bound = bind_call(connection_, task, header, frame, When::now); !bound) {
    task.reset();
    return answer(header.request, bound.error());
  }
  // Looking at the clock is a part of a short call that shows; copies are what may take long.
  task.ready_ns = task.copies.empty() ? received_ns_ : now_ns();
  run_call(connection_, task, task.ready_ns);
  add_reply(task.reply);
  task.reset();
}

void FrameReceiver::start(TaskPtr task) {
  const std::span<std::byte> frame = task->frame.bytes();
  const FrameHeader header = wire::read_header(frame.data());
  // Long strings are looked at whole.
  if (frame.size() > kHandledAtOnce) connection_.services().crew.step_aside(worker_);
  const When when = bound_when(frame);
  if (Status bound = bind_call(connection_, *task, header, frame, when); !bound) {
    return answer(task->request, bound.error());
  }
  task->ready_ns = now_ns();
  if (when == When::now && runs_here(*task->op)) {
    run_call(connection_, *task, task->ready_ns);
    if (gathers(task->reply)) return add_reply(task->reply);
    connection_.send_replies(worker_);
    return connection_.finish(std::move(task));
  }
  worker_.calls.push_back(std::move(task));
  connection_.calls_.add(*worker_.calls.back());
}

void FrameReceiver::refuse(const FrameHeader& header, const Error& why) {
  if (follows(header)) connection_.assemblies_.discard(header.request, header.payload_bytes);
  answer(header.request, why);
}

void FrameReceiver::answer(std::uint64_t request, const Error& why) {
  worker_.encoder.encode_failure(request, why.value(), why.detail(),
                                 connection_.services().scrubber.clean(why.text()));
  add_reply(worker_.encoder);
}

/// Small replies are gathered; what is in the way of that leaves at once, copied where it must
/// wait.
void FrameReceiver::add_reply(wire::FrameEncoder& reply) {
  std::vector<std::byte>& replies = worker_.replies;
  const bool gathered = gathers(reply);
  if (!gathered || replies.size() + reply.frame_size() > kGatheredReplies) {
    connection_.send_replies(worker_);
  }
  if (gathered) {
    for (const iovec& part : reply.frame()) {
      const auto* const bytes = static_cast<const std::byte*>(part.iov_base);
      replies.insert(replies.end(), bytes, bytes + part.iov_len);
    }
    return;
  }
  connection_.send(reply.frame());
  if (!reply.payload_follows()) return;
  for (auto data = reply.next_data_frame(); !data.empty(); data = reply.next_data_frame()) {
    connection_.send(data);
  }
}

}  // namespace vac::agent
