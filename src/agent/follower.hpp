// SPDX-License-Identifier: Apache-2.0
// When a thread that stays with a connection moves to where its client calls.
#pragma once

namespace vac::agent {

/// A wake-up on another processor takes several times as long. The system moves threads as well,
/// for its own reasons, so this one is not moved at once, and not back all the time. Not
/// thread-safe.
class Follower {
 public:
  static constexpr int kFirst = 4;   ///< receives in a row on another processor
  static constexpr int kLater = 64;  ///< the same, after the first move

  /// After each receive: whether to move from `here` to `there`.
  bool is_to_move(int there, int here) noexcept {
    if (there == here) {
      apart_ = 0;
      return false;
    }
    if (++apart_ < patience_) return false;
    apart_ = 0;
    patience_ = kLater;
    return true;
  }

 private:
  int apart_ = 0;
  int patience_ = kFirst;
};

}  // namespace vac::agent
