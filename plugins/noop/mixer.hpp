// SPDX-License-Identifier: Apache-2.0
// A fast mixing function in which every bit counts, and a stream of numbers that follows from a
// seed. No cryptography.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace vac::noop {

/// Takes words and bytes in order. Each step is a bijection of the state, so inputs that differ in
/// one word never meet again.
class Mixer {
 public:
  void word(std::uint64_t word) noexcept { state_ = step(state_, word); }

  /// The length is part of it.
  void bytes(const void* data, std::size_t size) noexcept {
    word(size);
    const auto* from = static_cast<const unsigned char*>(data);
    if (size >= kBlock) from = bulk(from, size);
    std::size_t rest = size % kBlock;
    for (; rest >= sizeof(std::uint64_t); rest -= sizeof(std::uint64_t)) {
      word(load(from, sizeof(std::uint64_t)));
      from += sizeof(std::uint64_t);
    }
    if (rest != 0) word(load(from, rest));
  }

  std::uint64_t value() const noexcept { return step(state_, 0); }

 private:
  static std::uint64_t step(std::uint64_t state, std::uint64_t word) noexcept {
    state = (state ^ word) * 0x9e3779b97f4a7c15U;
    return state ^ state >> 29U;
  }
  static std::uint64_t load(const unsigned char* from, std::size_t size) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, from, size);
    return word;
  }
  /// Four chains at once: the multiplications of one wait for each other, those of four do not.
  const unsigned char* bulk(const unsigned char* from, std::size_t size) noexcept {
    std::uint64_t a = state_;
    std::uint64_t b = state_;
    std::uint64_t c = state_;
    std::uint64_t d = state_;
    for (std::size_t left = size; left >= kBlock; left -= kBlock, from += kBlock) {
      a = step(a, load(from, 8));
      b = step(b, load(from + 8, 8));
      c = step(c, load(from + 16, 8));
      d = step(d, load(from + 24, 8));
    }
    for (const std::uint64_t lane : {a, b, c, d}) word(lane);
    return from;
  }

  static constexpr std::size_t kBlock = 32;

  std::uint64_t state_ = 0x243f6a8885a308d3U;
};

/// Numbers that follow from a seed (splitmix64).
class Stream {
 public:
  explicit Stream(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t word = state_ += 0x9e3779b97f4a7c15U;
    word = (word ^ word >> 30U) * 0xbf58476d1ce4e5b9U;
    word = (word ^ word >> 27U) * 0x94d049bb133111ebU;
    return word ^ word >> 31U;
  }
  /// 0 to limit - 1.
  std::uint64_t below(std::uint64_t limit) noexcept { return next() % limit; }

 private:
  std::uint64_t state_;
};

}  // namespace vac::noop
