// SPDX-License-Identifier: Apache-2.0
// An agent without threads and sockets: one connection, driven step by step, whose whole output is
// checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/config.hpp"
#include "base/fd.hpp"
#include "byte_queue.hpp"
#include "fuzz.hpp"
#include "granted_regions.hpp"
#include "support/built_call.hpp"
#include "transport/channel.hpp"
#include "wire/codec.hpp"

namespace vac::fuzz {

/// The agent's end of a stream: it receives what the harness gives it, and what it sends is kept.
/// Confined to one thread.
class AgentEnd final : public transport::Channel {
 public:
  AgentEnd();
  ~AgentEnd() override;

  void give(std::span<const std::byte> bytes);
  /// How much a receive brings at most; 0: as much as it asks for.
  void cut(std::size_t most) noexcept { cut_ = most == 0 ? SIZE_MAX : most; }
  /// The peer sends no more.
  void end_input() noexcept { ended_ = true; }
  /// How much may be sent from now on before it would block.
  void allow_output(std::size_t bytes) noexcept { room_ = bytes; }
  bool shut() const noexcept { return shut_; }
  /// Sent and not yet taken.
  std::vector<std::byte>& output() noexcept { return output_; }
  /// The descriptor that left with a byte of output before that one, counted from the first of all,
  /// and the byte that it left with. Each is given once.
  std::optional<std::pair<std::uint64_t, Fd>> take_descriptor_before(std::uint64_t end);

  std::ptrdiff_t receive(std::span<std::byte> to, transport::Wait wait) noexcept override;
  std::ptrdiff_t receive(std::span<iovec> to, transport::Wait wait) noexcept override;
  std::ptrdiff_t send(std::span<const iovec> from, transport::Wait wait) noexcept override;
  void set_receive_timeout(std::chrono::milliseconds /*timeout*/) noexcept override {}
  void shutdown() noexcept override { shut_ = true; }
  int descriptor() const noexcept override { return event_; }
  std::optional<std::uint32_t> peer_uid() const noexcept override;
  bool carries_descriptors() const noexcept override { return true; }
  std::ptrdiff_t send_with(std::span<const iovec> from, int descriptor,
                           transport::Wait wait) noexcept override;
  void accept_descriptors(bool /*accept*/) noexcept override;

 private:
  int event_;
  ByteQueue input_;
  std::size_t cut_ = SIZE_MAX;
  std::size_t room_ = SIZE_MAX;
  bool ended_ = false, shut_ = false;
  std::vector<std::byte> output_;
  std::uint64_t sent_ = 0;
  std::deque<std::pair<std::uint64_t, Fd>> descriptors_;
};

/// What the agent has answered to one call.
struct Answer {
  int code = VAC_OK;
  std::string text;
  std::map<std::size_t, std::uint64_t> scalars;           ///< by argument
  std::map<std::size_t, std::vector<std::byte>> outputs;  ///< of arguments that are no lists
};

/// One agent and one client of it. Every frame that the agent sends must be well formed, answer a
/// call that was made and not answered before, and fit it; texts of failures are printable and name
/// no path of the host. A descriptor comes with the answer that grants a region, and with nothing
/// else; a call that names what is no part of an open region fails. At the end nothing may be left:
/// no call, no memory on the tenant's accounts.
/// Confined to one thread.
class AgentRig {
 public:
  explicit AgentRig(agent::SharedInput shared_input = agent::SharedInput::copy);
  ~AgentRig();
  AgentRig(const AgentRig&) = delete;
  AgentRig& operator=(const AgentRig&) = delete;

  /// Says hello, which the agent must accept. `sharing`: the client takes regions.
  void greet(bool sharing = false);
  /// Sends any bytes.
  void give(std::span<const std::byte> bytes);
  /// Sends a whole call, whose answer will be checked against it. Returns its number. With
  /// `regions` the agent reads all that it was sent before and this call, so that what the call may
  /// name is known.
  std::uint64_t call(test::BuiltCall call, std::uint32_t deadline_us = 0,
                     wire::RegionMap* regions = nullptr);
  /// The next call's number, without a call.
  std::uint64_t next_request() noexcept { return next_request_++; }
  std::uint64_t last_request() const noexcept { return next_request_ - 1; }

  /// The agent reads what there is; calls that are not quick wait.
  void read();
  /// Of the calls that wait, from the oldest on, that one runs, or the last; false: there is none.
  bool run_one(std::size_t which = 0);
  /// Output flows again, everything runs to its end, and every call that was sent whole has its
  /// answer, unless the connection has ended.
  void settle();

  AgentEnd& channel() noexcept { return *channel_; }
  bool ended() const noexcept { return ended_; }
  const GrantedRegions& regions() const noexcept { return regions_; }
  /// Of a call made by call(): nullptr as long as it has none.
  const Answer* answer(std::uint64_t request) const;

 private:
  struct Parts;
  /// A call without an answer.
  struct Asked {
    test::BuiltCall call;
    std::vector<wire::RegionResult> placed;
    bool names_regions = false, must_fail = false;
  };

  void end();
  bool waits(std::uint64_t request);
  void judge_parts(std::span<const std::byte> frame, Asked& asked) const;
  void check_output();
  Fd descriptor_of(std::size_t begin, std::size_t end);
  void check_frame(const wire::FrameHeader& header, std::span<const std::byte> frame,
                   Fd descriptor);
  void check_reply(const wire::FrameHeader& header, std::span<const std::byte> frame,
                   Fd descriptor);
  void check_results(const wire::FrameHeader& header, std::span<const std::byte> frame,
                     Asked& asked, Answer& answer);
  void check_region_answer(Asked& asked, const Answer& answer, Fd descriptor);
  void check_failure(std::span<const std::byte> frame, Answer& answer) const;
  void check_text(const std::string& text) const;

  /// Where frames begin in what has been given, as far as they are well formed.
  class FrameStarts {
   public:
    void add(std::span<const std::byte> bytes);
    /// Whether what comes next is a frame, and not the rest of one.
    bool at_start() const noexcept { return head_.empty() && left_ == 0; }

   private:
    std::vector<std::byte> head_;  // an incomplete header
    std::uint64_t left_ = 0;       // of a frame, behind its header
  };

  std::unique_ptr<Parts> parts_;
  FrameStarts given_;
  AgentEnd* channel_ = nullptr;  // the connection's
  std::uint64_t next_request_ = 1;
  bool greeted_ = false, foreign_ = false, ended_ = false, goodbye_ = false;
  // Calls that were sent whole and are not answered; at most those in flight and their memory.
  std::map<std::uint64_t, Asked> asked_;
  std::map<std::uint64_t, Answer> answers_;
  std::set<std::uint64_t> answered_;
  std::map<std::uint64_t, std::uint64_t> announced_;  // payload to come in data frames
  std::uint64_t output_taken_ = 0;                    // bytes of whole frames
  GrantedRegions regions_;
  std::size_t emptied_regions_ = 0;  // that were granted, and empty when they were looked at
  std::size_t perhaps_drops_ = 0;    // calls that may have dropped a region, however they ended
};

}  // namespace vac::fuzz
