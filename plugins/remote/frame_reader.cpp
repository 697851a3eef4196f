// SPDX-License-Identifier: Apache-2.0
#include "frame_reader.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace vac::remote {
namespace {

// The largest head that check_header() lets pass.
constexpr std::size_t kMostHeadBytes = wire::align_up(
    sizeof(wire::FrameHeader) + VAC_MAX_RECORDS * sizeof(vac_arg) + wire::kMaxMetaBytes);
static_assert(kMostHeadBytes > FrameReader::kStagingBytes);

}  // namespace

void FrameReader::Free::operator()(std::byte* memory) const noexcept {
  ::operator delete(memory, std::align_val_t{wire::kAlignment});
}

FrameReader::FrameReader(std::uint64_t largest_frame)
    : largest_frame_(largest_frame),
      staging_(static_cast<std::byte*>(
          ::operator new(kMostHeadBytes, std::align_val_t{wire::kAlignment}))) {}

std::span<iovec> FrameReader::want() {
  if (phase_ == Phase::payload && scatter_ != nullptr) return scatter_->window(payload_left_);
  const std::size_t most = std::max(kStagingBytes, wanted_);
  staging_piece_ = {staging_.get() + end_, most - end_};
  if (phase_ == Phase::payload) {
    staging_piece_.iov_len =
        static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, kStagingBytes));
  }
  return {&staging_piece_, 1};
}

void FrameReader::received(std::size_t bytes) noexcept {
  if (phase_ != Phase::payload) {
    end_ += bytes;
    return;
  }
  if (scatter_ != nullptr) scatter_->advance(bytes);
  payload_left_ -= bytes;
}

std::span<const std::byte> FrameReader::head() const noexcept {
  return {staging_.get() + begin_, static_cast<std::size_t>(wire::head_bytes(header_))};
}

Result<FrameReader::Step> FrameReader::next() {
  if (phase_ == Phase::head) return next_head();
  if (phase_ == Phase::announced) take_staged();
  if (payload_left_ != 0) return Step::more;
  phase_ = Phase::head;
  return Step::end;
}

Result<FrameReader::Step> FrameReader::next_head() {
  const std::size_t staged = end_ - begin_;
  if (staged < sizeof header_) {
    compact(sizeof header_);
    return Step::more;
  }
  header_ = wire::read_header(staging_.get() + begin_);
  VAC_CHECK(wire::check_header(header_, largest_frame_));
  const auto head = static_cast<std::size_t>(wire::head_bytes(header_));
  if (staged < head) {
    compact(head);
    return Step::more;
  }
  payload_left_ = wire::frame_bytes(header_) - head;
  scatter_ = nullptr;
  phase_ = Phase::announced;
  return Step::head;
}

/// Puts the incomplete head at the front, where there is room for all of it.
void FrameReader::compact(std::size_t wanted) noexcept {
  wanted_ = wanted;
  if (begin_ == 0) return;
  std::memmove(staging_.get(), staging_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

/// Leaves the head behind, and gives what is staged of the payload to its receiver.
void FrameReader::take_staged() noexcept {
  begin_ += static_cast<std::size_t>(wire::head_bytes(header_));
  const auto staged =
      static_cast<std::size_t>(std::min<std::uint64_t>(end_ - begin_, payload_left_));
  if (scatter_ != nullptr) scatter_->copy({staging_.get() + begin_, staged});
  payload_left_ -= staged;
  begin_ += staged;
  if (begin_ == end_) begin_ = end_ = 0;
  phase_ = Phase::payload;
}

}  // namespace vac::remote
