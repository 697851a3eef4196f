// SPDX-License-Identifier: Apache-2.0
#include "agent/connection.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "agent/access.hpp"
#include "agent/clock.hpp"
#include "agent/connection_table.hpp"
#include "agent/crew.hpp"
#include "agent/foreign_peer.hpp"
#include "agent/frame_receiver.hpp"
#include "agent/housekeeping.hpp"
#include "agent/path_scrubber.hpp"
#include "agent/refusal_log.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "core/runtime.hpp"

namespace vac::agent {

using transport::Wait;

Connection::Connection(Services& services, const ListenerConfig& listener,
                       std::unique_ptr<transport::Channel> channel)
    : services_(services),
      listener_(listener),
      channel_(std::move(channel)),
      opened_ns_(now_ns()),
      reader_(wire::kMaxHelloBytes),
      writer_(*channel_) {
  channel_->set_receive_timeout(kStickyTime);
}

Connection::~Connection() {
  if (greeted()) log_debug("connection of ", tenant_->title(), " closed");
}

Connection::Received Connection::receive(Worker& worker, Wait wait) {
  try {
    return read_some(worker, wait);
  } catch (const std::bad_alloc&) {  // in the middle of a frame: nobody can go on from there
    worker.replies.clear();
    worker.quick.reset();
    give_up_for_memory();
    return {Read::ended, true};
  }
}

Connection::Received Connection::read_some(Worker& worker, Wait wait) {
  const std::span<std::byte> buffer = reader_.buffer(worker.staging);
  if (reader_.rest() != 0 && wait == Wait::block) wait = Wait::all;
  const std::ptrdiff_t count = channel_->receive(buffer, wait);
  if (count == -EAGAIN || count == -EINTR) return {Read::nothing, count == -EAGAIN};
  if (count <= 0) return {Read::ended, true};
  // This thread alone writes it.
  worker.activity.store(worker.activity.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
  FrameReceiver receiver(*this, worker, now_ns());
  if (Status read = reader_.received(worker.staging, static_cast<std::size_t>(count), receiver);
      !read) {
    send_replies(worker);
    refuse(read.error());
    return {Read::ended, true};
  }
  return {Read::some, static_cast<std::size_t>(count) < buffer.size()};
}

void Connection::send_replies(Worker& worker) {
  if (worker.replies.empty()) return;
  iovec all{worker.replies.data(), worker.replies.size()};
  send({&all, 1});
  worker.replies.clear();
}

/// Ends a connection whose peer broke the rules; what it is told depends on what it seems to be.
void Connection::refuse(const Error& why) {
  if (why.code() == Errc::connection_reset) return;
  if (!greeted() && !reader_.foreign_bytes().empty()) {
    std::string text = answer_to_foreign_peer(reader_.foreign_bytes());
    iovec part{text.data(), text.size()};
    services_.refusals.write(
        now_ns(), LogLevel::info,
        concat(listener_.address, ": refused a client that speaks another protocol"));
    return send({&part, 1});
  }
  services_.refusals.write(now_ns(), LogLevel::warning,
                           concat(listener_.address, ": refused ",
                                  greeted() ? tenant_->title() : "a client", ": ", why.message()));
  wire::FrameEncoder goodbye;
  goodbye.encode_goodbye(why.value(), services_.scrubber.clean(why.text()));
  send(goodbye.frame());
}

void Connection::give_up_for_memory() noexcept {
  try {
    refuse(Error{Errc::no_memory, "the agent has no memory left: try again later"});
  } catch (const std::bad_alloc&) {  // then without a word
  }
  channel_->shutdown();
}

void Connection::say_goodbye(int code, std::string_view text) {
  wire::FrameEncoder goodbye;
  goodbye.encode_goodbye(code, text);
  send(goodbye.frame());
  channel_->shutdown();
}

std::shared_ptr<Connection> Connection::end() {
  std::shared_ptr<Connection> self = services_.connections.erase(*this);
  services_.poller.remove_connection(channel_->descriptor());
  channel_->shutdown();
  calls_.cancel_all();
  arriving_.reset();
  assemblies_.clear();
  // What has not been started never will be. Destroyed here, while `self` keeps this object.
  const std::vector<TaskPtr> queued = services_.crew.remove_all(this);
  const std::vector<TaskPtr> unsent = writer_.close();
  for (const TaskPtr& task : queued) calls_.remove(*task);
  for (const TaskPtr& task : unsent) calls_.remove(*task);
  return self;
}

void Connection::settle(Writer::Outcome outcome) {
  switch (outcome) {
    case Writer::Outcome::done:
      return;
    case Writer::Outcome::arm:
      services_.poller.arm_output(channel_->descriptor(), tag_);
      services_.housekeeping.watch_time();
      return;
    case Writer::Outcome::overrun:
      services_.refusals.write(
          now_ns(), LogLevel::warning,
          concat(listener_.address, ": ", greeted() ? tenant_->title() : "a client",
                 " calls and takes no answers: the connection is closed"));
      channel_->shutdown();
      return;
    case Writer::Outcome::broken:
      channel_->shutdown();
      return;
  }
}

void Connection::finish(TaskPtr task) {
  // Before the reply leaves: the client may use the place at once.
  calls_.remove(*task);
  settle(writer_.send(task));
}

void Connection::flush() {
  Writer::Flushed flushed = writer_.flush();
  settle(flushed.outcome);
  if (!flushed.released.empty()) services_.crew.queue(flushed.released);
}

void Connection::check_time(std::int64_t now) {
  if (!heard_.load(std::memory_order_relaxed) && now - opened_ns_ >= kHelloNs) {
    services_.refusals.write(
        now, LogLevel::info,
        concat(listener_.address, ": refused a client that did not say hello within 2 s"));
    say_goodbye(VAC_ETIMEDOUT, "no hello came within 2 s");
  } else if (greeted() && writer_.stalled(now)) {
    log_warning(listener_.address, ": ", tenant_->title(),
                " has taken no output for 30 s: the connection is closed");
    channel_->shutdown();
  }
}

Status Connection::greet(const wire::Hello& theirs) {
  heard_.store(true, std::memory_order_relaxed);
  VAC_CHECK(check_access(listener_, channel_->peer_uid(), ::geteuid()));
  const LimitsConfig& limits = services_.config.limits;
  wire::Hello ours;
  ours.calls_in_flight = limits.calls_in_flight;
  ours.largest_frame = limits.frame;
  if (channel_->carries_descriptors() && limits.regions != 0) {
    ours.region_kinds = wire::region_bit(wire::RegionKind::memfd);
  }
  VAC_TRY(agreed_, wire::negotiate(ours, theirs));

  const std::optional<std::uint32_t> uid = channel_->peer_uid();
  const std::string credential = !listener_.tenant.empty() ? concat("tenant ", listener_.tenant)
                                 : uid                     ? concat("uid ", *uid)
                                                           : "everybody";
  works_in_place_ = listener_.shared_input == SharedInput::in_place && uid == ::geteuid();
  tenant_ = &services_.tenants.get(listener_.address, credential);
  core::SessionOptions options;
  options.tenant = tenant_->key();
  VAC_TRY(session_, services_.runtime.open_session(std::move(options)));
  reader_.set_largest_frame(agreed_.largest_frame);
  greeted_.store(true, std::memory_order_release);
  log_debug("connection of ", tenant_->title(), " opened", theirs.client_name.empty() ? "" : " by ",
            theirs.client_name);

  ours.version_min = ours.version_max = agreed_.version_max;
  ours.client_name = concat("vaccel-agent ", core::kVersion);
  std::vector<std::byte> answer = wire::encode_hello(ours);
  iovec part{answer.data(), answer.size()};
  send({&part, 1});
  return {};
}

}  // namespace vac::agent
