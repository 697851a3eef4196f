// SPDX-License-Identifier: Apache-2.0
// What the harnesses share. A harness defines fuzz_one(); entry.cpp makes it libFuzzer's.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "call/op_table.hpp"
#include "support/random.hpp"

namespace vac::fuzz {

/// One input, in memory of exactly its size. Runs the parser under test and requires what must hold
/// whatever the input is. Keeps nothing that the next input could see.
void fuzz_one(std::span<const std::byte> input);

/// For harnesses whose inputs plain bytes would never become: makes the `size` bytes at the front
/// of `room` another input and returns its size, at most room.size(). Only a harness that asks for
/// it in CMakeLists.txt (MUTATES) defines it.
std::size_t mutate(std::span<std::byte> room, std::size_t size, test::Random& random);
/// libFuzzer's own mutation of bytes, for use in mutate().
std::size_t mutate_bytes(std::span<std::byte> room, std::size_t size);

/// Ends the program: it is libFuzzer's to keep the input.
[[noreturn]] void finding(std::string_view what);

inline void require(bool holds, std::string_view what) {
  if (!holds) [[unlikely]]
    finding(what);
}

/// Errors are for people: one line of printable text, not empty, of bounded length.
void require_text(const Error& error);
void require_text(std::string_view text);

/// An input read from front to back; behind its end everything is zero or empty. Two reads belong
/// into two statements: compilers differ in which argument of a function they read first. A value.
class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : left_(bytes) {}

  bool empty() const noexcept { return left_.empty(); }
  std::size_t size() const noexcept { return left_.size(); }

  template <class Integer>
    requires std::is_integral_v<Integer>
  Integer take() {
    Integer value = 0;
    const auto from = bytes(sizeof value);
    if (!from.empty()) std::memcpy(&value, from.data(), from.size());
    return value;
  }
  /// 0 to limit - 1, of one byte.
  std::size_t below(std::size_t limit) { return take<std::uint8_t>() % limit; }

  std::span<const std::byte> bytes(std::size_t count) {
    const auto taken = left_.first(count < left_.size() ? count : left_.size());
    left_ = left_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> rest() { return bytes(left_.size()); }
  std::string_view text(std::size_t count) { return text_of(bytes(count)); }

  static std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> left_;
};

/// The operation that a byte of an input stands for: the one of that id, so that inputs keep their
/// meaning when operations are added, or else some other.
inline const Op& op_of(std::uint8_t number) {
  const Op* const op = find_op(number);
  return op != nullptr ? *op : all_ops()[number % all_ops().size()];
}

}  // namespace vac::fuzz
