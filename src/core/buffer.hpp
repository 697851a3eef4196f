// SPDX-License-Identifier: Apache-2.0
// Memory that a session gives out: of a plugin that has some which calls need not copy, else of the
// heap.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/mutex.hpp"

namespace vac::core {

class Plugin;

/// Buffers are aligned to this, those of a page and more to a page.
inline constexpr std::size_t kBufferAlignment = 64;
inline constexpr std::size_t kPageAlignment = 4096;

/// What a plugin has lent, on its way back to it.
struct LentBuffer {
  vac_buffer_view view{};
  std::unique_ptr<LentBuffer> next;
};

/// The plugin that a session has its buffers from, which stays open as long as one of them lives.
/// Thread-safe. Shared by the session and the buffers that the plugin lent.
class BufferSource {
 public:
  BufferSource(std::shared_ptr<Plugin> plugin, void* session_state)
      : plugin_(std::move(plugin)), session_state_(session_state) {}

  /// nullptr: the plugin has none to give, or what it gave is no buffer of that size.
  std::unique_ptr<LentBuffer> lend(std::uint64_t bytes);
  void give_back(std::unique_ptr<LentBuffer> lent) noexcept VAC_EXCLUDES(mutex_);

  const Plugin* plugin() const noexcept { return plugin_.get(); }
  /// Around the plugin's session_close: until the one has returned no buffer comes back to the
  /// plugin with its session, from the other on they come without, those of the meantime first.
  void begin_close() noexcept VAC_EXCLUDES(mutex_);
  void end_close() noexcept VAC_EXCLUDES(mutex_);

 private:
  enum class State : std::uint8_t { open, closing, closed };
  void free(void* session_state, const LentBuffer& lent) const noexcept;

  const std::shared_ptr<Plugin> plugin_;  // shared with the runtime and other sources
  void* const session_state_;
  Mutex mutex_;
  CondVar returned_;
  State state_ VAC_GUARDED_BY(mutex_) = State::open;
  std::uint32_t returning_ VAC_GUARDED_BY(mutex_) = 0;       // with the session, just now
  std::unique_ptr<LentBuffer> kept_ VAC_GUARDED_BY(mutex_);  // came while it was closing
};

/// Made by Session::new_buffer(). May outlive its session and its runtime. In a child of fork() its
/// destructor leaves alone what a plugin lent to the parent. Any thread may destroy it; what lies
/// in it is the caller's.
class Buffer {
 public:
  /// Zeroed. `source` may be nullptr: heap. VAC_ENOMEM where there is no memory.
  static Result<std::unique_ptr<Buffer>> create(const std::shared_ptr<BufferSource>& source,
                                                std::uint64_t bytes);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  /// Never nullptr.
  void* data() const noexcept { return lent_ == nullptr ? heap_.get() : lent_->view.data; }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  explicit Buffer(std::uint64_t bytes) : bytes_(bytes) {}

  const std::uint64_t bytes_;
  std::unique_ptr<void, Free> heap_;
  std::unique_ptr<LentBuffer> lent_;
  std::shared_ptr<BufferSource> source_;  // of what is lent
  std::uint32_t process_ = 0;             // that it is lent to
};

}  // namespace vac::core
