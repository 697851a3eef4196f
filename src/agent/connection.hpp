// SPDX-License-Identifier: Apache-2.0
// One client's connection, which is its session.
#pragma once

#include <vac/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/assemblies.hpp"
#include "agent/call_times.hpp"
#include "agent/calls_in_flight.hpp"
#include "agent/frame_reader.hpp"
#include "agent/held_resource.hpp"
#include "agent/owner_word.hpp"
#include "agent/poller.hpp"
#include "agent/region.hpp"
#include "agent/services.hpp"
#include "agent/tenant.hpp"
#include "agent/worker.hpp"
#include "agent/writer.hpp"
#include "core/session.hpp"
#include "transport/channel.hpp"
#include "wire/hello.hpp"

namespace vac::agent {

/// Input is the owner's (see OwnerWord): one thread at a time reads, decodes and starts calls.
/// Output, resources and the list of calls are thread-safe. What the agent holds for the client
/// ends with this object, after the last of its calls.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// How long a thread that stays with a connection waits for more, and how long hello may take.
  static constexpr std::chrono::milliseconds kStickyTime{4};
  static constexpr std::int64_t kHelloNs = 2'000'000'000;

  Connection(Services& services, const ListenerConfig& listener,
             std::unique_ptr<transport::Channel> channel);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Its place in the table.
  void placed(OwnerWord& owner, ConnectionTag tag) noexcept {
    owner_ = &owner;
    tag_ = tag;
  }
  ConnectionTag tag() const noexcept { return tag_; }
  /// A thread that ran one of its calls wants it back.
  bool take() noexcept { return owner_->take(tag_.generation); }
  bool give_back() noexcept { return owner_->give_back(); }

  // Owner only.
  enum class Read : std::uint8_t { some, nothing, ended };
  struct Received {
    Read what;
    bool drained;  ///< the socket had no more
  };
  /// One receive and what it brought: quick calls are run, their replies gathered in the worker,
  /// other calls left there.
  Received receive(Worker& worker, transport::Wait wait);
  /// How much of a long frame is still to come, 0 for none.
  std::size_t long_frame_rest() const noexcept { return reader_.rest(); }
  /// Sends what the calls of this read answered.
  void send_replies(Worker& worker);
  /// The stream has ended. The returned reference may be the last one.
  std::shared_ptr<Connection> end();
  /// For the distance between its events.
  std::uint64_t exchange_event(std::uint64_t number) noexcept {
    return std::exchange(last_event_, number);
  }

  // Any thread.
  void silence() { services_.poller.silence(channel_->descriptor(), tag_); }
  void listen() { services_.poller.listen(channel_->descriptor(), tag_); }
  /// Sends the reply in the task and lets the task go. The caller holds a reference.
  void finish(TaskPtr task);
  /// Sends frames made ready by the caller.
  void send(std::span<iovec> frames) { settle(writer_.send(frames)); }
  /// The socket takes output again.
  void flush();
  /// Whether too much output is waiting; then the task is kept until it is not.
  bool hold(TaskPtr& task) { return writer_.backlogged() && writer_.hold(task); }
  /// Sends goodbye, as far as the socket takes it, and ends the stream; its owner does the rest.
  void say_goodbye(int code, std::string_view text);
  /// The same where there is no memory for this client's data: it alone loses its connection.
  void give_up_for_memory() noexcept;
  /// What time has brought: a client that does not say hello, or does not take what it asked for.
  void check_time(std::int64_t now_ns);
  bool output_pending() const { return writer_.pending(); }
  bool calls_pending() const { return calls_.size() != 0; }
  bool greeted() const noexcept { return greeted_.load(std::memory_order_acquire); }

  Services& services() const noexcept { return services_; }
  /// Only once greeted.
  core::Session& session() const noexcept { return *session_; }
  Tenant& tenant() const noexcept { return *tenant_; }
  HeldResources& resources() noexcept { return resources_; }
  RegionTable& regions() noexcept { return regions_; }
  /// Of its calls that succeeded, control operations apart.
  CallTimes& times() noexcept { return times_; }
  const CallTimes& times() const noexcept { return times_; }
  /// The processor on which its client calls, as far as it has told; negative: it has not.
  int caller_processor() const noexcept {
    return caller_processor_.load(std::memory_order_relaxed);
  }
  void caller_calls_from(int processor) noexcept {
    caller_processor_.store(processor, std::memory_order_relaxed);
  }
  /// Whether the client can be given regions.
  bool shares_memory() const noexcept { return agreed_.region_kinds != 0; }
  /// Whether calls may work on regions themselves (see SharedInput).
  bool works_in_place() const noexcept { return works_in_place_; }
  std::uint64_t largest_frame() const noexcept { return agreed_.largest_frame; }
  std::uint32_t calls_allowed() const noexcept { return agreed_.calls_in_flight; }

 private:
  friend class FrameReceiver;

  Received read_some(Worker& worker, transport::Wait wait);
  /// Accepts or refuses the client; session and tenant are there afterwards.
  Status greet(const wire::Hello& hello);
  void settle(Writer::Outcome outcome);
  void refuse(const Error& why);

  Services& services_;
  const ListenerConfig& listener_;
  const std::unique_ptr<transport::Channel> channel_;
  OwnerWord* owner_ = nullptr;
  ConnectionTag tag_;
  const std::int64_t opened_ns_;
  std::atomic<bool> heard_{false};    // hello has come; what it asks for may take its time
  std::atomic<bool> greeted_{false};  // and has been answered

  // Set by greet(), then read only.
  wire::Hello agreed_;
  Tenant* tenant_ = nullptr;
  std::unique_ptr<core::Session> session_;
  bool works_in_place_ = false;

  // The owner's.
  FrameReader reader_;
  std::uint64_t last_request_ = 0;
  Assemblies assemblies_;
  TaskPtr arriving_;              // its frame is under reception
  std::vector<std::byte> hello_;  // the same of a hello
  std::uint64_t last_event_ = 0;

  HeldResources resources_;  // after the session that they belong to
  RegionTable regions_;
  CallsInFlight calls_;
  CallTimes times_;
  std::atomic<int> caller_processor_{-1};
  Writer writer_;
};

}  // namespace vac::agent
