// SPDX-License-Identifier: Apache-2.0
// Memory shared with the agent: the agent makes it, this side maps it and gives it out.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "base/errno_error.hpp"
#include "base/text.hpp"
#include "connection.hpp"
#include "control_call.hpp"

namespace vac::remote {
namespace {

constexpr std::size_t kProofBytes = 16;

/// Whether memory behind the descriptor stays as large as that: else reading it could be a SIGBUS.
bool keeps_its_size(const Fd& memory, std::uint64_t bytes) noexcept {
  struct stat status{};
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && ::fstat(memory.get(), &status) == 0 &&
         status.st_size >= 0 && static_cast<std::uint64_t>(status.st_size) >= bytes;
}

/// The question for a region and its answer.
class RegionOpen : public ControlCall {
 public:
  RegionOpen(std::uint64_t bytes, std::int64_t deadline_ns) noexcept
      : ControlCall(Control::region_open, deadline_ns) {
    in_u64(bytes);
    in_u32(static_cast<std::uint32_t>(wire::RegionKind::memfd));
    out_u32();
    out_u32();
    out_u64();
    out_u64();
  }
  std::uint32_t id() const noexcept { return static_cast<std::uint32_t>(value(2)); }
  std::uint64_t granted_bytes() const noexcept { return value(4); }
};

/// Whether the agent would say the same again and again.
bool is_final(Errc refusal) noexcept {
  return refusal == Errc::not_supported || refusal == Errc::protocol ||
         refusal == Errc::access_denied || refusal == Errc::invalid;
}

}  // namespace

std::unique_ptr<RegionBuffer> Connection::new_buffer(std::uint64_t bytes, std::int64_t timeout_ns) {
  if (arena_ == nullptr || bytes == 0) return nullptr;
  if (auto buffer = arena_->allocate(bytes)) return buffer;
  const std::int64_t patience_ns =
      timeout_ns == 0 ? times_.new_region : std::min(timeout_ns, times_.new_region);
  const std::int64_t deadline_ns = now_ns() + patience_ns;
  const MutexLock lock(growth_);
  // Whoever was here before may have brought one.
  if (auto buffer = arena_->allocate(bytes)) return buffer;
  const std::optional<std::uint64_t> wanted = arena_->next_region_bytes(bytes);
  const std::int64_t now = now_ns();
  if (!wanted || now < refused_until_ns_ || now >= deadline_ns) return nullptr;
  if (region_unanswered()) return nullptr;
  Status opened = open_region(*wanted, deadline_ns);
  if (opened) return arena_->allocate(bytes);
  if (is_final(opened.error().code())) {
    arena_->close_growth();
  } else {
    refused_until_ns_ = now_ns() + times_.region_refusal;
  }
  return nullptr;
}

/// Lets the answer to the next question bring its descriptor. Whoever reads right now has begun
/// without a place for one: the answer to a ping ends that.
Status Connection::accept_descriptor(std::int64_t deadline_ns) {
  bool read_already = false;
  {
    const MutexLock lock(mutex_);
    channel_->accept_descriptors(true);
    read_already = leading_;
  }
  if (!read_already) return {};
  ControlCall ping(Control::ping, deadline_ns);
  return run(ping.call(), nullptr);
}

Status Connection::open_region(std::uint64_t bytes, std::int64_t deadline_ns) {
  RegionOpen open(bytes, deadline_ns);
  Status answered = accept_descriptor(deadline_ns);
  if (answered) answered = run(open.call(), nullptr);
  Fd memory = channel_->take_descriptor();
  // A late answer does it itself.
  if (!region_unanswered()) channel_->accept_descriptors(false);
  if (!answered) return answered;
  // Mapping takes all of the memory: never more than what was asked for.
  Status mapped = Error{Errc::protocol, "the agent granted another size than it was asked for"};
  if (open.granted_bytes() == bytes) {
    mapped = map_region(open.id(), std::move(memory), bytes, deadline_ns);
  }
  if (!mapped) give_back({Control::region_drop, open.id()});
  return mapped;
}

Status Connection::map_region(std::uint32_t id, Fd memory, std::uint64_t bytes,
                              std::int64_t deadline_ns) {
  if (!memory) return Error{Errc::protocol, "the agent sent no descriptor of a region"};
  if (bytes < kProofBytes || bytes > SIZE_MAX || !keeps_its_size(memory, bytes)) {
    return Error{Errc::protocol, "the agent sent memory that is smaller than its region"};
  }
  void* const mapped = ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_POPULATE, memory.get(), 0);
  if (mapped == MAP_FAILED) return errno_error(errno, "cannot map a region");
  auto region = std::make_unique<MappedRegion>(static_cast<std::byte*>(mapped), bytes, id);
  ControlCall ready(Control::region_ready, deadline_ns);
  ready.in_u32(id);
  ready.in_bytes(region->base(), kProofBytes);
  VAC_CHECK(run(ready.call(), nullptr));
  return arena_->add(std::move(region));
}

/// Whether a question is in flight that nobody waits for any more. Another one would let two
/// descriptors come, and an agent that answers none would have all places taken in the end.
bool Connection::region_unanswered() {
  const MutexLock lock(mutex_);
  bool found = false;
  for (const Place& place : table_.places()) {
    found = found || (table_.occupied(place) && place.abandoned &&
                      place.op->id == static_cast<std::uint32_t>(Control::region_open));
  }
  return found;
}

/// The leader has the answer to such a question: what it grants goes back with one of the next
/// calls. False: it broke the protocol.
bool Connection::return_late_region(const Place& place) {
  (void)channel_->take_descriptor();
  channel_->accept_descriptors(false);
  if (reader_.header().code != VAC_OK) return true;
  RegionOpen late(0, 0);
  Scatter no_payload;
  std::vector<IncomingStrings> no_strings;
  const Status planned =
      plan_.make(*place.op, reader_.head(), late.call(), nullptr, {}, no_payload, no_strings);
  if (!planned) return breach(planned.error().text());
  const MutexLock lock(mutex_);
  queue_drop({Control::region_drop, late.id()});
  return true;
}

void Connection::return_regions() noexcept {
  if (arena_ == nullptr || !arena_->has_surplus()) return;
  try {
    for (std::unique_ptr<MappedRegion>& region :
         arena_->take_surplus(now_ns(), times_.region_idle)) {
      const std::uint32_t id = region->id();
      region.reset();
      give_back({Control::region_drop, id});
    }
  } catch (const std::bad_alloc&) {  // who looks next tries again
  }
}

/// The same by who must not wait: whoever gathers sends them.
void Connection::queue_surplus() noexcept {
  if (arena_ == nullptr || !arena_->has_surplus()) return;
  try {
    for (std::unique_ptr<MappedRegion>& region :
         arena_->take_surplus(now_ns(), times_.region_idle)) {
      const std::uint32_t id = region->id();
      region.reset();
      const MutexLock lock(mutex_);
      queue_drop({Control::region_drop, id});
    }
  } catch (const std::bad_alloc&) {  // who looks next tries again
  }
}

void Connection::end_pins(Place& place) {
  for (const Arena::Pin& pin : place.pins) arena_->unpin(pin);
  place.pins.clear();
}

}  // namespace vac::remote
