// SPDX-License-Identifier: Apache-2.0
// Tells a process from the child that it forked: what belongs to the parent must not be used there.
#pragma once

#include <atomic>
#include <cstdint>

namespace vac {
namespace detail {

/// A word that the kernel zeroes in the child of a fork(). Set by take_process_number(), until then
/// a constant 0.
extern std::atomic<const std::atomic<std::uint32_t>*> process_word;

}  // namespace detail

/// The number of this process: 0 before take_process_number(), in a child of fork() as well. Any
/// thread; two loads.
inline std::uint32_t process_number() noexcept {
  return detail::process_word.load(std::memory_order_relaxed)->load(std::memory_order_relaxed);
}

/// The number of this process, which it takes if it has none: 1, and more in children of processes
/// that took one. Takes no lock, so that a child can call it whatever its parent's threads did.
std::uint32_t take_process_number() noexcept;

}  // namespace vac
