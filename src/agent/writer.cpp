// SPDX-License-Identifier: Apache-2.0
#include "agent/writer.hpp"

#include <cerrno>
#include <new>
#include <utility>

#include "agent/clock.hpp"

namespace vac::agent {
namespace {

/// A rest of a reply up to this size is copied, so that its blocks serve other calls at once.
constexpr std::uint64_t kCopiedRest = 64 * 1024;
/// One flush sends about this much: a socket that is drained as fast as it is filled must not keep
/// the thread from others.
constexpr std::uint64_t kFlushBytes = std::uint64_t{1} << 20;
constexpr std::size_t kKeptCapacity = 256 * 1024;

std::uint64_t total(std::span<const iovec> parts) {
  std::uint64_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  return bytes;
}

void advance(std::span<iovec>& parts, std::size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (bytes != 0) {
    iovec& part = parts.front();
    part.iov_base = static_cast<std::byte*>(part.iov_base) + bytes;
    part.iov_len -= bytes;
  }
}

}  // namespace

/// One send and what is left. 0: the socket takes nothing now; < 0: it never will again.
std::ptrdiff_t Writer::send_some(std::span<iovec>& from) {
  std::ptrdiff_t count;
  do {
    count = descriptor_ < 0 ? channel_.send(from, transport::Wait::now)
                            : channel_.send_with(from, descriptor_, transport::Wait::now);
    // The system lets only so many descriptors of a user be on their way, also those of clients
    // that do not read. A reply without its descriptor is one that its client can do without.
    if (count == -ETOOMANYREFS) descriptor_ = -1;
  } while (count == -EINTR || count == -ETOOMANYREFS);
  if (count == -EAGAIN) return 0;
  if (count > 0) {
    advance(from, static_cast<std::size_t>(count));
    descriptor_ = -1;
  }
  return count;
}

void Writer::add_queued(std::uint64_t bytes) {
  if (queued_ == 0) progress_ns_ = now_ns();
  queued_ += bytes;
  backlogged_.store(queued_ > kBacklogBytes, std::memory_order_relaxed);
}

void Writer::sub_queued(std::uint64_t bytes) {
  queued_ -= bytes;
  backlogged_.store(queued_ > kBacklogBytes, std::memory_order_relaxed);
}

void Writer::copy(std::span<const iovec> frames) {
  for (const iovec& part : frames) {
    const auto* const bytes = static_cast<const std::byte*>(part.iov_base);
    waiting_.insert(waiting_.end(), bytes, bytes + part.iov_len);
    add_queued(part.iov_len);
  }
}

Writer::Outcome Writer::arm() {
  if (std::exchange(armed_, true)) return Outcome::done;
  return Outcome::arm;
}

/// What waits is lost, and the stream ends in the middle of a frame; close() clears the rest away.
Writer::Outcome Writer::out_of_memory() noexcept {
  closed_ = true;
  current_ = {};
  current_kind_ = Current::none;
  return Outcome::broken;
}

Writer::Outcome Writer::send(std::span<iovec> frames) {
  const MutexLock lock(mutex_);
  if (closed_) return Outcome::done;
  try {
    return send_or_copy(frames);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

Writer::Outcome Writer::send_or_copy(std::span<iovec> frames) {
  if (idle()) {
    if (send_some(frames) < 0) return Outcome::broken;
    if (frames.empty()) return Outcome::done;
  }
  copy(frames);
  return waiting_.size() > kMostCopied ? Outcome::overrun : arm();
}

Writer::Outcome Writer::send(TaskPtr& task) {
  const MutexLock lock(mutex_);
  if (closed_) return Outcome::done;
  try {
    return send_or_keep(task);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

Writer::Outcome Writer::send_or_keep(TaskPtr& task) {
  wire::FrameEncoder& reply = task->reply;
  std::span<iovec> frame = reply.frame();
  if (!reply.payload_follows()) {
    if (idle()) {
      descriptor_ = task->descriptor.get();
      if (send_some(frame) < 0) return Outcome::broken;
      if (frame.empty()) return Outcome::done;
    }
    const bool gone = !task->descriptor || (idle() && descriptor_ < 0);
    if (gone && total(frame) <= kCopiedRest) {
      copy(frame);
      return arm();
    }
  }
  add_queued(total(frame));
  if (idle()) {
    current_ = frame;  // maybe sent in part already
    current_kind_ = Current::reply;
    replies_.push_back({std::move(task), true});
  } else {
    replies_.push_back({std::move(task), false});
  }
  return arm();
}

/// Makes the next frames current_. False: there are none.
bool Writer::next_frame(std::vector<TaskPtr>& sent) {
  if (current_kind_ == Current::reply) {
    LongReply reply = std::move(replies_.front());
    replies_.pop_front();
    if (reply.task->reply.payload_follows()) {
      replies_.push_back(std::move(reply));
    } else {
      sent.push_back(std::move(reply.task));
    }
  }
  current_kind_ = Current::none;
  if (sending_.capacity() > kKeptCapacity) std::vector<std::byte>().swap(sending_);
  sending_.clear();
  if (!waiting_.empty()) {
    std::swap(sending_, waiting_);
    bytes_ = {sending_.data(), sending_.size()};
    current_ = {&bytes_, 1};
    current_kind_ = Current::bytes;
    return true;
  }
  while (!replies_.empty()) {
    LongReply& reply = replies_.front();
    if (std::exchange(reply.started, true)) {
      current_ = reply.task->reply.next_data_frame();
      add_queued(total(current_));
    } else {
      current_ = reply.task->reply.frame();
      descriptor_ = reply.task->descriptor.get();
    }
    if (!current_.empty()) {
      current_kind_ = Current::reply;
      return true;
    }
    sent.push_back(std::move(reply.task));
    replies_.pop_front();
  }
  return false;
}

Writer::Outcome Writer::drain(std::vector<TaskPtr>& sent) {
  for (std::uint64_t bytes = 0; bytes < kFlushBytes;) {
    if (current_.empty() && !next_frame(sent)) return Outcome::done;
    const std::ptrdiff_t count = send_some(current_);
    if (count < 0) return Outcome::broken;
    if (count == 0) return arm();
    progress_ns_ = now_ns();
    sub_queued(static_cast<std::uint64_t>(count));
    bytes += static_cast<std::uint64_t>(count);
  }
  return arm();
}

Writer::Flushed Writer::flush() {
  Flushed flushed;
  const MutexLock lock(mutex_);
  armed_ = false;
  if (closed_) return flushed;
  try {
    flushed.outcome = drain(flushed.sent);
  } catch (const std::bad_alloc&) {
    flushed.outcome = out_of_memory();
  }
  if (queued_ <= kBacklogBytes) std::swap(flushed.released, held_);
  return flushed;
}

bool Writer::hold(TaskPtr& task) {
  const MutexLock lock(mutex_);
  if (closed_ || queued_ <= kBacklogBytes) return false;
  held_.push_back(std::move(task));
  return true;
}

bool Writer::pending() const {
  const MutexLock lock(mutex_);
  return !idle();
}

bool Writer::stalled(std::int64_t now) const {
  const MutexLock lock(mutex_);
  return queued_ != 0 && now - progress_ns_ >= kStallNs;
}

std::vector<TaskPtr> Writer::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  std::vector<TaskPtr> gone;
  std::swap(gone, held_);
  for (LongReply& reply : replies_) gone.push_back(std::move(reply.task));
  replies_.clear();
  current_ = {};
  current_kind_ = Current::none;
  descriptor_ = -1;
  std::vector<std::byte>().swap(sending_);
  std::vector<std::byte>().swap(waiting_);
  queued_ = 0;
  backlogged_.store(false, std::memory_order_relaxed);
  return gone;
}

}  // namespace vac::agent
