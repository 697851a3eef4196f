// SPDX-License-Identifier: Apache-2.0
// A call that its plugin has taken, so that no thread waits for it in submit.
#pragma once

#include <vac/plugin.h>

#include <array>
#include <cstddef>
#include <memory>

namespace vac::core {

class Session;

/// What is to become of a call that Session::start() has begun, and what core keeps of it
/// meanwhile. Its owner keeps it, the call, the context and all that they point to until on_end().
class TakenCall {
 public:
  /// Told once, with the final code, by any thread, maybe before start() has returned; the context
  /// says more of a failure. The thread has more to do: it must not be kept, and no function of the
  /// program's belongs here. Nothing of the call is touched afterwards.
  virtual void on_end(int code) noexcept = 0;

 protected:
  TakenCall() = default;
  ~TakenCall() = default;

 private:
  friend class Session;
  static constexpr std::size_t kMostArguments = 16;

  Session* session_ = nullptr;
  std::array<void*, kMostArguments> resource_states_;  // as many as there are resources are set
  std::unique_ptr<vac_arg[]> before_;  // the records of a call that has results, as they were
};

}  // namespace vac::core
