// SPDX-License-Identifier: Apache-2.0
// Text as UTF-8: what is taken apart must come together again, and what is shown must be harmless.
#include <string>

#include "base/utf8.hpp"
#include "fuzz.hpp"

namespace vac::fuzz {
namespace {

bool is_scalar_value(char32_t code) { return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff); }

/// Bytes of the characters at the front of the text.
std::size_t valid_prefix(std::string_view text) {
  std::string again;
  while (again.size() < text.size()) {
    const Utf8Char next = first_utf8(text.substr(again.size()));
    if (next.bytes == 0) break;
    require(is_scalar_value(next.code), "a character is no Unicode scalar value");
    require(next.bytes <= text.size() - again.size(), "a character ends behind its text");
    append_utf8(again, next.code);
    require(text.starts_with(again), "a character is not written as it was read");
  }
  return again.size();
}

}  // namespace

void fuzz_one(std::span<const std::byte> input) {
  const std::string_view text = Input::text_of(input);
  require(valid_utf8(text) == (valid_prefix(text) == text.size()),
          "the check of a text and its characters differ");
  require(valid_utf8(input) == valid_utf8(text), "bytes and characters differ");

  const std::string shown = printable(text);
  require(valid_utf8(shown), "what is shown is not UTF-8");
  for (const char c : shown) {
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a control character is shown");
  }
  require(printable(shown) == shown, "what is shown would be shown differently");
  require(shown.size() >= text.size() || !valid_utf8(text), "something is not shown");
}

}  // namespace vac::fuzz
