// SPDX-License-Identifier: Apache-2.0
#include "memory_counter.hpp"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstddef>

// glibc's own, under the names that it keeps for interposers.
extern "C" {
void* libc_malloc(std::size_t bytes) __asm__("__libc_malloc");
void* libc_calloc(std::size_t count, std::size_t bytes) __asm__("__libc_calloc");
void* libc_realloc(void* memory, std::size_t bytes) __asm__("__libc_realloc");
void* libc_memalign(std::size_t alignment, std::size_t bytes) __asm__("__libc_memalign");
}

namespace vac::test {
namespace {

constinit MemoryCounter own_counter;
constinit std::atomic<MemoryCounter*> counter{&own_counter};

void count_allocation() noexcept {
  counter.load(std::memory_order_relaxed)->allocations.fetch_add(1, std::memory_order_relaxed);
}
void count_mapping() noexcept {
  counter.load(std::memory_order_relaxed)->mappings.fetch_add(1, std::memory_order_relaxed);
}

/// Where the test wants to read along.
[[gnu::constructor]] void count_in_file() noexcept {
  const char* const path = ::getenv(kMemoryCounterFile);
  if (path == nullptr) return;
  const int file = ::open(path, O_RDWR | O_CLOEXEC);
  void* const shared =
      reinterpret_cast<void*>(::syscall(SYS_mmap, nullptr, sizeof(MemoryCounter),
                                        PROT_READ | PROT_WRITE, MAP_SHARED, file, off_t{0}));
  ::close(file);
  if (shared == MAP_FAILED) ::abort();
  counter = static_cast<MemoryCounter*>(shared);
}

}  // namespace

MemoryCounter& memory_counter() noexcept { return *counter.load(); }

}  // namespace vac::test

// What follows takes the place of libc's functions.
using vac::test::count_allocation;
using vac::test::count_mapping;

#pragma GCC visibility push(default)
extern "C" {

void* malloc(std::size_t bytes) noexcept {
  count_allocation();
  return libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  count_allocation();
  return libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
  count_allocation();
  return libc_realloc(memory, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  count_allocation();
  return libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  count_allocation();
  return libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
  count_allocation();
  *memory = libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}

void* mmap(void* address, std::size_t bytes, int protection, int flags, int file,
           off_t offset) noexcept {
  count_mapping();
  return reinterpret_cast<void*>(
      ::syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
}
int munmap(void* address, std::size_t bytes) noexcept {
  count_mapping();
  return static_cast<int>(::syscall(SYS_munmap, address, bytes));
}
int madvise(void* address, std::size_t bytes, int advice) noexcept {
  count_mapping();
  return static_cast<int>(::syscall(SYS_madvise, address, bytes, advice));
}

}  // extern "C"
#pragma GCC visibility pop
