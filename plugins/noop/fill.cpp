// SPDX-License-Identifier: Apache-2.0
#include "fill.hpp"

#include <vac/call.h>

#include <algorithm>
#include <cstring>

namespace vac::noop {
namespace {

/// Which bits of an element are free, which others are set in a new one, and which is the sign;
/// repeated over 64 bits.
struct Pattern {
  std::uint64_t free, fixed, sign;
};

// Floating point: the fraction is free and the exponent that of 1.0, so that every value is finite.
Pattern pattern_of(std::uint8_t type) noexcept {
  switch (type) {
    case VAC_BOOL:
      return {0x0101010101010101U, 0, 0};
    case VAC_F16:
      return {0x03ff03ff03ff03ffU, 0x3c003c003c003c00U, 0x8000800080008000U};
    case VAC_BF16:
      return {0x007f007f007f007fU, 0x3f803f803f803f80U, 0x8000800080008000U};
    case VAC_F32:
    case VAC_C64:
      return {0x007fffff007fffffU, 0x3f8000003f800000U, 0x8000000080000000U};
    case VAC_F64:
    case VAC_C128:
      return {0x000fffffffffffffU, 0x3ff0000000000000U, 0x8000000000000000U};
    default:
      return {~std::uint64_t{0}, 0, 0};
  }
}

template <class Word>
void each_word(void* data, std::size_t bytes, const Word& word_of) noexcept {
  auto* to = static_cast<unsigned char*>(data);
  while (bytes != 0) {
    const std::size_t size = std::min(bytes, sizeof(std::uint64_t));
    std::uint64_t word = 0;
    std::memcpy(&word, to, size);
    word = word_of(word);
    std::memcpy(to, &word, size);
    to += size;
    bytes -= size;
  }
}

void fill_text(void* data, std::size_t bytes, Stream stream) noexcept {
  static constexpr char kLetters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  auto* to = static_cast<char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) to[i] = kLetters[stream.below(sizeof kLetters - 1)];
}

void change_text(void* data, std::size_t bytes, Stream stream) noexcept {
  auto* text = static_cast<unsigned char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) {
    const bool printable = text[i] >= 0x20 && text[i] < 0x7e;
    if (printable) text[i] ^= static_cast<unsigned char>(stream.next() & 1U);
  }
}

}  // namespace

std::size_t width_of(std::uint8_t type) noexcept {
  constexpr unsigned char kWidths[] = {1, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return type < sizeof kWidths ? kWidths[type] : 1;
}

void fill(std::uint8_t type, void* data, std::size_t bytes, Stream stream) noexcept {
  if (type == VAC_CHAR) return fill_text(data, bytes, stream);
  const Pattern pattern = pattern_of(type);
  each_word(data, bytes,
            [&](std::uint64_t /*old*/) { return (stream.next() & pattern.free) | pattern.fixed; });
}

void change(std::uint8_t type, void* data, std::size_t bytes, std::size_t elements,
            Stream stream) noexcept {
  if (type == VAC_CHAR) return change_text(data, bytes, stream);
  if (type == VAC_STRING) {
    const std::size_t offsets = elements * sizeof(std::uint64_t);
    if (offsets <= bytes) change_text(static_cast<char*>(data) + offsets, bytes - offsets, stream);
    return;
  }
  // The exponent stays as it is, so a finite number stays finite; some bit of every byte is free.
  const Pattern pattern = pattern_of(type);
  each_word(data, bytes, [&](std::uint64_t old) {
    return old ^ (stream.next() & (pattern.free | pattern.sign));
  });
}

}  // namespace vac::noop
