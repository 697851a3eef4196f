// SPDX-License-Identifier: Apache-2.0
// For one source of a test program: operator new of the program, which libvac and its plugins use
// as well, fails when the test says so. Not with ThreadSanitizer, which keeps operator new for
// itself.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

#include "support/memory_may_run_out.hpp"

namespace vac::test {

/// Lets a number of allocations of all threads succeed; of the later ones the first fails, or each.
/// Until its end; one at a time.
class StarvedMemory {
 public:
  enum class Fails : bool { one, all };

  StarvedMemory(long room, Fails which) {
    fails = which;
    left = room;
  }
  ~StarvedMemory() { left = kEnough; }
  StarvedMemory(const StarvedMemory&) = delete;
  StarvedMemory& operator=(const StarvedMemory&) = delete;

  /// Whether an allocation has failed so far.
  static bool felt() noexcept { return left.load() < 0; }

  static void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    if (left.load(std::memory_order_relaxed) != kEnough) {
      const long before = left.fetch_sub(1);
      if (before == 0 || (before < 0 && fails.load() == Fails::all)) return nullptr;
    }
    void* memory = nullptr;
    return ::posix_memalign(&memory, alignment, bytes == 0 ? 1 : bytes) == 0 ? memory : nullptr;
  }
  static void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
    void* const memory = allocate(bytes, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }

 private:
  static constexpr long kEnough = std::numeric_limits<long>::max();
  static inline std::atomic<long> left{kEnough};
  static inline std::atomic<Fails> fails{Fails::all};
};

inline constexpr std::size_t kUsualAlignment = alignof(std::max_align_t);

}  // namespace vac::test

// NOLINTBEGIN(misc-definitions-in-headers): of one source
void* operator new(std::size_t bytes) {
  return vac::test::StarvedMemory::allocate_or_throw(bytes, vac::test::kUsualAlignment);
}
void* operator new[](std::size_t bytes) {
  return vac::test::StarvedMemory::allocate_or_throw(bytes, vac::test::kUsualAlignment);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return vac::test::StarvedMemory::allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return vac::test::StarvedMemory::allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return vac::test::StarvedMemory::allocate(bytes, vac::test::kUsualAlignment);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return vac::test::StarvedMemory::allocate(bytes, vac::test::kUsualAlignment);
}
void operator delete(void* memory) noexcept { ::free(memory); }
void operator delete[](void* memory) noexcept { ::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { ::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { ::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { ::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { ::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { ::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { ::free(memory); }
// NOLINTEND(misc-definitions-in-headers)
