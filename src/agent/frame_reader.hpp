// SPDX-License-Identifier: Apache-2.0
// From a stream of bytes to frames. Does no I/O and decides nothing: the handler does.
#pragma once

#include <vac/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/frame.hpp"

namespace vac::agent {

/// Bytes that a thread receives at once; a frame that fits is used where it arrived.
inline constexpr std::size_t kStagingBytes = 16 * 1024;

/// Told of each frame in order. An error ends the connection.
class FrameHandler {
 public:
  /// A whole frame of any kind but `data`, in place in the staging buffer: only for the time of the
  /// call.
  virtual Status on_frame(const wire::FrameHeader& header, std::span<std::byte> frame) = 0;
  /// A frame that arrives in pieces, or a `data` frame: memory for all of it (of a data frame: for
  /// its payload alone), which stays in place until on_complete. Empty: it is to be skipped, and
  /// on_complete does not come.
  virtual Result<std::span<std::byte>> on_begin(const wire::FrameHeader& header) = 0;
  virtual Status on_complete(const wire::FrameHeader& header) = 0;
  /// A well-formed frame larger than the limit; it is skipped.
  virtual Status on_oversized(const wire::FrameHeader& header, const Error& why) = 0;

 protected:
  ~FrameHandler() = default;
};

/// The state of reception of one connection between two receives: a few bytes, so that an idle
/// connection costs nothing. Confined to the connection's owner.
class FrameReader {
 public:
  explicit FrameReader(std::uint64_t largest_frame) noexcept : largest_frame_(largest_frame) {}

  void set_largest_frame(std::uint64_t bytes) noexcept { largest_frame_ = bytes; }

  /// Where the next bytes go: into the staging buffer (of kStagingBytes, 64-aligned), or straight
  /// to where a long frame is gathered. received() must follow before the buffer serves another
  /// connection.
  std::span<std::byte> buffer(std::span<std::byte> staging) noexcept;
  /// Bytes still to come of a long frame, which is what buffer() is then; 0: it is the staging
  /// buffer.
  std::size_t rest() const noexcept { return rest_.size(); }

  /// `count` bytes have been put into buffer(staging); 0 is allowed.
  Status received(std::span<std::byte> staging, std::size_t count, FrameHandler& handler);

  /// After an error: the bytes that are no frame, where the peer speaks another protocol.
  std::span<const std::byte> foreign_bytes() const noexcept { return {head_.data(), foreign_}; }

 private:
  Status parse(std::span<std::byte> bytes, FrameHandler& handler);
  Result<std::size_t> begin(std::span<std::byte> bytes, const wire::FrameHeader& header,
                            FrameHandler& handler);
  Status keep_head(std::span<const std::byte> bytes);

  std::uint64_t largest_frame_;
  std::array<std::byte, sizeof(wire::FrameHeader)> head_{};  // the start of an incomplete header
  std::size_t head_count_ = 0;
  std::size_t foreign_ = 0;
  std::uint64_t skip_ = 0;     // bytes to be thrown away
  std::span<std::byte> rest_;  // where the rest of a long frame goes
  wire::FrameHeader long_header_;
};

}  // namespace vac::agent
