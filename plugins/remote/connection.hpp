// SPDX-License-Identifier: Apache-2.0
// One connection to an agent, used by any number of threads at once. There is no thread of its own:
// the thread of a call sends it and then waits; one of those that wait, the leader, reads for all.
// Calls that no thread waits for are taken: whoever has a role does for them what their own threads
// would, and the reactor's thread has what nobody else has.
//
// Two roles, each held by one thread at a time:
//   the turn   sends. Who finds it taken queues; a large payload lends it between its frames.
//   the lead   reads. It goes only to a thread that has sent all and waits, or to one that finds
//              the pipe full and nobody reading: else two full pipes would wait for each other.
// A thread that waits for the turn never has the lead. The mutex guards all state of calls and is
// never held over I/O or a call of the host.
#pragma once

#include <sys/uio.h>
#include <vac/plugin.h>
#include <vac/result.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arena.hpp"
#include "base/fd.hpp"
#include "base/futex_word.hpp"
#include "base/mutex.hpp"
#include "call_table.hpp"
#include "caller_processor.hpp"
#include "control_call.hpp"
#include "frame_reader.hpp"
#include "reactor.hpp"
#include "reply_plan.hpp"
#include "transport/channel.hpp"
#include "waiting_calls.hpp"
#include "wire/hello.hpp"

namespace vac::remote {

/// Whether to wait for a place among the calls in flight.
enum class Room : std::uint8_t { wait, only_if_free };

/// How long a connection waits, in nanoseconds. Tests have less time.
struct Times {
  std::int64_t grace = Patience::kGraceNs;      ///< see Patience
  std::int64_t new_region = 2'000'000'000;      ///< from the question to its use
  std::int64_t region_idle = 1'000'000'000;     ///< until one that no buffer needs goes back
  std::int64_t region_refusal = 1'000'000'000;  ///< until the agent is asked again
};

/// Who looks after calls that are taken, and who is told of them. Both outlive the connection.
struct Taking {
  Reactor* reactor = nullptr;  ///< nullptr: none is taken
  const vac_host* host = nullptr;
};

/// Thread-safe. Outlives its calls.
class Connection final : private Reactor::Client {
 public:
  /// Over a channel on which both sides have said hello. `address` is for messages.
  static Result<std::unique_ptr<Connection>> create(std::unique_ptr<transport::Channel> channel,
                                                    std::string address, const wire::Hello& agreed,
                                                    const Times& times = {},
                                                    const Taking& taking = {});
  /// Says goodbye. No call may be in flight, but posted ones.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a call and waits for its reply. Outputs are written to the call's memory or, where they
  /// do not fit, to what host->output gives (nullptr: all must fit). The reply's times are set in
  /// the call. The agent's own errors come with its code, text and detail.
  Status run(vac_call& call, const vac_host* host);

  /// The first half of run(): sends the call, whose memory must stay until finish(). nullptr: there
  /// is no room and none was to be waited for. A thread that has calls started must not wait for
  /// room: it may be waiting for itself.
  Result<Place*> start(vac_call& call, const vac_host* host, Room room);
  /// The second half, once for every started call, by the thread that started it.
  Status finish(Place& place) noexcept;
  /// Takes a call and does not wait: the host is told by `complete`, maybe before this returns.
  /// Until then the call and its memory must stay. Any number may be taken; those that are too many
  /// for the connection wait their turn. False: none can be taken now, and nothing has been done.
  bool take(vac_call& call) VAC_EXCLUDES(mutex_);
  /// Makes all that were taken and will be end soon, with VAC_ECANCELED unless they are done.
  void cancel_taken() noexcept VAC_EXCLUDES(mutex_);
  /// No more calls are taken from now on, and none that was is left: the reactor lets go.
  void stop_taking() noexcept;

  /// Sends a call whose reply is of no interest. False: there is no room now, or it failed.
  bool post(vac_call& call) noexcept VAC_EXCLUDES(mutex_);
  /// Makes run() and finish() of the call, and of those on its behalf, return VAC_ECANCELED soon:
  /// at once, or with the agent's next sign of life where the call's thread is the one that reads.
  /// Without effect on a call that is done or not here.
  void cancel(const vac_call& call) noexcept VAC_EXCLUDES(mutex_);
  /// Gives a resource id of the agent's back and does not wait for an answer. Where there is no
  /// room now, a later call of any thread takes it along.
  void drop_resource(std::uint64_t id) noexcept VAC_EXCLUDES(mutex_);

  /// Memory that calls of this connection need not send, as long as it lasts; nullptr: there is
  /// none to be had now, use other memory. Its content is not zero. May ask the agent for more, and
  /// waits for that as long as Times::new_region, or `timeout_ns` where that is shorter; 0: it is
  /// not. An agent that had none to give or did not answer in time is asked again later.
  std::unique_ptr<RegionBuffer> new_buffer(std::uint64_t bytes, std::int64_t timeout_ns = 0)
      VAC_EXCLUDES(growth_, mutex_);
  /// Gives regions that no buffer has needed for Times::region_idle back to the agent, without
  /// waiting for an answer; to be called when a buffer is gone. The end of a call looks as well.
  void return_regions() noexcept VAC_EXCLUDES(mutex_);

  /// Counts what may interest who waits for a resource that another call uploads: calls that are
  /// cancelled, and what its users themselves count here.
  FutexWord& resources_changed() noexcept { return resources_changed_; }
  /// The connection has ended and will not come back.
  bool ended() const noexcept VAC_EXCLUDES(mutex_);
  const std::string& address() const noexcept { return address_; }
  /// What both sides have agreed on: head and payload together.
  std::uint64_t largest_frame() const noexcept { return largest_frame_; }

 private:
  /// Why the connection has ended, for messages: "<what> during <op>: <remedy>". The texts are
  /// empty if there was no memory for them.
  struct End {
    Errc code;
    std::string what, remedy;
  };
  /// What is to be given back to the agent: `release` with the id.
  struct Drop {
    Control release;
    std::uint64_t id;
    bool operator==(const Drop&) const = default;
  };
  /// What is left to do for an owner who has left its place.
  struct Departure {
    Status result;
    Place* next_leader = nullptr;
    bool cancel = false;
    bool drops = false;                           // something waits to be given back
    bool surplus = false;                         // there may be regions that nobody needs
    bool gathers = false;                         // the place may be for a call that was taken
    std::optional<int> processor = std::nullopt;  // where the calls come from, which is news
  };
  enum class Push : std::uint8_t {
    sent,
    withdrawn,  // not a byte has left, and the owner's patience is over
    broken,     // the channel takes no more: the leader will find its end
  };

  /// A taken call that is over.
  struct Over {
    vac_call* call = nullptr;
    std::optional<Error> failure;
  };
  using Overs = std::array<Over, wire::kMaxCallsInFlight>;
  /// A frame of a taken call that is too large to be copied, and how far it is.
  struct Going {
    Place* place = nullptr;
    std::span<iovec> rest;
    bool head = false;   // the call's first
    bool begun = false;  // then nothing may come in between
  };
  enum class Rounds : std::uint8_t { one, all };

  Connection(std::unique_ptr<transport::Channel> channel, Fd wake_event, std::string address,
             const wire::Hello& agreed, const Times& times, const Taking& taking);

  // connection.cpp: places, results, the end.
  Result<Place*> send_new(vac_call& call, const vac_host* host, Room room) VAC_EXCLUDES(mutex_);
  Result<Place*> take_place(vac_call& call, const Op& op, const vac_host* host, Patience& patience,
                            Room room) VAC_EXCLUDES(mutex_);
  bool is_cancelled(const vac_call& call, const vac_host* host) const noexcept;
  bool mark_cancelled(const vac_call& call, std::array<Place*, wire::kMaxCallsInFlight>& owners)
      VAC_EXCLUDES(mutex_);
  bool try_leave(Place& place, Departure& departure) VAC_REQUIRES(mutex_);
  void wait_for_signal(Place& place);
  void give_back(Drop drop) noexcept VAC_EXCLUDES(mutex_);
  void queue_drop(Drop drop) noexcept VAC_REQUIRES(mutex_);
  void send_drops() noexcept VAC_EXCLUDES(mutex_);
  void tell_processor(int processor) noexcept VAC_EXCLUDES(mutex_);
  Status take_result(const Place& place) const noexcept VAC_REQUIRES(mutex_);
  void free_place(Place& place) VAC_REQUIRES(mutex_);
  Place* pass_lead(Place* from) VAC_REQUIRES(mutex_);
  void wake(bool& whom) VAC_REQUIRES(mutex_);
  void awake(bool& who) VAC_REQUIRES(mutex_);
  void give_up(const char* because) VAC_EXCLUDES(mutex_);
  void end_of_stream() noexcept VAC_EXCLUDES(mutex_);
  void end_without_memory() noexcept VAC_EXCLUDES(mutex_);
  void end(Errc code, std::string what, std::string_view remedy) noexcept VAC_EXCLUDES(mutex_);
  Error end_error(const Op& op, std::string_view when) const noexcept VAC_REQUIRES(mutex_);
  Error stop_error(const Op& op, Patience::Stop stop) const noexcept;

  // connection_regions.cpp: shared memory.
  Status accept_descriptor(std::int64_t deadline_ns) VAC_REQUIRES(growth_) VAC_EXCLUDES(mutex_);
  Status open_region(std::uint64_t bytes, std::int64_t deadline_ns) VAC_REQUIRES(growth_)
      VAC_EXCLUDES(mutex_);
  Status map_region(std::uint32_t id, Fd memory, std::uint64_t bytes, std::int64_t deadline_ns)
      VAC_REQUIRES(growth_) VAC_EXCLUDES(mutex_);
  bool region_unanswered() VAC_EXCLUDES(mutex_);
  bool return_late_region(const Place& place) VAC_EXCLUDES(mutex_);  // the leader's
  void queue_surplus() noexcept VAC_EXCLUDES(mutex_);
  void end_pins(Place& place) VAC_REQUIRES(mutex_);

  // connection_send.cpp: the turn.
  Status encode(Place& place) VAC_EXCLUDES(mutex_);
  Status send_call(Place& place) VAC_EXCLUDES(mutex_);
  Status withdraw(Place& place, std::optional<Error> why) noexcept VAC_EXCLUDES(mutex_);
  bool wait_for_turn(Place& place) VAC_EXCLUDES(mutex_);
  bool lend_turn(Place& place) VAC_EXCLUDES(mutex_);
  enum class Next : std::uint8_t { whoever_comes, who_waits };
  void release_turn(Next next_holder = Next::whoever_comes) VAC_EXCLUDES(mutex_);
  void move_cancels_to_outbox() noexcept VAC_REQUIRES(mutex_);
  void send_cancels() VAC_EXCLUDES(mutex_);
  bool push_payload(Place& place);
  Push push(std::span<iovec> frame, Place& place);
  bool flush_outbox();
  bool flush_output() VAC_EXCLUDES(mutex_);
  bool wait_until_writable(Place& place) VAC_EXCLUDES(mutex_);
  void look_for_answer(Place& place) VAC_EXCLUDES(mutex_);
  bool answered(const Place& place) VAC_EXCLUDES(mutex_);

  // connection_gather.cpp: the turn, for calls that were taken.
  void gather(Rounds rounds) noexcept VAC_EXCLUDES(mutex_);
  void gather_rounds(Rounds rounds) VAC_EXCLUDES(mutex_);
  bool gather_if_free(Rounds rounds) noexcept VAC_EXCLUDES(mutex_);
  bool can_gather() VAC_REQUIRES(mutex_);
  std::uint32_t room_for_waiting() VAC_REQUIRES(mutex_);
  std::size_t take_places(std::span<Place*> places) VAC_EXCLUDES(mutex_);
  bool can_drop() VAC_REQUIRES(mutex_);
  void gather_drops() VAC_EXCLUDES(mutex_);
  bool take_place_for_drop(Drop& drop, Place*& place) VAC_EXCLUDES(mutex_);
  void make_frames(std::span<Place* const> places) VAC_EXCLUDES(mutex_);
  void make_frame(Place& place) VAC_EXCLUDES(mutex_);
  void let_go(Place& place) VAC_REQUIRES(mutex_);
  void append_to_outbox(std::span<const iovec> frame);
  void append_to_outbox(wire::FrameHeader& frame);
  void fail_unsent(Place& place, Error why) noexcept VAC_EXCLUDES(mutex_);
  void next_upload() VAC_EXCLUDES(mutex_);
  void end_upload(Place& place) VAC_REQUIRES(mutex_);
  void withdraw_late_frame() VAC_EXCLUDES(mutex_);
  void on_frame_sent() VAC_EXCLUDES(mutex_);
  void drop_output() VAC_EXCLUDES(mutex_);
  bool turn_is_wanted() VAC_EXCLUDES(mutex_);

  // connection_taken.cpp: calls that were taken.
  void look_at_waiting(std::int64_t deadline_ns) VAC_EXCLUDES(mutex_);
  bool looked_after() const noexcept;
  bool has_taken() const noexcept VAC_REQUIRES(mutex_);
  void note_over(const Place& place) noexcept VAC_REQUIRES(mutex_);
  std::size_t collect(Overs& overs) VAC_EXCLUDES(mutex_);
  Over leave(Place& place) noexcept VAC_REQUIRES(mutex_);
  void complete(const Over& over) noexcept VAC_EXCLUDES(mutex_);
  void settle(Rounds rounds) noexcept VAC_EXCLUDES(mutex_);
  bool sweep_is_due() VAC_EXCLUDES(mutex_);
  void sweep() VAC_EXCLUDES(mutex_);
  bool sweep_places(std::int64_t& next_ns) VAC_REQUIRES(mutex_);
  Error waiting_error(const vac_call& call) noexcept VAC_EXCLUDES(mutex_);
  int descriptor() const noexcept override { return channel_->descriptor(); }
  Reactor::Interest react(bool ready) noexcept override VAC_EXCLUDES(mutex_);
  bool begin_reaction(bool ready) VAC_EXCLUDES(mutex_);
  bool end_reaction(Reactor::Interest& interest) VAC_EXCLUDES(mutex_);

  // connection_lead.cpp: the lead. None of these is called without it.
  void lead(Place* own, Patience& patience) VAC_EXCLUDES(mutex_);
  bool lead_is_over(const Place* own) VAC_EXCLUDES(mutex_);
  bool must_stay(const Place* own, const Patience& patience) VAC_EXCLUDES(mutex_);
  void receive(const Place* own, Patience& patience) VAC_EXCLUDES(mutex_);
  void receive_now() VAC_EXCLUDES(mutex_);
  std::ptrdiff_t receive_some(transport::Wait wait) VAC_EXCLUDES(mutex_);
  std::optional<transport::Wait> prepare_receive(Patience& patience);
  bool poll_for_room(Patience& patience) VAC_EXCLUDES(mutex_);
  bool dispatch() VAC_EXCLUDES(mutex_);
  bool handle_frames() VAC_EXCLUDES(mutex_);
  bool on_head() VAC_EXCLUDES(mutex_);
  bool on_reply(const wire::FrameHeader& header) VAC_EXCLUDES(mutex_);
  bool on_data(const wire::FrameHeader& header) VAC_EXCLUDES(mutex_);
  bool on_end() VAC_EXCLUDES(mutex_);
  Place* take_frame(const wire::FrameHeader& header) VAC_EXCLUDES(mutex_);
  bool plan_reply(Place& place);
  void take_failure(Place& place, const wire::FrameHeader& header);
  bool breach(std::string_view how) noexcept VAC_EXCLUDES(mutex_);

  const std::unique_ptr<transport::Channel> channel_;
  const Fd wake_event_;  // for who polls: a writer while another leads, a leader who wants room
  const std::string address_;
  const std::uint64_t largest_frame_;
  const Times times_;
  const std::shared_ptr<Arena> arena_;  // shared with its buffers; nullptr: the agent shares none
  const Taking taking_;

  // Who asks the agent for a region does so alone, from the question to the answer.
  Mutex growth_;
  std::int64_t refused_until_ns_ VAC_GUARDED_BY(growth_) = 0;

  mutable Mutex mutex_;
  CallTable table_ VAC_GUARDED_BY(mutex_);
  bool sending_ VAC_GUARDED_BY(mutex_) = false;         // the turn is taken
  bool leading_ VAC_GUARDED_BY(mutex_) = false;         // the lead is taken
  bool writer_blocked_ VAC_GUARDED_BY(mutex_) = false;  // who has the turn waits and does not lead
  bool leads_for_room_ VAC_GUARDED_BY(mutex_) = false;  // the leader has no call and waits for room
  bool writer_woken_ VAC_GUARDED_BY(mutex_) = false;    // for whom the event was raised
  bool leader_woken_ VAC_GUARDED_BY(mutex_) = false;
  std::uint32_t place_waiters_ VAC_GUARDED_BY(mutex_) = 0;
  std::vector<std::uint64_t> cancels_ VAC_GUARDED_BY(mutex_);  // to be sent in the next turn
  std::vector<Drop> drops_ VAC_GUARDED_BY(mutex_);
  bool sending_drops_ VAC_GUARDED_BY(mutex_) = false;
  const char* given_up_because_ VAC_GUARDED_BY(mutex_) = nullptr;
  std::optional<End> end_ VAC_GUARDED_BY(mutex_);
  CallerProcessor caller_ VAC_GUARDED_BY(mutex_);
  FutexWord resources_changed_;
  FutexWord places_changed_;  // counts what may interest who waits for a place

  // Of calls that were taken.
  WaitingCalls waiting_;  // guarded by mutex_ as well, but for its push()
  // No call that was taken has an earlier deadline, or the reactor is about to look.
  std::atomic<std::int64_t> next_deadline_ns_{INT64_MAX};
  std::uint64_t taken_ VAC_GUARDED_BY(mutex_) = 0;  // their places, a bit each
  std::uint64_t over_ VAC_GUARDED_BY(mutex_) = 0;   // of those, which may have ended
  bool sweep_ VAC_GUARDED_BY(mutex_) = false;       // some are to end: cancelled, or lost
  bool cancel_all_ VAC_GUARDED_BY(mutex_) = false;
  bool output_waits_ VAC_GUARDED_BY(mutex_) = false;   // nobody has the turn, and output is left
  bool passed_over_ VAC_GUARDED_BY(mutex_) = false;    // a place was left to a thread that waits
  bool reactor_awake_ VAC_GUARDED_BY(mutex_) = false;  // it looks at all this before it sleeps
  bool reactor_leads_ VAC_GUARDED_BY(mutex_) = false;
  bool reactor_polls_ VAC_GUARDED_BY(mutex_) = false;  // for input, while it sleeps
  bool lingers_ VAC_GUARDED_BY(mutex_) = false;        // it polls though nothing is in flight

  // Whoever has the turn. A frame that is going and not begun is behind the outbox, else before it.
  std::vector<std::byte> outbox_;  // small frames that the channel has not taken
  Going going_;
  std::vector<Place*> uploads_;  // whose payload follows, in turns

  // Whoever has the lead.
  FrameReader reader_;
  ReplyPlan plan_;
  Place* own_ = nullptr;                          // the leader's own call; nullptr: it has none
  bool to_settle_ = false;                        // there is something for settle()
  Place* frame_place_ = nullptr;                  // whose frame is being received
  bool frame_dropped_ = false;                    // its owner has left
  std::vector<wire::RegionResult> frame_placed_;  // results of that call that may be in a region
  std::int64_t receive_timeout_ms_ = 0;
};

}  // namespace vac::remote
