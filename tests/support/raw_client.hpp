// SPDX-License-Identifier: Apache-2.0
// A client of an agent, driven by a test frame by frame, so that it can misbehave at will. Who uses
// it links vac_wire and vac_transport.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "call/op_table.hpp"
#include "support/built_call.hpp"
#include "support/frame_bytes.hpp"
#include "transport/channel.hpp"
#include "wire/codec.hpp"
#include "wire/frame.hpp"
#include "wire/hello.hpp"

namespace vac::test {

/// A frame as it came, with the payload that data frames brought.
class RawFrame {
 public:
  RawFrame(const wire::FrameHeader& of, std::vector<std::byte> bytes)
      : header(of), bytes_(std::span<const std::byte>(bytes)) {}

  wire::FrameHeader header;
  int code() const noexcept { return static_cast<int>(header.code); }
  /// Of a failure or a goodbye.
  std::string text() const;
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  AlignedBytes bytes_;
};

/// A reply checked against its call: what the outputs hold, by the argument's place in the table.
class RawReply {
 public:
  /// `placed`: the call's results that may have been left in a region.
  RawReply(RawFrame frame, BuiltCall& call, std::span<const wire::RegionResult> placed = {});

  int code() const noexcept { return frame_.code(); }
  std::string text() const { return frame_.text(); }
  const wire::FrameHeader& header() const noexcept { return frame_.header; }
  std::uint64_t scalar(std::size_t arg) const;
  /// Of an array, a tensor, or a child of a list: where it came, or in its region.
  std::span<const std::byte> data(std::uint32_t arg, std::uint32_t child = 0) const;

 private:
  RawFrame frame_;
  std::vector<vac_arg> records_;
  std::vector<wire::ReplyPart> parts_;
};

/// A function throws when the agent breaks the protocol, ends the stream where it should not, or
/// says nothing for 30 seconds. Confined to one thread.
class RawClient {
 public:
  /// Connects, and says nothing yet.
  explicit RawClient(const std::string& address);
  RawClient(RawClient&&) = default;
  RawClient& operator=(RawClient&&) = default;

  /// From now on calls name what lies there; it must live as long.
  void share(wire::RegionMap& regions) { regions_ = &regions; }

  /// Connected, and hello is over.
  static RawClient greeted(const std::string& address);
  /// Says hello and reads the answer, which must be one.
  wire::Hello greet(const wire::Hello& ours = {});

  /// Sends a call, and returns its number.
  std::uint64_t call(BuiltCall& call, std::uint32_t deadline_us = 0);
  /// The frames of a call of that number, as bytes.
  static std::vector<std::byte> call_bytes(BuiltCall& call, std::uint64_t request,
                                           std::uint32_t deadline_us = 0,
                                           wire::RegionMap* regions = nullptr,
                                           std::vector<wire::RegionResult>* placed = nullptr);
  void cancel(std::uint64_t request);
  /// Sends a call and reads its reply, which must be the next one.
  RawReply run(BuiltCall& call);

  /// The next frame, whole; nothing at the end of the stream.
  std::optional<RawFrame> receive_or_end();
  RawFrame receive();
  /// What is left of the stream as bytes, up to its end.
  std::string receive_all();

  void send(std::span<const std::byte> bytes);
  void send(std::string_view text) { send(std::as_bytes(std::span(text))); }
  void send(const wire::FrameHeader& header);
  /// As much as goes without waiting.
  std::size_t try_send(std::span<const std::byte> bytes);
  void close() { channel_.reset(); }
  transport::Channel& channel() { return *channel_; }
  std::uint64_t next_request() const noexcept { return next_request_; }
  /// The bytes of a call of that number have been sent.
  void skip_request() noexcept { ++next_request_; }

 private:
  bool receive_bytes(std::span<std::byte> to);

  std::unique_ptr<transport::Channel> channel_;
  std::uint64_t next_request_ = 1;
  wire::RegionMap* regions_ = nullptr;
  std::vector<wire::RegionResult> placed_;  // of the last call
};

}  // namespace vac::test
