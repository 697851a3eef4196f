// SPDX-License-Identifier: Apache-2.0
// What the opaque handles of the C interface are.
#pragma once

#include <vac/async.h>
#include <vac/buffer.h>
#include <vac/call.h>
#include <vac/resource.h>
#include <vac/session.h>
#include <vac/tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/futex_word.hpp"
#include "base/mutex.hpp"
#include "core/buffer.hpp"
#include "core/call_context.hpp"
#include "core/session.hpp"

namespace vac::capi {

class Completions;
class Submission;

/// A program's function, told how far its session's work is. Set while nothing is done with the
/// session.
struct ProgressListener final : core::ProgressSink {
  vac_progress_function function = nullptr;
  void* user = nullptr;

  void progress(std::uint64_t done, std::uint64_t total) noexcept override {
    function(user, VAC_PROGRESS_CALL, done, total);
  }
};

}  // namespace vac::capi

/// Owns its resources that are still open, so that they end before it. What is open has a core; the
/// memory of a closed handle stays (HandlePool).
struct vac_session {
  std::atomic<vac::core::Session*> core{nullptr};
  std::uint32_t process = 0;  ///< that opened it
  vac::capi::ProgressListener progress;
  vac::Mutex mutex;
  std::set<vac_resource*> resources VAC_GUARDED_BY(mutex);
  vac::FutexWord submissions;  ///< calls that are under way without a thread of the application
  vac_session* next_closed = nullptr;
};

struct vac_resource {
  std::atomic<vac::core::Resource*> core{nullptr};
  vac_session* session = nullptr;
  vac_resource* next_closed = nullptr;
};

struct vac_call_handle {
  std::atomic<vac::capi::Submission*> submission{nullptr};  ///< nullptr: finished
  std::uint32_t process = 0;                                ///< that submitted it
  vac_call_handle* next_closed = nullptr;
};

struct vac_completions {
  std::shared_ptr<vac::capi::Completions> queue;  // shared with the calls that are to come there
  std::uint32_t process;                          ///< that made it
};

struct vac_buffer {
  std::shared_ptr<vac::core::Buffer> memory;  // shared with the tensors in it; never nullptr
};

struct vac_tensor {
  std::uint8_t type = VAC_NONE;
  std::uint8_t rank = 0;
  bool owns_data = false;
  std::int64_t dims[VAC_MAX_RANK] = {};
  void* data = nullptr;
  std::uint64_t bytes = 0;
  std::shared_ptr<vac::core::Buffer> buffer;  // that it lies in; shared with others that do

  std::span<const std::int64_t> shape() const noexcept { return {dims, rank}; }
};

namespace vac::capi {

/// A tensor with memory of its own, zeroed where asked for. nullptr: no memory.
vac_tensor* make_tensor(std::uint8_t type, std::span<const std::int64_t> dims, std::uint64_t bytes,
                        bool zeroed) noexcept;
/// "f32 [1,3,224,224]"
std::string describe_tensor(std::uint8_t type, std::span<const std::int64_t> dims);

}  // namespace vac::capi
