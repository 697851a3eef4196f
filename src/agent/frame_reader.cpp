// SPDX-License-Identifier: Apache-2.0
#include "agent/frame_reader.hpp"

#include <algorithm>
#include <cstring>

namespace vac::agent {

using wire::FrameHeader;
using wire::Kind;

std::span<std::byte> FrameReader::buffer(std::span<std::byte> staging) noexcept {
  if (!rest_.empty()) return rest_;
  if (skip_ != 0) {
    return staging.first(static_cast<std::size_t>(std::min<std::uint64_t>(skip_, staging.size())));
  }
  std::memcpy(staging.data(), head_.data(), head_count_);
  return staging.subspan(head_count_);
}

Status FrameReader::received(std::span<std::byte> staging, std::size_t count,
                             FrameHandler& handler) {
  if (count == 0) return {};
  if (!rest_.empty()) {
    rest_ = rest_.subspan(count);
    return rest_.empty() ? handler.on_complete(long_header_) : Status{};
  }
  if (skip_ != 0) {
    skip_ -= count;
    return {};
  }
  const std::size_t kept = head_count_;
  head_count_ = 0;
  return parse(staging.first(kept + count), handler);
}

Status FrameReader::parse(std::span<std::byte> bytes, FrameHandler& handler) {
  while (bytes.size() >= sizeof(FrameHeader)) {
    const FrameHeader header = wire::read_header(bytes.data());
    if (header.magic != wire::kMagic) return keep_head(bytes);
    Status checked = wire::check_header(header, largest_frame_);
    std::size_t used = 0;
    if (!checked) {
      if (checked.error().code() != Errc::message_size) return checked;
      VAC_CHECK(handler.on_oversized(header, checked.error()));
      const std::uint64_t size = wire::frame_bytes(header);
      used = static_cast<std::size_t>(std::min<std::uint64_t>(size, bytes.size()));
      skip_ = size - used;
    } else if (header.kind != Kind::data && wire::frame_bytes(header) <= bytes.size()) {
      used = static_cast<std::size_t>(wire::frame_bytes(header));
      VAC_CHECK(handler.on_frame(header, bytes.first(used)));
    } else {
      VAC_TRY(used, begin(bytes, header, handler));
    }
    bytes = bytes.subspan(used);
  }
  return bytes.empty() ? Status{} : keep_head(bytes);
}

/// Starts a frame that is gathered elsewhere with what is there of it; returns how many bytes that
/// is.
Result<std::size_t> FrameReader::begin(std::span<std::byte> bytes, const FrameHeader& header,
                                       FrameHandler& handler) {
  VAC_TRY(const std::span<std::byte> memory, handler.on_begin(header));
  // The header of a data frame is not part of what it carries.
  const std::size_t before = header.kind == Kind::data ? sizeof header : 0;
  const std::uint64_t wanted = wire::frame_bytes(header) - before;
  const auto here =
      static_cast<std::size_t>(std::min<std::uint64_t>(wanted, bytes.size() - before));
  if (wanted == 0) {
    VAC_CHECK(handler.on_complete(header));
  } else if (memory.empty()) {
    skip_ = wanted - here;
  } else {
    std::memcpy(memory.data(), bytes.data() + before, here);
    rest_ = memory.subspan(here);
    long_header_ = header;
    if (rest_.empty()) VAC_CHECK(handler.on_complete(header));
  }
  return before + here;
}

/// Keeps the start of a header for the next receive. Another protocol is recognised by its first
/// bytes: its peer may wait for an answer before it sends 64 of them.
Status FrameReader::keep_head(std::span<const std::byte> bytes) {
  const std::size_t count = std::min(bytes.size(), head_.size());
  std::memcpy(head_.data(), bytes.data(), count);
  const std::uint32_t magic = wire::kMagic;
  if (std::memcmp(head_.data(), &magic, std::min(count, sizeof magic)) != 0) {
    foreign_ = count;
    FrameHeader header;
    header.magic = 0;
    return wire::check_header(header, largest_frame_);
  }
  head_count_ = count;
  return {};
}

}  // namespace vac::agent
