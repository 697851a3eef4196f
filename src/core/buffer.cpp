// SPDX-License-Identifier: Apache-2.0
#include "core/buffer.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/process_number.hpp"
#include "base/text.hpp"
#include "core/contained.hpp"
#include "core/plugin.hpp"

namespace vac::core {
namespace {

/// What is wrong with what a plugin gave; empty: nothing.
std::string view_fault(const vac_buffer_view& view, std::uint64_t bytes) {
  if (view.data == nullptr) return concat("gave a buffer of ", bytes, " bytes at NULL");
  if (view.bytes < bytes) {
    return concat("gave a buffer of ", view.bytes, " bytes where ", bytes, " were asked for");
  }
  if (reinterpret_cast<std::uintptr_t>(view.data) % kBufferAlignment != 0) {
    return concat("gave a buffer that is not aligned to ", kBufferAlignment, " bytes");
  }
  return {};
}

/// aligned_alloc() wants whole units.
void* allocate(std::uint64_t bytes) noexcept {
  const std::size_t unit = bytes < kPageAlignment ? kBufferAlignment : kPageAlignment;
  if (bytes > std::uint64_t{PTRDIFF_MAX} - unit) return nullptr;
  const std::uint64_t room = (std::max<std::uint64_t>(bytes, 1) + unit - 1) & ~(unit - 1);
  return std::aligned_alloc(unit, static_cast<std::size_t>(room));
}

}  // namespace

std::unique_ptr<LentBuffer> BufferSource::lend(std::uint64_t bytes) {
  const vac_plugin& table = plugin_->table();
  auto lent = std::make_unique<LentBuffer>();
  bool threw = true;
  clear_thread_error();
  const int code = contained("buffer_alloc", [&] {
    const int answer = table.buffer_alloc(plugin_->state(), session_state_, bytes, &lent->view);
    threw = false;
    return answer;
  });
  const std::string told = take_thread_error();
  if (code == VAC_OK) {
    const std::string fault = view_fault(lent->view, bytes);
    if (fault.empty()) return lent;
    if (plugin_->first_complaint(Plugin::Complaint::buffer)) {
      log_error("plugin '", plugin_->name(), "' ", fault,
                ": it is given back, and ordinary memory used; not said again");
    }
    free(session_state_, *lent);
  } else if (threw && plugin_->first_complaint(Plugin::Complaint::buffer)) {
    log_error("plugin '", plugin_->name(), "': ", told,
              ": ordinary memory is used; not said again");
  }
  return nullptr;
}

void BufferSource::free(void* session_state, const LentBuffer& lent) const noexcept {
  contained_void(plugin_->name(), "buffer_free", [&] {
    plugin_->table().buffer_free(plugin_->state(), session_state, &lent.view);
  });
}

void BufferSource::give_back(std::unique_ptr<LentBuffer> lent) noexcept {
  MutexLock lock(mutex_);
  if (state_ == State::closing) {
    // Not to wait: session_close may itself wait for the thread that this is.
    lent->next = std::move(kept_);
    kept_ = std::move(lent);
    return;
  }
  const bool open = state_ == State::open;
  if (open) ++returning_;
  lock.unlock();
  free(open ? session_state_ : nullptr, *lent);
  if (!open) return;
  lock.lock();
  if (--returning_ == 0) returned_.notify_all();
}

void BufferSource::begin_close() noexcept {
  const MutexLock lock(mutex_);
  state_ = State::closing;
  while (returning_ != 0) returned_.wait(mutex_);
}

void BufferSource::end_close() noexcept {
  std::unique_ptr<LentBuffer> kept;
  {
    const MutexLock lock(mutex_);
    state_ = State::closed;
    kept = std::move(kept_);
  }
  while (kept != nullptr) {
    free(nullptr, *kept);
    kept = std::move(kept->next);
  }
}

Result<std::unique_ptr<Buffer>> Buffer::create(const std::shared_ptr<BufferSource>& source,
                                               std::uint64_t bytes) {
  std::unique_ptr<Buffer> buffer(new Buffer(bytes));
  if (source != nullptr && bytes != 0) {
    buffer->process_ = take_process_number();
    buffer->source_ = source;
    buffer->lent_ = source->lend(bytes);
  }
  if (buffer->lent_ == nullptr) {
    buffer->source_ = nullptr;
    buffer->heap_.reset(allocate(bytes));
    if (buffer->heap_ == nullptr) {
      return Error{Errc::no_memory, concat("no memory for ", bytes, " bytes")};
    }
  }
  std::memset(buffer->data(), 0, static_cast<std::size_t>(bytes));
  return buffer;
}

Buffer::~Buffer() {
  // The plugin's locks may have been held at the time of a fork(), and its memory is the parent's.
  if (lent_ == nullptr || process_ != process_number()) return;
  source_->give_back(std::move(lent_));
}

}  // namespace vac::core
