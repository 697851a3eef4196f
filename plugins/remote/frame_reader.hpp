// SPDX-License-Identifier: Apache-2.0
// A stream of bytes into frames, wherever the stream is cut. It does no I/O, so that a test can cut
// it anywhere and the thread that receives can change in the middle of a frame.
#pragma once

#include <sys/uio.h>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "scatter.hpp"
#include "wire/frame.hpp"

namespace vac::remote {

/// Heads are staged, payloads go straight to where the user of this class says. Confined to the
/// thread that leads.
class FrameReader {
 public:
  /// A receive that does not know what comes asks for this much.
  static constexpr std::size_t kStagingBytes = 16384;

  /// Frames larger than `largest_frame`, payload included, are a breach of the protocol.
  explicit FrameReader(std::uint64_t largest_frame);

  /// Where the next bytes of the stream go. Never empty after next() has said `more`.
  std::span<iovec> want();
  /// Whether want() lies in the payload of a frame: then all of it comes.
  bool in_payload() const noexcept { return phase_ == Phase::payload; }
  /// That many bytes were received into want().
  void received(std::size_t bytes) noexcept;

  enum class Step : std::uint8_t {
    more,  ///< nothing complete: receive into want()
    head,  ///< a new frame: say where its payload goes with scatter_to(), or it is dropped
    end,   ///< the frame and its payload are complete
  };
  /// What comes next. Errors (VAC_EPROTO, VAC_EMSGSIZE) mean that the stream cannot go on.
  Result<Step> next();

  /// Of the frame that next() has announced with `head`, until it says `end`.
  const wire::FrameHeader& header() const noexcept { return header_; }
  /// The same from header to padding, 64-byte aligned. Valid from `head` to the following next().
  std::span<const std::byte> head() const noexcept;
  /// The payload of the frame just announced. `scatter` must have room for it, and stay until
  /// `end`.
  void scatter_to(Scatter& scatter) noexcept { scatter_ = &scatter; }

 private:
  enum class Phase : std::uint8_t { head, announced, payload };
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };

  Result<Step> next_head();
  void compact(std::size_t wanted) noexcept;
  void take_staged() noexcept;

  const std::uint64_t largest_frame_;
  std::unique_ptr<std::byte[], Free> staging_;
  std::size_t begin_ = 0, end_ = 0;  // what is staged; begin_ is a multiple of 64
  std::size_t wanted_ = 0;           // of the incomplete head at the front of the staging buffer
  Phase phase_ = Phase::head;
  wire::FrameHeader header_;
  Scatter* scatter_ = nullptr;
  std::uint64_t payload_left_ = 0;
  iovec staging_piece_{};
};

}  // namespace vac::remote
