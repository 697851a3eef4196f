// SPDX-License-Identifier: Apache-2.0
#include "base/process_number.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace vac {
namespace {

using Word = std::atomic<std::uint32_t>;

constexpr Word kNone{0};
/// Where no page can be had: a handler of fork() does what the kernel would.
Word without_page{0};

/// In ordinary memory, which a child inherits.
std::atomic<std::uint32_t> last_number{0};

void zero_in_child() { without_page.store(0); }

Word* map_word(std::size_t bytes) noexcept {
  void* const page =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (::madvise(page, bytes, MADV_WIPEONFORK) == 0) return new (page) Word(0);
  ::munmap(page, bytes);  // a kernel before 4.14
  return nullptr;
}

}  // namespace

std::atomic<const Word*> detail::process_word{&kNone};

std::uint32_t take_process_number() noexcept {
  const Word* known = detail::process_word.load();
  if (known == &kNone) {
    const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    Word* made = map_word(bytes);
    const bool mapped = made != nullptr;
    if (!mapped) {
      ::pthread_atfork(nullptr, nullptr, zero_in_child);
      made = &without_page;
    }
    if (detail::process_word.compare_exchange_strong(known, made)) {
      known = made;
    } else if (mapped) {
      ::munmap(made, bytes);
    }
  }
  auto& word = const_cast<Word&>(*known);  // it is one of the two above
  std::uint32_t number = word.load();
  if (number == 0) {
    const std::uint32_t next = last_number.fetch_add(1) + 1;
    if (word.compare_exchange_strong(number, next)) number = next;
  }
  return number;
}

}  // namespace vac
